//! Keeping checkpoints elsewhere, and finding out that history was rewritten since: one command for every day.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use keyledger_events::LedgerError;
use keyledger_proof::VerifierKey;
use serde::Serialize;

use super::kept::NOTE_ENDING;
use super::{KeptError, Verified, load, verify};
use crate::app::App;
use crate::draft::Draft;
use crate::proofs::{LogKey, ProofsError, sign_now};

/// The file with the log's key, in the folder of kept checkpoints.
const KEY_FILE: &str = "log.key";

/// What keeping came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Keep {
    /// What verification came to.
    #[serde(flatten)]
    pub verified: Verified,
    /// The file with the newest checkpoint; only when everything fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
}

/// Why nothing was kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The folder's checkpoints cannot be used.
    #[error(transparent)]
    Kept(#[from] KeptError),
    /// The folder's key is not the log's.
    #[error(
        "{file} holds the key {pinned}, but the log signs with {log}: this is another ledger, or somebody replaced its \
         keys"
    )]
    OtherKey {
        /// The file.
        file: PathBuf,
        /// The key in it.
        pinned: String,
        /// The log's key.
        log: String,
    },
    /// A file cannot be written or read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No checkpoint could be signed.
    #[error(transparent)]
    Proofs(#[from] ProofsError),
    /// The ledger does not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Verifies the ledger, by the checkpoints in a folder too, and keeps a new one there. The folder belongs where whoever
/// can change the ledger cannot change it.
///
/// # Errors
/// When the ledger does not answer or the folder cannot be used. That something does not fit is an answer.
pub async fn keep(app: &App, key: &LogKey, folder: &Path, progress: impl FnMut(i64, i64)) -> Result<Keep, KeepError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| KeepError::File { path, source }
    };
    std::fs::create_dir_all(folder).map_err(at(folder))?;
    pin(folder, key.key())?;
    let kept = load(folder, key.key())?;
    // Signed first, so that what is kept is what was verified. Why it cannot be signed is for the verification to say.
    let signed = sign_now(app, key).await;
    let verified = verify(app, key.key(), kept, progress).await?;
    if !verified.ok {
        return Ok(Keep { verified, file: None });
    }
    let signed = signed?;
    let file = folder.join(format!("{:020}.{NOTE_ENDING}", signed.size));
    write(&file, &signed.note).map_err(at(&file))?;
    Ok(Keep { verified, file: Some(file) })
}

/// The first time the log's key is noted, later it must be the same.
fn pin(folder: &Path, log: &VerifierKey) -> Result<(), KeepError> {
    let file = folder.join(KEY_FILE);
    let log = log.to_string();
    let at = |source| KeepError::File { path: file.clone(), source };
    if !file.exists() {
        return write(&file, &format!("{log}\n")).map_err(at);
    }
    let pinned = std::fs::read_to_string(&file).map_err(at)?.trim().to_owned();
    if pinned == log { Ok(()) } else { Err(KeepError::OtherKey { file, pinned, log }) }
}

/// Writes a whole file or none.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let (draft, mut file) = Draft::beside(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    draft.finish()
}
