//! Checkpoints (<https://c2sp.org/tlog-checkpoint>): what a log says about its tree, signed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::merkle::Hash;
use crate::note::{NoteError, NoteSigner, VerifierKey};

/// The size and the root of a log's tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// The number of leaves.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// Why a note is no checkpoint of a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note is not the log's.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The note is signed, but says something else.
    #[error("the note is signed but is no checkpoint: {0}")]
    Text(&'static str),
    /// The checkpoint is another log's.
    #[error("the checkpoint is one of the log {found}, not of {expected}")]
    Origin {
        /// The log that it is of.
        found: String,
        /// The log whose key signed it.
        expected: String,
    },
}

impl Checkpoint {
    /// The signed note of a log with this tree.
    pub fn sign(signer: &NoteSigner, size: u64, root: &Hash) -> String {
        signer.sign(&format!("{}\n{size}\n{}\n", signer.key().name(), BASE64.encode(root)))
    }

    /// Reads a note that the key's owner signed about its own log.
    ///
    /// # Errors
    /// When the note was not signed by this key, was changed, or is no checkpoint.
    pub fn open(key: &VerifierKey, note: &str) -> Result<Self, CheckpointError> {
        let checkpoint = Self::parse(key.open(note)?)?;
        if checkpoint.origin == key.name() {
            return Ok(checkpoint);
        }
        Err(CheckpointError::Origin { found: checkpoint.origin, expected: key.name().to_owned() })
    }

    /// Reads a note's text. Extension lines are passed over.
    fn parse(text: &str) -> Result<Self, CheckpointError> {
        let lines: Vec<&str> = text.strip_suffix('\n').unwrap_or(text).split('\n').collect();
        if lines.iter().any(|line| line.is_empty()) {
            return Err(CheckpointError::Text("it has an empty line"));
        }
        let [origin, size, root, ..] = lines.as_slice() else {
            return Err(CheckpointError::Text("it has fewer than three lines"));
        };
        let number: u64 = size.parse().map_err(|_| CheckpointError::Text("its second line is no size"))?;
        if number.to_string() != *size {
            return Err(CheckpointError::Text("its size is not written as sizes are"));
        }
        let root = BASE64.decode(root).ok().and_then(|root| Hash::try_from(root).ok());
        let root = root.ok_or(CheckpointError::Text("its third line is no root of 32 bytes in base64"))?;
        Ok(Self { origin: (*origin).to_owned(), size: number, root })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> Result<NoteSigner, NoteError> {
        NoteSigner::from_seed(&[7; 32], |_| "example.com/log".to_owned())
    }

    #[test]
    fn what_is_signed_reads_back() -> Result<(), CheckpointError> {
        let signer = signer()?;
        let note = Checkpoint::sign(&signer, 1_234, &[5; 32]);
        let lines: Vec<&str> = note.lines().collect();
        assert_eq!(lines[..4], ["example.com/log", "1234", "BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU=", ""]);
        let opened = Checkpoint::open(signer.key(), &note)?;
        assert_eq!(opened, Checkpoint { origin: "example.com/log".to_owned(), size: 1_234, root: [5; 32] });
        Ok(())
    }

    #[test]
    fn a_signed_note_that_is_no_checkpoint_is_refused() -> Result<(), CheckpointError> {
        let signer = signer()?;
        let root = "BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU=";
        let open = |text: String| Checkpoint::open(signer.key(), &signer.sign(&text));
        assert!(open(format!("example.com/log\n7\n{root}\nan extension\n")).is_ok());
        for size in ["07", "+7", "-7", "x", "99999999999999999999"] {
            assert!(open(format!("example.com/log\n{size}\n{root}\n")).is_err(), "{size}");
        }
        assert!(open("example.com/log\n7\nBQUF\n".to_owned()).is_err());
        assert!(open("example.com/log\n7\n".to_owned()).is_err());
        assert!(open(format!("example.com/log\n7\n{root}\n\nmore\n")).is_err());
        assert!(matches!(open(format!("another\n7\n{root}\n")), Err(CheckpointError::Origin { .. })));
        Ok(())
    }
}
