//! A copy whose files are byte for byte those that were written.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::CopyError;
use super::manifest::{FileEntry, Kind, Manifest};
use super::{EVENTS_FILE, KEYS_FILE, MANIFEST_FILE, MASTER_KEY_FILE, SUMS_FILE, sums};

/// The largest manifest and list of sums, in bytes.
const SMALL_BYTES_MAX: u64 = 65_536;

/// A folder that was compared with its sums.
#[derive(Debug)]
pub(super) struct CheckedFolder {
    pub(super) folder: PathBuf,
    pub(super) manifest: Manifest,
}

impl CheckedFolder {
    /// Compares every file of the copy in `folder` with the manifest, and the manifest with the sums. `read` learns how
    /// many bytes of how many were compared.
    ///
    /// The sums stand in two places, so that it can be told which of the two was damaged.
    pub(super) fn open(kind: Kind, folder: &Path, mut read: impl FnMut(u64, u64)) -> Result<Self, CopyError> {
        let (sums_path, manifest_path) = (folder.join(SUMS_FILE), folder.join(MANIFEST_FILE));
        let (sums_text, manifest_text) = (small(&sums_path)?, small(&manifest_path)?);
        let (_, manifest_sum) = sums::of_file(&manifest_path, |_| {})?;
        let expected = format!("{manifest_sum}  {MANIFEST_FILE}\n");
        if !sums_text.ends_with(expected.as_bytes()) {
            let problem = format!("it does not fit {SUMS_FILE}, unless that one is damaged");
            return Err(CopyError::damaged(&manifest_path, problem));
        }
        let manifest = Manifest::read(kind, &manifest_path, &manifest_text)?;
        let total = manifest.files.iter().map(|file| file.bytes).sum();
        let mut done = 0;
        for entry in &manifest.files {
            known(kind, entry, &manifest_path)?;
            let path = folder.join(&entry.name);
            let (bytes, sum) = sums::of_file(&path, |chunk| {
                done += chunk;
                read(done, total);
            })?;
            if (bytes, &sum) != (entry.bytes, &entry.sha256) {
                return Err(CopyError::damaged(&path, format!("it does not fit {MANIFEST_FILE}")));
            }
        }
        let listed = manifest.files.iter().map(|entry| (entry.sha256.as_str(), entry.name.as_str()));
        if sums_text != (sums::text(listed) + &expected).into_bytes() {
            return Err(CopyError::damaged(&sums_path, format!("it does not fit {MANIFEST_FILE}")));
        }
        Ok(Self { folder: folder.to_owned(), manifest })
    }

    /// The path of a file that the manifest lists.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Whether a file belongs to the copy.
    pub(super) fn has(&self, name: &str) -> bool {
        self.manifest.files.iter().any(|file| file.name == name)
    }
}

/// A manifest names files of its own folder and no others.
fn known(kind: Kind, entry: &FileEntry, manifest: &Path) -> Result<(), CopyError> {
    let fits = match kind {
        Kind::Ledger => entry.name == EVENTS_FILE,
        Kind::Keys => entry.name == KEYS_FILE || entry.name == MASTER_KEY_FILE,
    };
    if fits { Ok(()) } else { Err(CopyError::damaged(manifest, format!("it names the file {}", entry.name))) }
}

fn small(path: &Path) -> Result<Vec<u8>, CopyError> {
    let bytes = fs::metadata(path).map_err(CopyError::file(path))?.len();
    if bytes > SMALL_BYTES_MAX {
        return Err(CopyError::damaged(path, format!("it has {bytes} bytes; at most {SMALL_BYTES_MAX} are read")));
    }
    fs::read(path).map_err(CopyError::file(path))
}

#[cfg(test)]
mod tests {
    use keyledger_events::merkle::Frontier;
    use keyledger_events::{Position, Timestamp};

    use super::super::folder::NewFolder;
    use super::super::manifest::{Counts, LedgerPoint};
    use super::*;

    #[test]
    fn a_changed_byte_of_any_file_is_found_and_the_file_named() -> Result<(), Box<dyn std::error::Error>> {
        let home = tempfile::tempdir()?;
        let place = home.path().join("copy");
        let folder = NewFolder::begin(&place)?;
        let mut file = folder.file(EVENTS_FILE)?;
        file.write(b"{\"position\":1}\n")?;
        let files = vec![file.finish()?];
        let point = LedgerPoint::new(None, Position::START, &Frontier::default());
        let entries = files.iter().cloned().map(Into::into).collect();
        let manifest = Manifest::new(Kind::Ledger, Timestamp::UNIX_EPOCH, point, Counts::default(), entries);
        folder.finish(&manifest, files)?.release()?;
        assert_eq!(CheckedFolder::open(Kind::Ledger, &place, |_, _| {})?.manifest, manifest);
        for name in [EVENTS_FILE, MANIFEST_FILE, SUMS_FILE] {
            let path = place.join(name);
            let whole = fs::read(&path)?;
            for (index, bit) in (0..whole.len()).flat_map(|index| [(index, 0x01), (index, 0x20), (index, 0x80)]) {
                let mut damaged = whole.clone();
                damaged[index] ^= bit;
                fs::write(&path, &damaged)?;
                let found = CheckedFolder::open(Kind::Ledger, &place, |_, _| {}).map(|_| ());
                let named = found.is_err_and(|error| error.to_string().contains(name));
                assert!(named, "byte {index} of {name}, bit {bit:#x}");
            }
            fs::write(&path, &whole)?;
        }
        Ok(())
    }
}
