//! What the key ring asks of a keys store beyond keeping keys: who is named by what, destroying for ever, and the
//! rotation of master and server keys.

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use super::{KeyStore, WrappedKey};
use crate::clock::Timestamp;

/// The master key in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterRecord {
    /// Its id; see [`MasterKey::id`](super::MasterKey::id).
    pub id: Uuid,
    /// While a rotation is handed over: the id of the one before, and the one in force wrapped by it.
    pub handed_over: Option<(Uuid, Vec<u8>)>,
}

/// A signing key of the server as it is stored; its seed is the data key of the same id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerKeyRecord {
    /// Its id.
    pub id: Uuid,
    /// The 32 bytes of the Ed25519 public key.
    pub public_key: Vec<u8>,
    /// From when it signs; the one before it signs until then.
    pub valid_from: Timestamp,
}

/// A keys store with what looking after keys needs. The plain [`KeyStore`] is all that the Writer sees of it.
#[async_trait]
pub trait KeyVault: KeyStore {
    /// The keys that are linked to any of these customers.
    async fn linked(&self, customers: &[Uuid]) -> Result<Vec<Uuid>, sqlx::Error>;

    /// Those of the keys that are stored.
    async fn existing(&self, keys: &[Uuid]) -> Result<Vec<Uuid>, sqlx::Error>;

    /// Destroys keys so that nothing of them is left in any file, with the links of these customers to keys that are
    /// no more. Tells how many keys there were.
    async fn destroy(&self, keys: &[Uuid], customers: &[Uuid]) -> Result<u64, sqlx::Error>;

    /// The keys after an id, in order of id.
    async fn page(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<WrappedKey>, sqlx::Error>;

    /// The master key in force; `None` before the first process told.
    async fn master(&self) -> Result<Option<MasterRecord>, sqlx::Error>;

    /// Whether it is under a master key: any process that opens it sees to that.
    async fn is_in_use(&self) -> Result<bool, sqlx::Error> {
        Ok(self.master().await?.is_some() || !self.page(None, 1).await?.is_empty())
    }

    /// Tells which master key is in force, unless that is known.
    async fn register_master(&self, id: Uuid) -> Result<(), sqlx::Error>;

    /// Puts `next` in force in place of `before`, handed over as told, and stores `keys`, which it wraps; all of it or
    /// nothing. `false` when `before` is not in force.
    async fn begin_rotation(
        &self,
        before: Uuid,
        next: Uuid,
        handed_over: &[u8],
        keys: &[WrappedKey],
    ) -> Result<bool, sqlx::Error>;

    /// Replaces keys by the same keys wrapped anew, where they are still wrapped as before.
    async fn rewrap(&self, keys: &[(WrappedKey, WrappedKey)]) -> Result<(), sqlx::Error>;

    /// Ends the handing over to `id`, so that the master key before it opens nothing any more, and leaves nothing of
    /// what that one wrapped. `false` when it still wraps something.
    async fn finish_rotation(&self, id: Uuid) -> Result<bool, sqlx::Error>;

    /// The server's signing keys, oldest first.
    async fn server_keys(&self) -> Result<Vec<ServerKeyRecord>, sqlx::Error>;

    /// Adds a signing key behind `known` others, with its seed unless that is stored. `false` when there are more by now.
    async fn add_server_key(
        &self,
        key: &ServerKeyRecord,
        seeds: &[WrappedKey],
        known: usize,
    ) -> Result<bool, sqlx::Error>;
}

/// A vault handed around between tasks.
pub type SharedKeyVault = Arc<dyn KeyVault>;

/// A key was wrapped by a master key that is not in force any more: wrap it anew and try again.
#[derive(Debug, thiserror::Error)]
#[error("the master key was rotated meanwhile: {0} is in force now")]
pub struct StaleMaster(pub Uuid);

impl StaleMaster {
    /// The refusal of what another master key wraps than the one in force.
    pub(super) fn check(in_force: Option<Uuid>, keys: &[WrappedKey]) -> Result<(), sqlx::Error> {
        match in_force {
            Some(id) if keys.iter().any(|key| key.master() != Some(id)) => {
                Err(sqlx::Error::Configuration(Box::new(Self(id))))
            }
            _ => Ok(()),
        }
    }

    /// Whether an error is this one.
    pub(super) fn is(error: &sqlx::Error) -> bool {
        matches!(error, sqlx::Error::Configuration(cause) if cause.is::<Self>())
    }
}
