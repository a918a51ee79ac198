//! Files that only the user whom keyledger runs as may look into.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Makes a file where there is none, for its owner's eyes only.
///
/// An administrator may run a command as root in a folder of the user whom the server runs as. What root makes there is
/// that user's, who could not open it otherwise. It is only ever given what was made just now: a name that is there may
/// lead to any other file.
///
/// # Errors
/// When the system refuses, and when there is a file.
pub fn create_private(path: &Path) -> io::Result<File> {
    create_private_like(path, parent(path))
}

/// As [`create_private`]; root's file is to belong to whom `like` belongs to.
pub(crate) fn create_private_like(path: &Path, like: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // A shared lock wants a file that can be read, on some network file systems.
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    hand_over(&file, like)?;
    #[cfg(not(unix))]
    let _ = like;
    Ok(file)
}

/// Opens a file to write to it as it is, and makes it as [`create_private`] does where there is none.
///
/// # Errors
/// When the system refuses.
pub fn open_private(path: &Path) -> io::Result<File> {
    match create_private(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            OpenOptions::new().read(true).write(true).open(path)
        }
        made => made,
    }
}

/// The folder that a path is in; a bare name's is the present one.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Gives root's `file` to whom `like` belongs to; everybody else's stays.
#[cfg(unix)]
fn hand_over(file: &File, like: &Path) -> io::Result<()> {
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

    /// A folder that is somebody's; whose it is, where the test may not give it away.
    fn folder_of_somebody() -> io::Result<(tempfile::TempDir, u32)> {
        let folder = tempfile::tempdir()?;
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        if std::fs::metadata(folder.path())?.uid() == 0 {
            chown(folder.path(), Some(SOMEBODY), Some(SOMEBODY))?;
        }
        let owner = std::fs::metadata(folder.path())?.uid();
        Ok((folder, owner))
    }

    #[test]
    fn a_private_file_is_of_whom_its_folder_is_of() -> io::Result<()> {
        let (folder, owner) = folder_of_somebody()?;
        for make in [create_private, open_private] {
            let path = folder.path().join("a");
            let made = make(&path)?.metadata()?;
            assert_eq!((made.mode() & 0o777, made.uid()), (0o600, owner));
            std::fs::remove_file(path)?;
        }
        Ok(())
    }

    /// Guards: somebody who has root give them a file that they name.
    #[test]
    fn what_was_there_is_given_to_nobody() -> io::Result<()> {
        let (folder, _) = folder_of_somebody()?;
        let elsewhere = tempfile::NamedTempFile::new()?;
        let before = elsewhere.as_file().metadata()?;
        let link = folder.path().join("start.lock");
        std::os::unix::fs::symlink(elsewhere.path(), &link)?;
        open_private(&link)?;
        assert!(create_private(&link).is_err());
        let after = elsewhere.as_file().metadata()?;
        assert_eq!((after.uid(), after.mode()), (before.uid(), before.mode()));
        Ok(())
    }
}
