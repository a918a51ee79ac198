//! The master key beside a copy: put in only where it was asked for, and put back only where none is.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use keyledger_events::create_private;
use keyledger_events::keys::{MasterKey, MasterKeyError};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::error::{BackupError, RestoreCopyError};
use crate::config::{MASTER_KEY_VARIABLE, MasterKeySource};

/// A master key as it is given.
struct Given {
    key: MasterKey,
    text: Zeroizing<String>,
    /// Where it came from.
    origin: String,
}

fn given(source: &MasterKeySource) -> Result<Given, MasterKeyError> {
    let (text, origin) = match source {
        MasterKeySource::Hex(text) => (Zeroizing::new(text.to_string()), MASTER_KEY_VARIABLE.to_owned()),
        MasterKeySource::File(path) => (read(path)?, path.display().to_string()),
    };
    let key = MasterKey::from_hex(&text, &origin)?;
    Ok(Given { key, text: Zeroizing::new(text.trim().to_owned()), origin })
}

/// The text of the master key that keys are under; `id` is that one's, where it is known.
///
/// # Errors
/// When the file cannot be read or holds something else, or it is another one.
pub(super) fn in_force(source: &MasterKeySource, id: Option<Uuid>) -> Result<Zeroizing<String>, BackupError> {
    let Given { key, text, origin } = given(source)?;
    if id.is_some_and(|id| id != key.id()) {
        return Err(BackupError::OtherMasterKey(origin));
    }
    Ok(text)
}

fn read(path: &Path) -> Result<Zeroizing<String>, MasterKeyError> {
    let read = std::fs::read_to_string(path).map(Zeroizing::new);
    read.map_err(|source| MasterKeyError::File { path: path.to_owned(), source })
}

/// The master key that a restored ledger will have, and where it is from.
pub(super) struct ForRestore {
    pub(super) key: MasterKey,
    pub(super) origin: String,
    /// The copy's, which is to be put in place.
    pub(super) copied: Option<Zeroizing<String>>,
}

/// The one that is given, or the copy's where none is.
pub(super) fn for_restore(source: &MasterKeySource, copied: Option<&Path>) -> Result<ForRestore, RestoreCopyError> {
    if let MasterKeySource::File(path) = source
        && !path.exists()
    {
        let Some(copied) = copied else { return Err(RestoreCopyError::NoMasterKey(path.clone())) };
        let (text, origin) = (read(copied)?, copied.display().to_string());
        return Ok(ForRestore { key: MasterKey::from_hex(&text, &origin)?, origin, copied: Some(text) });
    }
    let Given { key, origin, .. } = given(source)?;
    Ok(ForRestore { key, origin, copied: None })
}

/// Writes a master key where none is.
pub(super) fn install(path: &Path, text: &str) -> Result<(), RestoreCopyError> {
    let at = |source| RestoreCopyError::File { path: path.to_owned(), source };
    let mut file = create_private(path).map_err(at)?;
    file.write_all(text.trim().as_bytes()).and_then(|()| file.sync_all()).map_err(at)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(at)?;
    }
    Ok(())
}
