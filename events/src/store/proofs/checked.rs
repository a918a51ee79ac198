//! Stored rows that are not believed: each is checked by itself, and what is wrong with it is an answer.

use keyledger_proof::Leaf;
use uuid::Uuid;

use crate::clock::{Timestamp, from_microseconds};
use crate::event::Event;
use crate::id::{StreamId, TeamId};
use crate::merkle::{Hash, leaf_hash};

/// An event that was read and checked by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// It is as we write events, and its bytes give its leaf hash.
    Good(CheckedEvent),
    /// Something is wrong with it.
    Bad {
        /// Where it stands.
        position: i64,
        /// What is wrong, in words.
        problem: String,
    },
}

/// What of a good event its neighbours are compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedEvent {
    /// Its place in the ledger.
    pub position: i64,
    /// Whose it is.
    pub team: TeamId,
    /// Its stream.
    pub stream: StreamId,
    /// Its place in the stream.
    pub stream_version: i64,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The leaf's hash.
    pub leaf_hash: Hash,
}

/// An event's columns, borrowed from the driver's row.
pub(super) struct RawEvent<'r> {
    pub(super) position: i64,
    pub(super) team: Uuid,
    pub(super) stream: &'r str,
    pub(super) stream_version: i64,
    pub(super) event_id: Uuid,
    pub(super) event_type: &'r str,
    pub(super) schema_version: i64,
    pub(super) occurred_at: i64,
    pub(super) recorded_at: i64,
    pub(super) causation: Option<Uuid>,
    pub(super) correlation: Option<Uuid>,
    pub(super) actor: &'r str,
    pub(super) payload: &'r [u8],
    pub(super) leaf_hash: &'r [u8],
}

/// What is wrong with a column that holds something of another type.
pub(super) fn strange_column<E: std::fmt::Display>(column: &'static str) -> impl Fn(E) -> String {
    move |error| format!("its {column} is not one that keyledger writes: {error}")
}

impl RawEvent<'_> {
    /// Checks the event by itself; `encoding` is room that is used again for the next one.
    pub(super) fn check(&self, encoding: &mut Vec<u8>) -> Result<CheckedEvent, String> {
        let strange = |column: &str, value: &dyn std::fmt::Display| {
            format!("its {column} is not one that keyledger writes: {value}")
        };
        let schema_version =
            u16::try_from(self.schema_version).map_err(|_| strange("schema_version", &self.schema_version))?;
        let stream: StreamId = self.stream.parse().map_err(|error| strange("stream", &error))?;
        let recorded_at =
            from_microseconds(self.recorded_at).ok_or_else(|| strange("recorded_at", &self.recorded_at))?;
        from_microseconds(self.occurred_at).ok_or_else(|| strange("occurred_at", &self.occurred_at))?;
        let leaf = Leaf {
            position: self.position,
            team: self.team.as_bytes(),
            stream: self.stream,
            stream_version: self.stream_version,
            event_id: self.event_id.as_bytes(),
            event_type: self.event_type,
            schema_version,
            occurred_at: self.occurred_at,
            recorded_at: self.recorded_at,
            causation: self.causation.as_ref().map(Uuid::as_bytes),
            correlation: self.correlation.as_ref().map(Uuid::as_bytes),
            actor: self.actor,
            payload: self.payload,
        };
        encoding.clear();
        leaf.encode(encoding);
        let leaf_hash = leaf_hash(encoding);
        if leaf_hash != self.leaf_hash {
            return Err("its bytes do not give its leaf hash: the event was changed".to_owned());
        }
        Event::decode(self.event_type, schema_version, self.payload).map_err(|error| error.to_string())?;
        Ok(CheckedEvent {
            position: self.position,
            team: TeamId(self.team),
            stream,
            stream_version: self.stream_version,
            recorded_at,
            leaf_hash,
        })
    }
}
