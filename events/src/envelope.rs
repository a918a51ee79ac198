//! An event with everything the ledger keeps about it, and the hash of its leaf.

use keyledger_proof::Leaf;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::event::{DecodeError, Event};
use crate::id::{Position, StreamId, TeamId};
use crate::merkle::Hash;

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
        self.leaf(&self.stream.to_string()).hash()
    }

    /// What is under its leaf; `stream` is its stream's name.
    pub fn leaf<'a>(&'a self, stream: &'a str) -> Leaf<'a> {
        let Self { provenance, .. } = self;
        Leaf {
            position: self.position.0,
            team: self.team.0.as_bytes(),
            stream,
            stream_version: self.stream_version,
            event_id: self.event_id.as_bytes(),
            event_type: &self.event_type,
            schema_version: self.schema_version,
            occurred_at: self.occurred_at.as_microsecond(),
            recorded_at: self.recorded_at.as_microsecond(),
            causation: provenance.causation.as_ref().map(Uuid::as_bytes),
            correlation: provenance.correlation.as_ref().map(Uuid::as_bytes),
            actor: &provenance.actor,
            payload: &self.payload,
        }
    }

    /// Checks the bytes against the stored leaf hash.
    ///
    /// # Errors
    /// When any field was changed after it was written.
    pub fn check_hash(&self) -> Result<(), HashMismatch> {
        if self.expected_leaf_hash() == self.leaf_hash { Ok(()) } else { Err(HashMismatch(self.position)) }
    }
}
