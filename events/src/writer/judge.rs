//! Judging the requests of a batch, one after the other, against what is stored and what went before. Pure.

use std::collections::HashMap;

use uuid::Uuid;

use super::{AppendOutcome, PreparedRequest};
use crate::clock::{Timestamp, truncate};
use crate::envelope::{NewEvent, RecordedEvent};
use crate::id::{Position, StreamId, TeamId};
use crate::store::{Head, LookUp};

/// An event with its payload's bytes.
pub(crate) struct PreparedEvent {
    pub(crate) stream: StreamId,
    pub(crate) event_id: Uuid,
    occurred_at: Timestamp,
    event_type: &'static str,
    schema_version: u16,
    pub(crate) payload: Vec<u8>,
}

impl PreparedEvent {
    pub(super) fn encode(new: NewEvent) -> Result<Self, serde_json::Error> {
        Ok(Self {
            stream: new.stream,
            event_id: new.event_id,
            occurred_at: truncate(new.occurred_at),
            event_type: new.event.name(),
            schema_version: new.event.schema_version(),
            payload: new.event.encode()?,
        })
    }
}

/// The batch as judged so far.
pub(super) struct Judge {
    pub(super) head: Head,
    pub(super) accepted: Vec<RecordedEvent>,
    versions: HashMap<(TeamId, StreamId), i64>,
    known: HashMap<Uuid, Position>,
    recorded_at: Timestamp,
}

impl Judge {
    /// Begins with the locked head and what was looked up under its lock. Recorded times never go back.
    pub(super) fn new(head: Head, found: LookUp, now: Timestamp) -> Self {
        let recorded_at = truncate(now).max(head.recorded_at);
        Self { head, accepted: Vec::new(), versions: found.versions, known: found.known, recorded_at }
    }

    /// The next request: all of its events join the batch, or none.
    pub(super) fn judge(&mut self, request: &PreparedRequest) -> AppendOutcome {
        // The last one, as `Appended` told: whoever waits for this position sees the whole request.
        if let Some(position) = request.events.iter().rev().find_map(|event| self.known.get(&event.event_id)) {
            return AppendOutcome::AlreadyApplied { position: *position };
        }
        for expected in &request.expected {
            let actual = self.version(request.team, expected.stream);
            if actual != expected.version {
                return AppendOutcome::Conflict { stream: expected.stream, actual };
            }
        }
        for event in &request.events {
            self.accept(request, event);
        }
        AppendOutcome::Appended { last: self.head.position }
    }

    fn version(&self, team: TeamId, stream: StreamId) -> i64 {
        self.versions.get(&(team, stream)).copied().unwrap_or(0)
    }

    fn accept(&mut self, request: &PreparedRequest, event: &PreparedEvent) {
        let position = self.head.position.next();
        let stream_version = self.version(request.team, event.stream) + 1;
        let mut recorded = RecordedEvent {
            position,
            team: request.team,
            stream: event.stream,
            stream_version,
            event_id: event.event_id,
            event_type: event.event_type.to_owned(),
            schema_version: event.schema_version,
            occurred_at: event.occurred_at,
            recorded_at: self.recorded_at,
            provenance: request.provenance.clone(),
            payload: event.payload.clone(),
            leaf_hash: [0; 32],
        };
        recorded.leaf_hash = recorded.expected_leaf_hash();
        self.head.position = position;
        self.head.recorded_at = self.recorded_at;
        self.head.frontier.push(recorded.leaf_hash);
        self.versions.insert((request.team, event.stream), stream_version);
        self.known.insert(event.event_id, position);
        self.accepted.push(recorded);
    }
}
