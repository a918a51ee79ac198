//! Files that are there as a whole or not at all: written beside their place, and then put into it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use keyledger_events::id;

/// A file that is being written. Dropped before it is finished, it goes.
#[derive(Debug)]
pub(crate) struct Draft {
    path: PathBuf,
    place: PathBuf,
}

impl Draft {
    /// Begins a file beside `place`, under a name that nothing else has: several may be written at once for one place, and
    /// the last one to be finished is there.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn beside(place: &Path) -> io::Result<(Self, File)> {
        let mut name = place.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", id::fresh().simple()));
        let path = place.with_file_name(name);
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        Ok((Self { path, place: place.to_owned() }, file))
    }

    /// Puts it into its place.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn finish(self) -> io::Result<()> {
        fs::rename(&self.path, &self.place)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // One that is finished is not there any more; of one that is not, the reason is told elsewhere.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn of_two_drafts_each_is_whole_and_one_that_is_given_up_leaves_nothing() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let place = folder.path().join("export.csv");
        let (first, mut file) = Draft::beside(&place)?;
        let (second, mut other) = Draft::beside(&place)?;
        let (given_up, _) = Draft::beside(&place)?;
        file.write_all(b"first")?;
        other.write_all(b"second")?;
        drop(given_up);
        first.finish()?;
        assert_eq!(fs::read(&place)?, b"first");
        second.finish()?;
        assert_eq!(fs::read(&place)?, b"second");
        assert_eq!(fs::read_dir(folder.path())?.count(), 1);
        Ok(())
    }
}
