//! A folder that appears under its name when everything in it is on disk. Until then it has another name, which the
//! next attempt takes over.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use keyledger_events::{create_private, open_private};
use sha2::{Digest as _, Sha256};

use super::error::BackupError;
use super::{MANIFEST_FILE, SUMS_FILE, sums};

/// What stands behind the name of a folder that is not complete.
const INCOMPLETE: &str = ".incomplete";
/// The file that whoever is writing holds a lock on.
const LOCK_FILE: &str = ".lock";

/// A file that was written, with what it is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) name: &'static str,
    pub(super) bytes: u64,
    /// Hex.
    pub(super) sha256: String,
}

/// A folder that is being filled.
pub(super) struct NewFolder {
    /// Where it will be.
    place: PathBuf,
    /// Where it is meanwhile.
    draft: PathBuf,
    /// The system lets go of it even when the process is killed.
    lock: File,
}

impl NewFolder {
    /// As [`NewFolder::begin`], where the folder with the ledger is not there: a copy of the keys that has its name
    /// already, and the lock of a backup that did not come to its end, belongs to none and is cleared away.
    pub(super) fn begin_again(place: &Path) -> Result<Self, BackupError> {
        let lock_path = place.join(LOCK_FILE);
        if lock_path.exists() {
            let lock = open_private(&lock_path).map_err(BackupError::file(&lock_path))?;
            match lock.try_lock() {
                Ok(()) => fs::remove_dir_all(place).map_err(BackupError::file(place))?,
                Err(TryLockError::WouldBlock) => return Err(BackupError::Busy(place.to_owned())),
                Err(TryLockError::Error(error)) => return Err(BackupError::file(&lock_path)(error)),
            }
        }
        Self::begin(place)
    }

    /// Begins a folder at `place`, where nothing may be but an empty folder. What an interrupted attempt left is
    /// cleared away.
    pub(super) fn begin(place: &Path) -> Result<Self, BackupError> {
        match fs::read_dir(place).map(|entries| entries.take(1).count()) {
            Ok(0) => {}
            Ok(_) => return Err(BackupError::NotEmpty(place.to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(BackupError::file(place)(error)),
        }
        let mut name = place.file_name().unwrap_or_default().to_owned();
        name.push(INCOMPLETE);
        let draft = place.with_file_name(name);
        private_folder(&draft)?;
        let lock_path = draft.join(LOCK_FILE);
        let lock = open_private(&lock_path).map_err(BackupError::file(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BackupError::Busy(place.to_owned())),
            Err(TryLockError::Error(error)) => return Err(BackupError::file(&lock_path)(error)),
        }
        let folder = Self { place: place.to_owned(), draft, lock };
        folder.clear()?;
        Ok(folder)
    }

    fn clear(&self) -> Result<(), BackupError> {
        let at = || BackupError::file(&self.draft);
        for entry in fs::read_dir(&self.draft).map_err(at())? {
            let entry = entry.map_err(at())?;
            if entry.file_name() == LOCK_FILE {
                continue;
            }
            let path = entry.path();
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(BackupError::file(&path))?;
        }
        Ok(())
    }

    /// A place inside this folder, for another one that appears with it.
    pub(super) fn inside(&self, name: &str) -> PathBuf {
        self.draft.join(name)
    }

    /// Begins a file.
    pub(super) fn file(&self, name: &'static str) -> Result<NewFile, BackupError> {
        let path = self.draft.join(name);
        let to = BufWriter::with_capacity(1 << 18, create_private(&path).map_err(BackupError::file(&path))?);
        Ok(NewFile { path, name, to, hasher: Sha256::new(), bytes: 0 })
    }

    /// Writes the manifest and the sums, makes everything durable, and gives the folder its name.
    pub(super) fn finish(
        self,
        manifest: &impl serde::Serialize,
        mut files: Vec<Written>,
    ) -> Result<Published, BackupError> {
        let mut file = self.file(MANIFEST_FILE)?;
        let mut text = serde_json::to_vec_pretty(manifest).map_err(|error| file.failed(error.into()))?;
        text.push(b'\n');
        file.write(&text)?;
        files.push(file.finish()?);
        let mut file = self.file(SUMS_FILE)?;
        file.write(sums::text(files.iter().map(|file| (file.sha256.as_str(), file.name))).as_bytes())?;
        let sums = file.finish()?;
        sync_folder(&self.draft)?;
        fs::rename(&self.draft, &self.place).map_err(BackupError::file(&self.place))?;
        sync_folder(parent(&self.place))?;
        let bytes = files.iter().map(|file| file.bytes).sum::<u64>() + sums.bytes;
        Ok(Published { place: self.place, _lock: self.lock, bytes })
    }
}

/// A folder that has its name, and still the lock of whoever wrote it.
pub(super) struct Published {
    place: PathBuf,
    _lock: File,
    /// Bytes that were written.
    pub(super) bytes: u64,
}

impl Published {
    /// Takes the lock away: the backup has come to its end.
    pub(super) fn release(self) -> Result<u64, BackupError> {
        let lock = self.place.join(LOCK_FILE);
        fs::remove_file(&lock).map_err(BackupError::file(&lock))?;
        Ok(self.bytes)
    }
}

/// A file that is being written.
pub(super) struct NewFile {
    path: PathBuf,
    name: &'static str,
    to: BufWriter<File>,
    hasher: Sha256,
    bytes: u64,
}

impl NewFile {
    fn failed(&self, error: std::io::Error) -> BackupError {
        BackupError::file(&self.path)(error)
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        let written = self.to.write_all(bytes);
        written.map_err(|error| self.failed(error))
    }

    /// A JSON document and the end of its line.
    pub(super) fn line(&mut self, document: &impl serde::Serialize, buffer: &mut Vec<u8>) -> Result<(), BackupError> {
        buffer.clear();
        serde_json::to_writer(&mut *buffer, document).map_err(|error| self.failed(error.into()))?;
        buffer.push(b'\n');
        self.write(buffer)
    }

    /// Makes it durable.
    pub(super) fn finish(mut self) -> Result<Written, BackupError> {
        let flushed = self.to.flush().and_then(|()| self.to.get_ref().sync_all());
        flushed.map_err(|error| self.failed(error))?;
        Ok(Written { name: self.name, bytes: self.bytes, sha256: hex::encode(self.hasher.finalize()) })
    }
}

/// Nobody else may look into copies.
fn private_folder(path: &Path) -> Result<(), BackupError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(BackupError::file(path))
}

/// The folder above; a bare name's is the present one.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn sync_folder(path: &Path) -> Result<(), BackupError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(BackupError::file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_appears_when_it_is_complete_and_an_interrupted_one_is_taken_over()
    -> Result<(), Box<dyn std::error::Error>> {
        let home = tempfile::tempdir()?;
        let place = home.path().join("copy");
        let folder = NewFolder::begin(&place)?;
        folder.file("data")?.write(b"half")?;
        assert!(matches!(NewFolder::begin(&place), Err(BackupError::Busy(_))), "one writes at a time");
        drop(folder);
        assert!(!place.exists());

        let folder = NewFolder::begin(&place)?;
        let mut file = folder.file("data")?;
        file.write(b"whole")?;
        let written = file.finish()?;
        folder.finish(&serde_json::json!({}), vec![written])?.release()?;
        assert_eq!(fs::read(place.join("data"))?, b"whole");
        let mut names: Vec<_> =
            fs::read_dir(&place)?.map(|entry| Ok(entry?.file_name())).collect::<Result<_, std::io::Error>>()?;
        names.sort();
        assert_eq!(names, [SUMS_FILE, "data", MANIFEST_FILE]);
        assert!(matches!(NewFolder::begin(&place), Err(BackupError::NotEmpty(_))));
        assert!(matches!(NewFolder::begin_again(&place), Err(BackupError::NotEmpty(_))), "it came to its end");
        // The lock of an attempt that was interrupted between the two copies.
        fs::write(place.join(LOCK_FILE), "")?;
        assert!(NewFolder::begin_again(&place).is_ok() && !place.exists());
        Ok(())
    }
}
