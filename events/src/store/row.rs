//! A row of the table `event` turned back into a [`RecordedEvent`]; the same columns in the same order on both engines.

use uuid::Uuid;

use super::LedgerError;
use crate::clock::{Timestamp, from_microseconds};
use crate::envelope::{Provenance, RecordedEvent};
use crate::id::{Position, TeamId};

/// The columns of an [`EventRow`], in this order.
pub(super) const COLUMNS: &str = "position, team, stream, stream_version, event_id, type, schema_version, \
     occurred_at, recorded_at, causation_id, correlation_id, actor, payload, leaf_hash";

/// The columns as the drivers give them.
pub(super) struct EventRow {
    pub(super) position: i64,
    pub(super) team: Uuid,
    pub(super) stream: String,
    pub(super) stream_version: i64,
    pub(super) event_id: Uuid,
    pub(super) event_type: String,
    pub(super) schema_version: i64,
    pub(super) occurred_at: i64,
    pub(super) recorded_at: i64,
    pub(super) causation_id: Option<Uuid>,
    pub(super) correlation_id: Option<Uuid>,
    pub(super) actor: String,
    pub(super) payload: Vec<u8>,
    pub(super) leaf_hash: Vec<u8>,
}

/// Checks the stream's name and the hash; stored rows are input like any other.
pub(super) fn read_change(
    position: i64,
    team: Uuid,
    stream: String,
    stream_version: i64,
    leaf_hash: &[u8],
) -> Result<super::Change, LedgerError> {
    let corrupt = |column, value| LedgerError::Corrupt { position, column, value };
    let leaf_hash = leaf_hash.try_into().map_err(|_| corrupt("leaf_hash", hex::encode(leaf_hash)))?;
    match stream.parse() {
        Ok(stream) => {
            let (position, team) = (Position(position), TeamId(team));
            Ok(super::Change { position, team, stream, stream_version, leaf_hash })
        }
        Err(_) => Err(corrupt("stream", stream)),
    }
}

/// A stored moment.
pub(super) fn time(position: i64, column: &'static str, microseconds: i64) -> Result<Timestamp, LedgerError> {
    from_microseconds(microseconds).ok_or_else(|| LedgerError::Corrupt {
        position,
        column,
        value: microseconds.to_string(),
    })
}

impl EventRow {
    /// Checks every column; stored rows are input like any other.
    pub(super) fn into_event(self) -> Result<RecordedEvent, LedgerError> {
        let position = self.position;
        let corrupt = |column, value: String| LedgerError::Corrupt { position, column, value };
        Ok(RecordedEvent {
            position: Position(position),
            team: TeamId(self.team),
            stream: self.stream.parse().map_err(|_| corrupt("stream", self.stream.clone()))?,
            stream_version: self.stream_version,
            event_id: self.event_id,
            event_type: self.event_type,
            schema_version: u16::try_from(self.schema_version)
                .map_err(|_| corrupt("schema_version", self.schema_version.to_string()))?,
            occurred_at: time(position, "occurred_at", self.occurred_at)?,
            recorded_at: time(position, "recorded_at", self.recorded_at)?,
            provenance: Provenance {
                actor: self.actor,
                causation: self.causation_id,
                correlation: self.correlation_id,
            },
            payload: self.payload,
            leaf_hash: self
                .leaf_hash
                .as_slice()
                .try_into()
                .map_err(|_| corrupt("leaf_hash", hex::encode(&self.leaf_hash)))?,
        })
    }
}
