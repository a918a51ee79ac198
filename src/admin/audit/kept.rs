//! Checkpoints that were kept elsewhere: files with signed notes.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use keyledger_proof::checkpoint::CheckpointError;
use keyledger_proof::note::NOTE_BYTES_MAX;
use keyledger_proof::{Checkpoint, VerifierKey};

/// How the name of a file with a checkpoint ends, in a folder of them.
pub(super) const NOTE_ENDING: &str = "checkpoint";

/// A checkpoint and where it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptNote {
    /// The file.
    pub name: String,
    /// What it says.
    pub checkpoint: Checkpoint,
}

/// Why kept checkpoints cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// A file or folder cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file holds no checkpoint of this log.
    #[error("{path} holds no checkpoint of this log: {source}")]
    Note {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: CheckpointError,
    },
}

/// The checkpoints of a file, or of all files in a folder whose names end in `.checkpoint`.
///
/// # Errors
/// When something cannot be read or is not this log's.
pub fn load(path: &Path, key: &VerifierKey) -> Result<Vec<KeptNote>, KeptError> {
    let at = |source| KeptError::Read { path: path.to_owned(), source };
    if !path.is_dir() {
        return Ok(vec![open(path, key)?]);
    }
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(path).map_err(at)? {
        let file = entry.map_err(at)?.path();
        if file.extension().is_some_and(|ending| ending == NOTE_ENDING) {
            kept.push(open(&file, key)?);
        }
    }
    Ok(kept)
}

fn open(path: &Path, key: &VerifierKey) -> Result<KeptNote, KeptError> {
    let read = || {
        let mut text = String::new();
        let limit = u64::try_from(NOTE_BYTES_MAX).unwrap_or(u64::MAX);
        std::fs::File::open(path)?.take(limit).read_to_string(&mut text).map(|_| text)
    };
    let note = read().map_err(|source| KeptError::Read { path: path.to_owned(), source })?;
    let checkpoint =
        Checkpoint::open(key, &note).map_err(|source| KeptError::Note { path: path.to_owned(), source })?;
    Ok(KeptNote { name: path.display().to_string(), checkpoint })
}
