//! An event as scripts and programs see it.

use keyledger_events::{Position, RecordedEvent, StreamId, TeamId, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// An event with its payload.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventJson {
    /// Its place in the ledger.
    pub position: Position,
    /// The type's name.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The version of the payload's schema.
    pub version: u16,
    /// The stream's name.
    pub stream: StreamId,
    /// Its place in the stream.
    pub stream_version: i64,
    /// Whose it is.
    pub team_id: TeamId,
    /// Its id.
    pub event_id: Uuid,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Who did it.
    pub actor: String,
    /// The event that led to it.
    pub causation: Option<Uuid>,
    /// The event that began the story.
    pub correlation: Option<Uuid>,
    /// Hex of its leaf of the Merkle tree.
    pub leaf_hash: String,
    /// The payload.
    pub data: Value,
}

impl EventJson {
    /// The event as stored. A payload that is no JSON, which we never write, is shown as what it is.
    pub fn new(event: &RecordedEvent) -> Self {
        let data = serde_json::from_slice(&event.payload)
            .unwrap_or_else(|error| json!({ "unreadable": error.to_string(), "payload": hex::encode(&event.payload) }));
        Self {
            position: event.position,
            event_type: event.event_type.clone(),
            version: event.schema_version,
            stream: event.stream,
            stream_version: event.stream_version,
            team_id: event.team,
            event_id: event.event_id,
            occurred_at: event.occurred_at,
            recorded_at: event.recorded_at,
            actor: event.provenance.actor.clone(),
            causation: event.provenance.causation,
            correlation: event.provenance.correlation,
            leaf_hash: hex::encode(event.leaf_hash),
            data,
        }
    }
}
