//! What a copy says about itself.

use std::path::Path;

use keyledger_events::merkle::{Frontier, Hash};
use keyledger_events::{Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::error::CopyError;
use super::folder::Written;

/// The newest version of the format.
const VERSION: u32 = 1;
/// What this release calls itself.
const CREATED_BY: &str = concat!("keyledger ", env!("CARGO_PKG_VERSION"));

/// Which of the two copies it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The events.
    Ledger,
    /// The keys.
    Keys,
}

impl Kind {
    fn format(self) -> &'static str {
        match self {
            Self::Ledger => "copy of a keyledger ledger",
            Self::Keys => "copy of the keys of a keyledger ledger",
        }
    }
}

/// A point of a ledger, by which copies are known to belong together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LedgerPoint {
    /// Hex of the leaf hash of the first event; `None` in an empty ledger. No two ledgers begin alike.
    pub first: Option<String>,
    /// The last position.
    pub position: Position,
    /// Hex of the Merkle root up to there (RFC 6962).
    pub root: String,
}

impl LedgerPoint {
    /// The point after the events of this frontier.
    pub(super) fn new(first: Option<Hash>, position: Position, frontier: &Frontier) -> Self {
        Self { first: first.map(hex::encode), position, root: hex::encode(frontier.root()) }
    }

    /// The root's bytes; `None` when it is no hash.
    pub(super) fn root_hash(&self) -> Option<Hash> {
        let mut root = [0; 32];
        hex::decode_to_slice(&self.root, &mut root).ok().map(|()| root)
    }
}

/// A file of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileEntry {
    pub(super) name: String,
    pub(super) bytes: u64,
    /// Hex.
    pub(super) sha256: String,
}

impl From<Written> for FileEntry {
    fn from(Written { name, bytes, sha256 }: Written) -> Self {
        Self { name: name.to_owned(), bytes, sha256 }
    }
}

/// What a copy says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) format: String,
    pub(super) version: u32,
    pub(super) created_at: Timestamp,
    pub(super) created_by: String,
    /// The end of the copied ledger; for keys, where the ledger ended before they were copied.
    pub(super) ledger: LedgerPoint,
    pub(super) counts: Counts,
    pub(super) files: Vec<FileEntry>,
}

/// How many things are in a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Counts {
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) events: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) keys: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) links: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) server_keys: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Manifest {
    pub(super) fn new(kind: Kind, now: Timestamp, ledger: LedgerPoint, counts: Counts, files: Vec<FileEntry>) -> Self {
        let (format, created_by) = (kind.format().to_owned(), CREATED_BY.to_owned());
        Self { format, version: VERSION, created_at: now, created_by, ledger, counts, files }
    }

    /// Reads a manifest whose bytes were compared with their sum.
    pub(super) fn read(kind: Kind, path: &Path, bytes: &[u8]) -> Result<Self, CopyError> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u32,
        }
        let unreadable = |error: serde_json::Error| CopyError::damaged(path, error.to_string());
        let Head { format, version } = serde_json::from_slice(bytes).map_err(unreadable)?;
        if format != kind.format() {
            return Err(CopyError::Kind { path: path.to_owned(), expected: kind.format(), found: format });
        }
        if version > VERSION {
            return Err(CopyError::Version { path: path.to_owned(), version, newest: VERSION });
        }
        serde_json::from_slice(bytes).map_err(unreadable)
    }
}
