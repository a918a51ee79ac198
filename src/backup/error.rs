//! Why no copy was taken, why a copy cannot be used, why it was not restored.

use std::io;
use std::path::{Path, PathBuf};

use keyledger_events::keys::MasterKeyError;
use keyledger_events::writer::RestoreError;
use keyledger_events::{LedgerError, Position};

use crate::app::OpenAppError;
use crate::presence::PresenceError;

/// Why no copy was taken. Nothing is left under the name that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenAppError),
    /// The folder is in use.
    #[error("{0} is not empty; name a folder that does not exist yet")]
    NotEmpty(PathBuf),
    /// One folder for both copies.
    #[error("{0} is to hold both copies; name a folder of its own for the keys, or none")]
    SamePlace(PathBuf),
    /// One folder in the other.
    #[error(
        "of {} and {} one lies in the other; name a folder outside for the keys, or leave out --keys-to",
        ledger.display(),
        keys.display()
    )]
    Nested {
        /// The folder for the ledger.
        ledger: PathBuf,
        /// The folder for the keys.
        keys: PathBuf,
    },
    /// Somebody else is writing there.
    #[error("another backup is being written to {0}; wait for it or name another folder")]
    Busy(PathBuf),
    /// A file cannot be written.
    #[error("{path}: {source}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The ledger does not answer, or an event in it was changed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The ledger does not fit its own hashes.
    #[error(
        "the ledger does not verify at position {0}: a copy of it would be as wrong; `keyledger audit verify` says more"
    )]
    Corrupt(Position),
    /// The keys store does not answer.
    #[error("the keys store: {0}")]
    Keys(#[from] sqlx::Error),
    /// Some keys are under the master key from before, others under the next one: no one master key opens the copy.
    #[error(
        "the master key is being rotated, or was while the copy was taken; run it again afterwards. When it says so again \
         although no rotation is under way, `keyledger keys rotate-master` finishes the one that was cut short"
    )]
    Rotating,
    /// The master key cannot be read.
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    /// What was to be copied as the master key opens none of the keys.
    #[error(
        "the master key from {0} is not the one that the keys are under, and a copy of it would open nothing: give the one \
         in force, or leave out --with-master-key"
    )]
    OtherMasterKey(String),
}

impl BackupError {
    /// What befell a file.
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { path: path.to_owned(), source }
    }
}

/// Why a copy cannot be used. Nothing was restored from it.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no copy, or half of one.
    #[error("{0} is missing: this is no complete copy; name the folder that `keyledger backup` made")]
    Missing(PathBuf),
    /// A file is not what it was.
    #[error("{path} is damaged: {problem}; take another copy of the file, or an older backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How that shows.
        problem: String,
    },
    /// The folder holds the other half.
    #[error("{path} is a {found} and not a {expected}: is it the folder for the other option?")]
    Kind {
        /// The manifest.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// The copy was taken by a newer release.
    #[error("{path} has version {version}, but this keyledger reads up to {newest}; upgrade it")]
    Version {
        /// The manifest.
        path: PathBuf,
        /// The copy's version.
        version: u32,
        /// The newest version that is known here.
        newest: u32,
    },
}

impl CopyError {
    /// What befell a file.
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::NotFound => Self::Missing(path.to_owned()),
            _ => Self::File { path: path.to_owned(), source },
        }
    }

    /// A file that is not what it was.
    pub(super) fn damaged(path: &Path, problem: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), problem: problem.into() }
    }
}

/// Why a copy was not restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreCopyError {
    /// Somebody works on the database.
    #[error(transparent)]
    Presence(#[from] PresenceError),
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenAppError),
    /// The copy cannot be used.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The two copies are not of one ledger.
    #[error("the keys in {keys} belong to another ledger than the events in {ledger}; name the copies of one backup")]
    Strangers {
        /// The copy of the keys.
        keys: PathBuf,
        /// The copy of the ledger.
        ledger: PathBuf,
    },
    /// The keys are older than the ledger.
    #[error(
        "the keys in {keys} were copied at position {at}, but the events in {ledger} go on to position {head}: \
         what came between could never be read again; use a copy of the keys that is no older than that of the ledger"
    )]
    OldKeys {
        /// The copy of the keys.
        keys: PathBuf,
        /// The position the ledger had when they were copied.
        at: Position,
        /// The copy of the ledger.
        ledger: PathBuf,
        /// Its last position.
        head: Position,
    },
    /// There is no master key for what will be there.
    #[error(
        "there is no master key at {0}; put the one that belongs to this backup there, name its file with \
         --master-key-file, or set KEYLEDGER_MASTER_KEY"
    )]
    NoMasterKey(PathBuf),
    /// The master key opens none of the keys.
    #[error(
        "the master key from {origin} is not the one that the keys in {} are under (nothing was restored); {}",
        keys.display(),
        way_out(copied.as_deref())
    )]
    OtherMasterKey {
        /// Where it came from.
        origin: String,
        /// The copy of the keys.
        keys: PathBuf,
        /// The master key that the copy has.
        copied: Option<PathBuf>,
    },
    /// The master key cannot be read.
    #[error("{0} (nothing was restored)")]
    MasterKey(#[from] MasterKeyError),
    /// A file cannot be written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The keys store does not take the keys.
    #[error("the keys store: {0}; restore into a folder or database that was never used")]
    Keys(#[source] sqlx::Error),
    /// The ledger does not take the events.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The ledger does not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A task was stopped.
    #[error("the check of the copy was stopped: {0}")]
    Stopped(String),
}

/// What to do about a master key that is not the copy's.
fn way_out(copied: Option<&Path>) -> String {
    match copied {
        Some(copied) => format!(
            "the copy has one, {}: it is taken where none is given, so move the other out of the way",
            copied.display()
        ),
        None => "give the one that belongs to this backup".to_owned(),
    }
}
