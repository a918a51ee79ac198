//! Files that only the user whom keyledger runs as may look into.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a file, or makes it for its owner's eyes only, as `options` say.
///
/// An administrator may run a command as root in a folder of the user whom the server runs as. What root makes there is
/// that user's, who could not open it otherwise.
///
/// # Errors
/// When the system refuses.
pub fn private_file(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    hand_over(&file, parent(path))?;
    Ok(file)
}

/// The folder that a path is in; a bare name's is the present one.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Gives root's `file` to whom `like` belongs to; everybody else's stays.
#[cfg(unix)]
pub(crate) fn hand_over(file: &File, like: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, fchown};

    let (owned, wanted) = (file.metadata()?, std::fs::metadata(like)?);
    if owned.uid() != 0 || wanted.uid() == 0 {
        return Ok(());
    }
    fchown(file, Some(wanted.uid()), Some(wanted.gid()))
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};

    use super::*;

    /// The user and the group `nobody`, or any other that is not root.
    const SOMEBODY: u32 = 65_534;

    #[test]
    fn a_private_file_is_of_whom_its_folder_is_of() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let is_root = std::fs::metadata(folder.path())?.uid() == 0;
        if is_root {
            chown(folder.path(), Some(SOMEBODY), Some(SOMEBODY))?;
        }
        let owner = std::fs::metadata(folder.path())?.uid();
        assert!(!is_root || owner == SOMEBODY);
        let file = private_file(&folder.path().join("a"), OpenOptions::new().write(true).create_new(true))?;
        let made = file.metadata()?;
        assert_eq!((made.mode() & 0o777, made.uid()), (0o600, owner));
        Ok(())
    }
}
