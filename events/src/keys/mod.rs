//! The keys store: data keys, kept apart from what they seal and wrapped by the master key.
//!
//! There is one data key per delivery (its raw body), one per customer (personal data) and one per team
//! (licence keys, secrets). New keys are durable here before the ledger commits what they seal. A copy of the
//! keys must be no older than the copy of the ledger beside it.

mod archive;
mod guarded;
mod master;
mod master_file;
mod postgres;
mod ring;
mod rotate;
mod sqlite;
mod vault;

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

pub use archive::KeyArchive;
pub use master::{MasterKey, MasterKeyError};
pub use postgres::PostgresKeys;
pub use ring::{KeyRing, KeyRingError};
pub use rotate::{RotateError, Rotation, Wanted};
pub use sqlite::SqliteKeys;
pub use vault::{KeyVault, MasterRecord, ServerKeyRecord, SharedKeyVault, StaleMaster};

/// A data key as it is stored: encrypted under the master key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The key's id: the delivery's, customer's or team's.
    pub id: Uuid,
    /// The id of the master key that wraps it, nonce and ciphertext: [`WRAPPED_BYTES`] in all. Without the id it was
    /// wrapped before master keys could change.
    pub wrapped: Vec<u8>,
}

/// The length of a wrapped key: 16 bytes of id, 24 of nonce, 32 of key, 16 of tag.
pub const WRAPPED_BYTES: i64 = 88;

impl WrappedKey {
    /// The id of the master key that wraps it, where it is told.
    pub fn master(&self) -> Option<Uuid> {
        let (id, rest) = self.wrapped.split_first_chunk::<16>()?;
        (rest.len() == 72).then(|| Uuid::from_bytes(*id))
    }

    /// Nonce and ciphertext.
    fn sealed(&self) -> &[u8] {
        if self.master().is_some() { &self.wrapped[16..] } else { &self.wrapped }
    }
}

/// A delivery's key that must go when a customer is forgotten, because the delivery names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyLink {
    /// The delivery's data key.
    pub key_id: Uuid,
    /// The customer whom the delivery names.
    pub customer_id: Uuid,
}

/// Where wrapped keys live.
#[async_trait]
pub trait KeyStore: Send + Sync + 'static {
    /// Stores keys and links durably. What is there already stays as it is; another key under an id that is taken
    /// is an error, because what was sealed with it could never be opened again.
    async fn insert(&self, keys: &[WrappedKey], links: &[KeyLink]) -> Result<(), sqlx::Error>;

    /// The key with this id; `None` when it never was or has been destroyed.
    async fn find(&self, id: Uuid) -> Result<Option<WrappedKey>, sqlx::Error>;
}

/// A keys store handed around between tasks.
pub type SharedKeyStore = Arc<dyn KeyStore>;

/// The answer to a key that is neither stored now nor was before.
fn missing(id: Uuid) -> sqlx::Error {
    sqlx::Error::Protocol(format!("data key {id} was not stored: try again"))
}

/// The answer to another key under an id that is taken.
fn taken(id: Uuid) -> sqlx::Error {
    sqlx::Error::Protocol(format!(
        "data key {id} exists already and is another one: seal with the stored key and try again"
    ))
}
