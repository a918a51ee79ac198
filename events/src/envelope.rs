//! An event with everything the ledger keeps about it, and the exact bytes that its leaf hash covers.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::event::{DecodeError, Event};
use crate::id::{Position, StreamId, TeamId};
use crate::merkle::{Hash, leaf_hash};

/// The first byte of the encoding below. It rises when the encoding changes.
const ENVELOPE_VERSION: u8 = 1;

/// Who did it and because of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// `stripe`, `polymart`, `scheduler`, `mailer`, `cli`, `api:<key id>`.
    pub actor: String,
    /// The event that led to this one.
    pub causation: Option<Uuid>,
    /// The event that began the whole story.
    pub correlation: Option<Uuid>,
}

impl Provenance {
    /// Something that began with `actor`.
    pub fn of(actor: impl Into<String>) -> Self {
        Self { actor: actor.into(), causation: None, correlation: None }
    }

    /// Something that `actor` did because of an event.
    pub fn caused_by(actor: impl Into<String>, event_id: Uuid) -> Self {
        Self { actor: actor.into(), causation: Some(event_id), correlation: Some(event_id) }
    }
}

/// An event on its way to the Writer, which gives it its position, version and time of record.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// Where it goes.
    pub stream: StreamId,
    /// Unique in the ledger. Derived ids make a repeated request `AlreadyApplied`.
    pub event_id: Uuid,
    /// When it happened: the provider's time where a provider tells it.
    pub occurred_at: Timestamp,
    /// What happened.
    pub event: Event,
}

impl NewEvent {
    /// An event with a fresh id.
    pub fn new(stream: StreamId, occurred_at: Timestamp, event: impl Into<Event>) -> Self {
        Self { stream, event_id: crate::id::fresh(), occurred_at, event: event.into() }
    }
}

/// An event as it stands in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedEvent {
    /// Its place in the ledger.
    pub position: Position,
    /// Whose it is.
    pub team: TeamId,
    /// Its stream.
    pub stream: StreamId,
    /// Its place in the stream, from 1.
    pub stream_version: i64,
    /// Its id.
    pub event_id: Uuid,
    /// The type's name.
    pub event_type: String,
    /// The version of the payload's schema.
    pub schema_version: u16,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When we recorded it. Never goes back from one position to the next.
    pub recorded_at: Timestamp,
    /// Who did it and because of what.
    pub provenance: Provenance,
    /// The payload's exact bytes.
    pub payload: Vec<u8>,
    /// The leaf of the Merkle tree.
    pub leaf_hash: Hash,
}

/// A stored event whose leaf hash does not fit its bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the event at position {0} does not match its hash: the ledger was changed from outside")]
pub struct HashMismatch(pub Position);

impl RecordedEvent {
    /// Reads the payload.
    ///
    /// # Errors
    /// See [`Event::decode`].
    pub fn decode(&self) -> Result<Event, DecodeError> {
        Event::decode(&self.event_type, self.schema_version, &self.payload)
    }

    /// The hash that its leaf must have.
    pub fn expected_leaf_hash(&self) -> Hash {
        leaf_hash(&self.envelope())
    }

    /// Checks the bytes against the stored leaf hash.
    ///
    /// # Errors
    /// When any field was changed after it was written.
    pub fn check_hash(&self) -> Result<(), HashMismatch> {
        if self.expected_leaf_hash() == self.leaf_hash { Ok(()) } else { Err(HashMismatch(self.position)) }
    }

    /// The bytes under the leaf: a version byte, then every field in a fixed order: integers big endian
    /// (8 bytes, the schema version 2), ids as 16 bytes (behind a byte 1 where they may be absent, else a byte 0),
    /// texts behind their length. Nothing here is ever canonicalised: the payload goes in as stored.
    fn envelope(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.payload.len() + 256);
        out.push(ENVELOPE_VERSION);
        out.extend_from_slice(&self.position.0.to_be_bytes());
        out.extend_from_slice(self.team.0.as_bytes());
        put_bytes(&mut out, self.stream.to_string().as_bytes());
        out.extend_from_slice(&self.stream_version.to_be_bytes());
        out.extend_from_slice(self.event_id.as_bytes());
        put_bytes(&mut out, self.event_type.as_bytes());
        out.extend_from_slice(&self.schema_version.to_be_bytes());
        out.extend_from_slice(&self.occurred_at.as_microsecond().to_be_bytes());
        out.extend_from_slice(&self.recorded_at.as_microsecond().to_be_bytes());
        put_optional(&mut out, self.provenance.causation);
        put_optional(&mut out, self.provenance.correlation);
        put_bytes(&mut out, self.provenance.actor.as_bytes());
        put_bytes(&mut out, &self.payload);
        out
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn put_optional(out: &mut Vec<u8>, id: Option<Uuid>) {
    match id {
        None => out.push(0),
        Some(id) => {
            out.push(1);
            out.extend_from_slice(id.as_bytes());
        }
    }
}
