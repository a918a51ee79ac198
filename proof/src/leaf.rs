//! The exact bytes that an event's leaf hash covers.

use crate::merkle::{Hash, leaf_hash};

/// The first byte of the encoding below. It rises when the encoding changes.
const ENCODING_VERSION: u8 = 1;
/// Bytes of the encoding beside the payload, as a rule.
const OTHER_BYTES: usize = 256;

/// An event's fields, as they stand in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf<'a> {
    /// Its place in the ledger, from 1.
    pub position: i64,
    /// The team's id.
    pub team: &'a [u8; 16],
    /// The stream's name.
    pub stream: &'a str,
    /// Its place in the stream, from 1.
    pub stream_version: i64,
    /// Its id.
    pub event_id: &'a [u8; 16],
    /// The type's name.
    pub event_type: &'a str,
    /// The version of the payload's schema.
    pub schema_version: u16,
    /// When it happened, in microseconds since the Unix epoch.
    pub occurred_at: i64,
    /// When it was recorded, in microseconds since the Unix epoch.
    pub recorded_at: i64,
    /// The event that led to it.
    pub causation: Option<&'a [u8; 16]>,
    /// The event that began the whole story.
    pub correlation: Option<&'a [u8; 16]>,
    /// Who did it.
    pub actor: &'a str,
    /// The payload's exact bytes.
    pub payload: &'a [u8],
}

impl Leaf<'_> {
    /// The leaf's hash.
    pub fn hash(&self) -> Hash {
        let mut encoding = Vec::with_capacity(self.payload.len() + OTHER_BYTES);
        self.encode(&mut encoding);
        leaf_hash(&encoding)
    }

    /// Writes the bytes under the leaf: a version byte, then every field in a fixed order: integers big endian
    /// (8 bytes, the schema version 2), ids as 16 bytes (behind a byte 1 where they may be absent, else a byte 0),
    /// texts behind their length. Nothing here is ever canonicalised: the payload goes in as stored.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(ENCODING_VERSION);
        out.extend_from_slice(&self.position.to_be_bytes());
        out.extend_from_slice(self.team);
        put_bytes(out, self.stream.as_bytes());
        out.extend_from_slice(&self.stream_version.to_be_bytes());
        out.extend_from_slice(self.event_id);
        put_bytes(out, self.event_type.as_bytes());
        out.extend_from_slice(&self.schema_version.to_be_bytes());
        out.extend_from_slice(&self.occurred_at.to_be_bytes());
        out.extend_from_slice(&self.recorded_at.to_be_bytes());
        put_optional(out, self.causation);
        put_optional(out, self.correlation);
        put_bytes(out, self.actor.as_bytes());
        put_bytes(out, self.payload);
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn put_optional(out: &mut Vec<u8>, id: Option<&[u8; 16]>) {
    match id {
        None => out.push(0),
        Some(id) => {
            out.push(1);
            out.extend_from_slice(id);
        }
    }
}
