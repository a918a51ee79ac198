//! The key ring: opens and makes data keys, with the few that are asked for all the time kept in memory.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use uuid::Uuid;
use zeroize::Zeroizing;

use super::guarded::GuardedStore;
use super::vault::{MasterRecord, SharedKeyVault};
use super::{MasterKey, MasterKeyError, SharedKeyStore, WrappedKey, master_file};
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

/// The id of the secret that fingerprints are made with once the master key they were first made with has been rotated.
pub(super) const FINGERPRINT_ROOT: Uuid = Uuid::from_u128(0x6b65_796c_6564_6765_7266_696e_6765_7270);
/// The id under which a master key is wrapped to be handed over.
pub(super) const HANDED_OVER: Uuid = Uuid::from_u128(0x6b65_796c_6564_6765_7268_616e_646f_7665);

/// Data keys by id, wrapped in the store and plain only here. Clones share what they know.
#[derive(Clone)]
pub struct KeyRing {
    vault: SharedKeyVault,
    masters: Arc<RwLock<Masters>>,
    cache: Arc<Mutex<HashMap<Uuid, DataKey>>>,
    /// Where the master key came from.
    source: Arc<Source>,
}

/// Where a master key came from.
#[derive(Debug, Default)]
struct Source {
    /// For messages.
    name: String,
    /// The file, where it came from one: it is read again when the key was rotated.
    file: Option<PathBuf>,
}

/// The master keys that a process knows.
struct Masters {
    /// In force.
    current: MasterKey,
    /// Those before it, the newest first: what they wrap may not be rewrapped yet.
    earlier: Vec<MasterKey>,
    /// What fingerprints are made with: the first master key ever, whichever is in force.
    root: MasterKey,
}

impl Masters {
    fn unwrap(&self, key: &WrappedKey) -> Result<DataKey, MasterKeyError> {
        let mut all = std::iter::once(&self.current).chain(&self.earlier);
        let opened = all.find_map(|master| {
            let may = key.master().is_none_or(|id| id == master.id());
            may.then(|| master.unwrap(key).ok()).flatten()
        });
        opened.ok_or(MasterKeyError::Other(key.id))
    }
}

impl KeyRing {
    /// A ring over `vault`, opened by `master`, for a keys store whose master key was never rotated.
    pub fn new(master: MasterKey, vault: SharedKeyVault) -> Self {
        let masters = Masters { root: master.clone(), current: master, earlier: Vec::new() };
        Self { vault, masters: Arc::new(RwLock::new(masters)), cache: Arc::default(), source: Arc::default() }
    }

    /// A ring over `vault`, opened by the master key in `file`, which is made when there is none for a new keys store.
    ///
    /// # Errors
    /// When it is not the one that the keys store is under.
    pub async fn open_with_file(file: &Path, vault: SharedKeyVault) -> Result<Self, MasterKeyError> {
        // In this order: another process that starts now makes the file before it tells of the key.
        if vault.is_in_use().await? && matches!(file.try_exists(), Ok(false)) {
            return Err(MasterKeyError::Missing(file.to_owned()));
        }
        let source = Source { name: file.display().to_string(), file: Some(file.to_owned()) };
        Self::with_master(MasterKey::load_or_create(file)?, source, vault).await
    }

    /// A ring over `vault`, opened by a master key that `origin` gave.
    ///
    /// # Errors
    /// When it is not the one that the keys store is under.
    pub async fn open_with_key(master: MasterKey, origin: &str, vault: SharedKeyVault) -> Result<Self, MasterKeyError> {
        Self::with_master(master, Source { name: origin.to_owned(), file: None }, vault).await
    }

    async fn with_master(master: MasterKey, source: Source, vault: SharedKeyVault) -> Result<Self, MasterKeyError> {
        if vault.master().await?.is_none() {
            // Any key tells whether this is the right one; without any, all are.
            if let Some(key) = vault.page(None, 1).await?.first() {
                master.unwrap(key)?;
            }
            vault.register_master(master.id()).await?;
        }
        let mut ring = Self::new(master, vault);
        ring.source = Arc::new(source);
        if ring.refresh().await? {
            let name = &ring.source.name;
            tracing::warn!("the master key was rotated; the old one from {name} still does, but not for long");
        }
        if let Some(stored) = ring.vault.find(FINGERPRINT_ROOT).await? {
            let root = MasterKey::of_data_key(&ring.read().unwrap(&stored)?);
            ring.write().root = root;
        }
        Ok(ring)
    }

    /// Takes up a master key that was put in force by another process. Tells whether there was one.
    ///
    /// # Errors
    /// When it was not handed over to the one that we know, nor stands in the file that ours came from.
    pub async fn refresh(&self) -> Result<bool, MasterKeyError> {
        let Some(record) = self.vault.master().await? else { return Ok(false) };
        if self.read().current.id() == record.id {
            return Ok(false);
        }
        let next = self.handed_over(&record).or_else(|| self.in_file(record.id));
        let in_force = || record.id.simple().to_string()[..8].to_owned();
        let next =
            next.ok_or_else(|| MasterKeyError::Rotated { origin: self.source.name.clone(), in_force: in_force() })?;
        self.adopt(next);
        Ok(true)
    }

    /// The master key in force, if it was handed over to one that we know.
    fn handed_over(&self, record: &MasterRecord) -> Option<MasterKey> {
        let (before, wrapped) = record.handed_over.clone()?;
        let masters = self.read();
        let known = std::iter::once(&masters.current).chain(&masters.earlier).find(|master| master.id() == before)?;
        let opened = known.unwrap(&WrappedKey { id: HANDED_OVER, wrapped }).ok()?;
        Some(MasterKey::of_data_key(&opened)).filter(|next| next.id() == record.id)
    }

    /// The master key in force, if the file has it by now.
    fn in_file(&self, in_force: Uuid) -> Option<MasterKey> {
        let file = self.source.file.as_ref()?;
        master_file::read(file).ok().filter(|key| key.id() == in_force)
    }

    /// Puts a master key in force for this process.
    pub(super) fn adopt(&self, next: MasterKey) {
        let mut masters = self.write();
        if masters.current.id() != next.id() {
            let before = std::mem::replace(&mut masters.current, next);
            masters.earlier.insert(0, before);
        }
    }

    /// The master key in force, as far as this process knows.
    pub(super) fn current(&self) -> MasterKey {
        self.read().current.clone()
    }

    /// The file that the master key came from.
    pub fn master_file(&self) -> Option<&Path> {
        self.source.file.as_deref()
    }

    /// What fingerprints are made with, wrapped by `master`: it stays what it is whichever master key is in force.
    pub(super) fn root_under(&self, master: &MasterKey) -> WrappedKey {
        master.wrap(&self.read().root.as_data_key(FINGERPRINT_ROOT))
    }

    /// The same keys, wrapped by the master key in force.
    pub(super) async fn rewrapped(&self, keys: &[WrappedKey]) -> Result<Vec<WrappedKey>, MasterKeyError> {
        self.refresh().await?;
        let masters = self.read();
        keys.iter().map(|key| Ok(masters.current.wrap(&masters.unwrap(key)?))).collect()
    }

    /// The vault, for looking after keys.
    pub fn vault(&self) -> &SharedKeyVault {
        &self.vault
    }

    /// The store, for the Writer, which makes new keys durable before the ledger.
    pub fn store(&self) -> SharedKeyStore {
        Arc::new(GuardedStore(self.clone()))
    }

    fn read(&self) -> RwLockReadGuard<'_, Masters> {
        self.masters.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Masters> {
        self.masters.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a wrapped key, with a master key that was put in force meanwhile if need be.
    pub(super) async fn unwrap(&self, wrapped: &WrappedKey) -> Result<DataKey, KeyRingError> {
        let opened = self.read().unwrap(wrapped);
        match opened {
            Ok(key) => Ok(key),
            Err(other) => {
                // A rotation may have been handed over and done with since.
                if !self.refresh().await.unwrap_or(false) {
                    return Err(other.into());
                }
                Ok(self.read().unwrap(wrapped)?)
            }
        }
    }

    /// A new key and its stored form. The form must be stored before anything sealed with the key is.
    pub fn generate(&self, id: Uuid) -> (DataKey, WrappedKey) {
        let key = DataKey::generate(id);
        let wrapped = self.read().current.wrap(&key);
        (key, wrapped)
    }

    /// The key with this id.
    ///
    /// # Errors
    /// [`KeyRingError::Gone`] when it was destroyed or never was.
    pub async fn key(&self, id: Uuid) -> Result<DataKey, KeyRingError> {
        match self.vault.find(id).await? {
            Some(wrapped) => self.unwrap(&wrapped).await,
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

    /// The key with this id, made and stored first when there is none; for keys of the installation, which are there
    /// once the first process has started. Of two callers at once both get the same.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn key_or_new(&self, id: Uuid) -> Result<DataKey, KeyRingError> {
        if let Some(wrapped) = self.vault.find(id).await? {
            return self.unwrap(&wrapped).await;
        }
        let (_, wrapped) = self.generate(id);
        let stored = self.store().insert(&[wrapped], &[]).await;
        match self.vault.find(id).await? {
            Some(wrapped) => self.unwrap(&wrapped).await,
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

    /// See [`MasterKey::fingerprint`]. Fingerprints stand in the ledger and in ids: they outlive every rotation.
    pub fn fingerprint(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        self.read().root.fingerprint(purpose, parts)
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
