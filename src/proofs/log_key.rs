//! The log's own key: it signs checkpoints and exports, and nothing else.

use std::ops::Deref;
use std::sync::Arc;

use keyledger_events::keys::KeyRing;
use keyledger_proof::NoteSigner;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::ProofsError;

/// The id of the secret that the key is made from, in the keys store that all nodes share.
const LOG_KEY_ID: Uuid = Uuid::from_u128(0x6b65_796c_6564_6765_726c_6f67_5f5f_3031);
/// Bytes of the public key's hash in the log's name.
const NAME_BYTES: usize = 8;

/// The log's Ed25519 key, the same on every node. Clones share it.
#[derive(Clone)]
pub struct LogKey(Arc<NoteSigner>);

impl LogKey {
    /// Reads it from the keys store, where the first one to ask makes it. The log's name follows from the key, so that
    /// no two installations have the same and none has to choose one.
    ///
    /// # Errors
    /// When the keys store does not answer.
    pub async fn open(keys: &KeyRing) -> Result<Self, ProofsError> {
        let seed = keys.secret(LOG_KEY_ID).await?;
        let name = |public: &[u8; 32]| format!("keyledger/{}", hex::encode(&Sha256::digest(public)[..NAME_BYTES]));
        Ok(Self(Arc::new(NoteSigner::from_seed(seed.as_slice(), name)?)))
    }
}

impl Deref for LogKey {
    type Target = NoteSigner;
    fn deref(&self) -> &NoteSigner {
        &self.0
    }
}
