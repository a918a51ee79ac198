//! Bundles: events in a file that verifies without the ledger they came from.
//!
//! A bundle is lines of JSON. The first is a [`Header`] with the log's key and a checkpoint. Then comes a line an event
//! ([`EventLine`]): in a whole bundle all events that the checkpoint is over, whose leaves give its root; in a filtered
//! one, each with a proof that the checkpoint's tree has it. The last line holds a note that the log signed over the
//! number of events and the SHA-256 of every byte before it: nothing can be changed, added or left out, in the header
//! neither. `docs/bundle.md` describes the format for those who write a verifier of their own.

mod header;
mod line;
mod verify;
mod write;

pub use header::{Filter, Header};
pub use line::{EventLine, LineError};
pub use verify::{BundleError, Verdict, verify};
pub use write::{BundleWriter, WriteError};

use crate::note::VerifierKey;

/// The format's version, which rises when its meaning changes.
const FORMAT_VERSION: u32 = 1;
/// Bytes of a line at most: the largest event is a delivery of 1 MiB, sealed, in base64.
const LINE_BYTES_MAX: usize = 16 << 20;
/// How the last line begins; no event does.
const END: &[u8] = br#"{"end":""#;

/// The text that the log signs at a bundle's end.
fn end_text(key: &VerifierKey, events: u64, sha256: &[u8]) -> String {
    format!("{}/bundle\n{events}\n{}\n", key.name(), hex::encode(sha256))
}
