//! The file `SHA256SUMS`: what `sha256sum --check` reads, and the sum over the manifest, which holds the others.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::error::CopyError;

/// How much is read at once, in bytes.
const CHUNK_BYTES: usize = 1 << 18;

/// The file's text: hex of the sum, two spaces, the file's name.
pub(super) fn text<'a>(sums: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    sums.map(|(sum, name)| format!("{sum}  {name}\n")).collect()
}

/// Hex of a file's sum. `read` learns of every chunk.
pub(super) fn of_file(path: &Path, mut read: impl FnMut(u64)) -> Result<(u64, String), CopyError> {
    let mut file = File::open(path).map_err(CopyError::file(path))?;
    let (mut hasher, mut bytes) = (Sha256::new(), 0);
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let filled = file.read(&mut chunk).map_err(CopyError::file(path))?;
        if filled == 0 {
            return Ok((bytes, hex::encode(hasher.finalize())));
        }
        hasher.update(&chunk[..filled]);
        bytes += filled as u64;
        read(filled as u64);
    }
}
