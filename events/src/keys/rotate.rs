//! Rotating the master key: every data key is wrapped anew by another one, while servers go on.
//!
//! The new master key is put in force first, in one transaction that hands it over: it stands in the store wrapped by the
//! one before, so whoever knows either of the two can go on, after a crash at any point too. Then every key is rewrapped,
//! the file is replaced, and when running processes have had time to take it up, the handing over ends: from then on the
//! old master key opens nothing. Doing it again after a crash goes on where it was.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use uuid::Uuid;

use super::ring::{FINGERPRINT_ROOT, HANDED_OVER};
use super::{KeyRing, KeyRingError, MasterKey, MasterKeyError, master_file};

/// Keys rewrapped in one transaction.
const PAGE_KEYS: u32 = 256;
/// Times that keys which were inserted meanwhile are looked for at the end.
const FINISH_TRIES_MAX: u32 = 8;

/// Why the master key was not rotated, or not wholly. Doing it again goes on.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The master key is not there or not right.
    #[error(transparent)]
    Master(#[from] MasterKeyError),
    /// A data key cannot be opened.
    #[error(transparent)]
    Keys(#[from] KeyRingError),
    /// The keys store does not answer.
    #[error("the keys store: {0}")]
    Store(#[from] sqlx::Error),
    /// The file for the new key holds another one.
    #[error("{0} holds a master key that is not the one in force; name a new file, or that of the rotation to finish")]
    File(PathBuf),
    /// Two rotations at once.
    #[error("somebody else is rotating the master key, or has just done so; look at what came of that first")]
    Contended,
    /// Others kept storing keys under the master key from before.
    #[error("some keys are still under the master key from before; run it again")]
    Left,
}

/// What is wanted of a rotation.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Where the new master key is written, where it does not replace the file that the present one came from.
    pub new_file: Option<&'a Path>,
    /// How long running processes may take to take up the new master key.
    pub hand_over: Duration,
}

/// A rotation that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The id of the master key in force from now on.
    pub id: Uuid,
    /// Data keys that were wrapped anew.
    pub keys: u64,
    /// Whether one that was begun before was finished.
    pub resumed: bool,
    /// Where the new master key is.
    pub file: Option<PathBuf>,
    /// Where the old one was put.
    pub before: Option<PathBuf>,
}

impl KeyRing {
    /// Rotates the master key, or finishes a rotation that was begun. `told` hears how many keys are done.
    ///
    /// # Errors
    /// When store or file do not allow it; doing it again goes on.
    pub async fn rotate(&self, wanted: Wanted<'_>, told: impl Fn(u64)) -> Result<Rotation, RotateError> {
        let _alone = self.master_file().map(alone).transpose()?;
        let resumed = self.vault().master().await?.is_some_and(|record| record.handed_over.is_some());
        // Behind that look: what it told of must be known here.
        self.refresh().await?;
        if !resumed {
            self.begin(wanted).await?;
        }
        let master = self.current();
        if let Some(file) = wanted.new_file
            && in_new_file(file, || master.clone())?.id() != master.id()
        {
            return Err(RotateError::File(file.to_owned()));
        }
        let mut keys = self.rewrap_all(&master, 0, &told).await?;
        let before = self.master_file().map(|file| master_file::replace(file, &master)).transpose()?;
        tokio::time::sleep(wanted.hand_over).await;
        for _ in 0..FINISH_TRIES_MAX {
            keys = self.rewrap_all(&master, keys, &told).await?;
            if self.vault().finish_rotation(master.id()).await? {
                let file = wanted.new_file.or(self.master_file()).map(Path::to_owned);
                return Ok(Rotation { id: master.id(), keys, resumed, file, before });
            }
        }
        Err(RotateError::Left)
    }

    async fn begin(&self, wanted: Wanted<'_>) -> Result<(), RotateError> {
        let before = self.current();
        // Where no file is replaced, the new key must be in its file before anything is under it.
        let next = match wanted.new_file {
            Some(file) => in_new_file(file, MasterKey::generate)?,
            None => MasterKey::generate(),
        };
        if next.id() == before.id() {
            return Err(RotateError::File(wanted.new_file.unwrap_or(Path::new("")).to_owned()));
        }
        let handed_over = before.wrap(&next.as_data_key(HANDED_OVER)).wrapped;
        let mut keys = Vec::new();
        if self.vault().find(FINGERPRINT_ROOT).await?.is_none() {
            keys.push(self.root_under(&next));
        }
        if !self.vault().begin_rotation(before.id(), next.id(), &handed_over, &keys).await? {
            return Err(RotateError::Contended);
        }
        self.adopt(next);
        Ok(())
    }

    /// Wraps everything anew that another master key wraps.
    async fn rewrap_all(&self, master: &MasterKey, mut done: u64, told: &impl Fn(u64)) -> Result<u64, RotateError> {
        let mut after = None;
        loop {
            let page = self.vault().page(after, PAGE_KEYS).await?;
            let Some(last) = page.last() else { return Ok(done) };
            after = Some(last.id);
            let mut changed = Vec::new();
            for old in page {
                if old.master() != Some(master.id()) {
                    let new = master.wrap(&self.unwrap(&old).await?);
                    changed.push((old, new));
                }
            }
            if !changed.is_empty() {
                self.vault().rewrap(&changed).await?;
                done += changed.len() as u64;
                told(done);
            }
        }
    }
}

/// Nobody else may replace the file meanwhile: a slower one would put an older key into the place of a newer one. The
/// system lets go of the folder even after a crash.
fn alone(file: &Path) -> Result<File, RotateError> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let at = |source| MasterKeyError::File { path: file.to_owned(), source };
    let folder = File::open(folder).map_err(at)?;
    match folder.try_lock() {
        Ok(()) => Ok(folder),
        Err(TryLockError::WouldBlock) => Err(RotateError::Contended),
        Err(TryLockError::Error(source)) => Err(at(source).into()),
    }
}

/// The key in the new file, which is made when there is none.
fn in_new_file(file: &Path, key: impl FnOnce() -> MasterKey) -> Result<MasterKey, MasterKeyError> {
    if !file.exists() {
        let at = |source| MasterKeyError::File { path: file.to_owned(), source };
        master_file::create(file, &key()).map_err(at)?;
    }
    master_file::read(file)
}
