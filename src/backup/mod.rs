//! Copies of a ledger and of its keys, taken while everything serves, and restored on either engine.
//!
//! A copy of the ledger is a folder with its events, one a line in order of position, and a manifest that says where it
//! ends. The keys go into a folder of their own: the one copy tells nothing without the other. The ledger is copied
//! first, up to the head of that moment, and then the keys, so that the copy of the keys is never older than that of
//! the ledger. Both folders appear under their names when they are complete and on disk, not before.

mod archive;
mod checked;
mod error;
mod events_file;
mod folder;
mod forgotten;
mod keys_file;
mod manifest;
mod master_key;
mod restore;
mod sums;
mod take;
#[cfg(test)]
mod tests;

pub use archive::Archive;
pub use error::{BackupError, CopyError, RestoreCopyError};
pub use manifest::LedgerPoint;
pub use restore::{RestoreFrom, Restored, restore};
pub use take::{Taken, To, take};

/// The events, one a line.
const EVENTS_FILE: &str = "ledger.jsonl";
/// The wrapped keys and their links, one a line.
const KEYS_FILE: &str = "keys.jsonl";
/// The master key, where it was asked for.
const MASTER_KEY_FILE: &str = "master.key";
/// What a copy consists of.
const MANIFEST_FILE: &str = "manifest.json";
/// The SHA-256 of every other file, as `sha256sum --check` reads it.
const SUMS_FILE: &str = "SHA256SUMS";
/// Where the keys go inside the copy of the ledger when nobody says otherwise.
pub const KEYS_FOLDER: &str = "keys";

/// The longest line of a copy, in bytes. A delivery's body has 1 MiB at most, sealed and escaped it is no longer.
const LINE_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// What is under way, for whoever watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Events are being copied.
    CopyEvents,
    /// Keys are being copied.
    CopyKeys,
    /// The files of a copy are compared with their sums.
    CheckFiles,
    /// The events of a copy are hashed again.
    CheckEvents,
    /// Keys are being restored.
    RestoreKeys,
    /// Events are being restored.
    RestoreEvents,
}

impl Stage {
    /// What it is called on a terminal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CopyEvents => "copying events",
            Self::CopyKeys => "copying keys",
            Self::CheckFiles => "checking files",
            Self::CheckEvents => "checking events",
            Self::RestoreKeys => "restoring keys",
            Self::RestoreEvents => "restoring events",
        }
    }
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is under way.
    pub stage: Stage,
    /// How much of it is done: events, keys, or bytes of files.
    pub done: u64,
    /// How much there is; `None` where that is not known.
    pub of: Option<u64>,
}
