//! The file of the master key: only its owner reads it, it is never half written, and a rotated key's predecessor stays
//! beside it, for copies of the keys store from before.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use uuid::Uuid;
use zeroize::Zeroizing;

use super::{MasterKey, MasterKeyError};
use crate::private::{create_private_like, parent};

/// Reads the key.
pub(super) fn read(path: &Path) -> Result<MasterKey, MasterKeyError> {
    let at = |source| MasterKeyError::File { path: path.to_owned(), source };
    let mut text = Zeroizing::new(String::new());
    File::open(path).map_err(at)?.read_to_string(&mut text).map_err(at)?;
    MasterKey::from_hex(&text, &path.display().to_string())
}

/// Writes a complete key beside `path` and links it into place, so that of two starting processes one wins
/// and neither reads half a key.
pub(super) fn create(path: &Path, key: &MasterKey) -> io::Result<()> {
    create_like(path, key, parent(path))
}

/// As [`create`], for whom `like` belongs to.
fn create_like(path: &Path, key: &MasterKey, like: &Path) -> io::Result<()> {
    let draft = draft(path, key, like)?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    sync_folder(path)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Puts `key` in the place of the one in `path`, which goes on under the name that is answered. After a crash there is
/// the one or the other under `path`, whole.
pub(super) fn replace(path: &Path, key: &MasterKey) -> Result<PathBuf, MasterKeyError> {
    let at = |source| MasterKeyError::File { path: path.to_owned(), source };
    let before = read(path)?;
    let mut kept = path.as_os_str().to_owned();
    kept.push(format!(".before-{}", &key.id().simple().to_string()[..8]));
    let kept = PathBuf::from(kept);
    if before.id() == key.id() {
        return Ok(kept);
    }
    create_like(&kept, &before, path).map_err(at)?;
    let draft = draft(path, key, path).map_err(at)?;
    fs::rename(&draft, path).map_err(at)?;
    sync_folder(path).map_err(at)?;
    Ok(kept)
}

/// A complete key under a name of its own, beside `path`, for whom `like` belongs to.
fn draft(path: &Path, key: &MasterKey, like: &Path) -> io::Result<PathBuf> {
    let draft = path.with_extension(format!("draft-{}", Uuid::new_v4()));
    let mut file = create_private_like(&draft, like)?;
    file.write_all(key.to_hex().as_bytes())?;
    file.sync_all()?;
    Ok(draft)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(parent(path))?.sync_all()
}
