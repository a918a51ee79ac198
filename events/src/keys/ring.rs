//! The key ring: opens and makes data keys, with the few that are asked for all the time kept in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;
use zeroize::Zeroizing;

use super::{KeyLink, MasterKey, MasterKeyError, SharedKeyStore, WrappedKey};
use crate::id::TeamId;
use crate::sealed::{DataKey, OpenError, SealContext, Sealed};

/// Team keys kept in memory at most; beyond that the ring starts over.
const CACHED_KEYS_MAX: usize = 1_024;

/// Why a sealed value cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    /// The keys store does not answer.
    #[error("the keys store cannot be read: {0}")]
    Store(#[from] sqlx::Error),
    /// The keys store and the master key do not belong together.
    #[error(transparent)]
    Master(#[from] MasterKeyError),
    /// The data key has been destroyed (the person was forgotten), or the keys store is older than the ledger.
    #[error("data key {0} is gone: its owner was forgotten, or the keys store is older than the ledger")]
    Gone(Uuid),
    /// The value itself does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Data keys by id, wrapped in the store and plain only here.
#[derive(Clone)]
pub struct KeyRing {
    master: MasterKey,
    store: SharedKeyStore,
    cache: Arc<Mutex<HashMap<Uuid, DataKey>>>,
}

impl KeyRing {
    /// A ring over `store`, opened by `master`.
    pub fn new(master: MasterKey, store: SharedKeyStore) -> Self {
        Self { master, store, cache: Arc::default() }
    }

    /// The store, for the Writer, which makes new keys durable before the ledger.
    pub fn store(&self) -> &SharedKeyStore {
        &self.store
    }

    /// A new key and its stored form. The form must be stored before anything sealed with the key is.
    pub fn generate(&self, id: Uuid) -> (DataKey, WrappedKey) {
        let key = DataKey::generate(id);
        let wrapped = self.master.wrap(&key);
        (key, wrapped)
    }

    /// The key with this id.
    ///
    /// # Errors
    /// [`KeyRingError::Gone`] when it was destroyed or never was.
    pub async fn key(&self, id: Uuid) -> Result<DataKey, KeyRingError> {
        match self.store.find(id).await? {
            Some(wrapped) => Ok(self.master.unwrap(&wrapped)?),
            None => Err(KeyRingError::Gone(id)),
        }
    }

    /// The key of a team, from memory after the first time.
    ///
    /// # Errors
    /// As [`KeyRing::key`].
    pub async fn team_key(&self, team: TeamId) -> Result<DataKey, KeyRingError> {
        if let Some(key) = self.cached(team.0) {
            return Ok(key);
        }
        let key = self.key(team.0).await?;
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= CACHED_KEYS_MAX {
            cache.clear();
        }
        cache.insert(team.0, key.clone());
        Ok(key)
    }

    /// The key with this id, made and stored first when there is none. Of two callers at once both get the same.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn key_or_new(&self, id: Uuid) -> Result<DataKey, KeyRingError> {
        if let Some(wrapped) = self.store.find(id).await? {
            return Ok(self.master.unwrap(&wrapped)?);
        }
        let (_, wrapped) = self.generate(id);
        let stored = self.store.insert(&[wrapped], &[]).await;
        match self.store.find(id).await? {
            Some(wrapped) => Ok(self.master.unwrap(&wrapped)?),
            None => Err(stored.err().map_or(KeyRingError::Gone(id), KeyRingError::Store)),
        }
    }

    /// A secret of the installation's own, the same for every process: 32 random bytes under a fixed id.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn secret(&self, id: Uuid) -> Result<Zeroizing<[u8; 32]>, KeyRingError> {
        Ok(Zeroizing::new(*self.key_or_new(id).await?.bytes()))
    }

    /// Remembers that forgetting a customer must destroy a delivery's key too.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn link(&self, link: KeyLink) -> Result<(), KeyRingError> {
        Ok(self.store.insert(&[], &[link]).await?)
    }

    /// Opens a sealed value wherever its key is.
    ///
    /// # Errors
    /// When the key is gone or the value does not belong to `context`.
    pub async fn open(&self, context: SealContext<'_>, sealed: &Sealed) -> Result<Vec<u8>, KeyRingError> {
        let key = if sealed.key_id() == context.team.0 {
            self.team_key(context.team).await?
        } else {
            self.key(sealed.key_id()).await?
        };
        Ok(key.open(context, sealed)?)
    }

    /// As [`key`](Self::key); `None` when its owner was forgotten.
    ///
    /// # Errors
    /// When the keys store does not answer.
    pub async fn key_unless_gone(&self, id: Uuid) -> Result<Option<DataKey>, KeyRingError> {
        unless_gone(self.key(id).await)
    }

    /// As [`open`](Self::open); `None` when its owner was forgotten.
    ///
    /// # Errors
    /// When the keys store does not answer, or the value does not belong to `context`.
    pub async fn open_unless_gone(
        &self,
        context: SealContext<'_>,
        sealed: &Sealed,
    ) -> Result<Option<Vec<u8>>, KeyRingError> {
        unless_gone(self.open(context, sealed).await)
    }

    /// See [`MasterKey::fingerprint`].
    pub fn fingerprint(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        self.master.fingerprint(purpose, parts)
    }

    fn cached(&self, id: Uuid) -> Option<DataKey> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }
}

fn unless_gone<T>(found: Result<T, KeyRingError>) -> Result<Option<T>, KeyRingError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(KeyRingError::Gone(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
