//! The master key beside a copy: put in only where it was asked for, and put back only where none is.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use keyledger_events::keys::{MasterKey, MasterKeyError};
use zeroize::Zeroizing;

use super::error::RestoreCopyError;
use crate::config::MasterKeySource;

/// The master key's text as it is given.
///
/// # Errors
/// When the file cannot be read or holds something else.
pub(super) fn text(source: &MasterKeySource) -> Result<Zeroizing<String>, MasterKeyError> {
    let (text, origin) = match source {
        MasterKeySource::Hex(text) => (Zeroizing::new(text.to_string()), "KEYLEDGER_MASTER_KEY".to_owned()),
        MasterKeySource::File(path) => (read(path)?, path.display().to_string()),
    };
    MasterKey::from_hex(&text, &origin)?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

fn read(path: &Path) -> Result<Zeroizing<String>, MasterKeyError> {
    let read = std::fs::read_to_string(path).map(Zeroizing::new);
    read.map_err(|source| MasterKeyError::File { path: path.to_owned(), source })
}

/// The master key that a restored ledger will have: the one that is given, or the copy's where none is.
pub(super) fn for_restore(
    source: &MasterKeySource,
    copied: Option<&Path>,
) -> Result<(MasterKey, Option<Zeroizing<String>>), RestoreCopyError> {
    if let MasterKeySource::File(path) = source
        && !path.exists()
    {
        let Some(copied) = copied else { return Err(RestoreCopyError::NoMasterKey(path.clone())) };
        let text = read(copied)?;
        return Ok((MasterKey::from_hex(&text, &copied.display().to_string())?, Some(text)));
    }
    Ok((MasterKey::from_hex(&text(source)?, "the master key")?, None))
}

/// Writes a master key where none is.
pub(super) fn install(path: &Path, text: &str) -> Result<(), RestoreCopyError> {
    let at = |source| RestoreCopyError::File { path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(at)?;
    file.write_all(text.trim().as_bytes()).and_then(|()| file.sync_all()).map_err(at)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(at)?;
    }
    Ok(())
}
