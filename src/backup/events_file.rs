//! The file of events: one a line, in order of position, with everything that the leaf hash covers.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use keyledger_events::clock::from_microseconds;
use keyledger_events::{Position, Provenance, RecordedEvent, StreamId, TeamId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::LINE_BYTES_MAX;
use super::error::CopyError;

/// An event as a line. Times are microseconds since the Unix epoch, as they are hashed. The payload is a text, whose
/// bytes are those that are hashed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct EventLine<'e> {
    position: i64,
    team: Uuid,
    stream: StreamId,
    stream_version: i64,
    event_id: Uuid,
    #[serde(rename = "type")]
    event_type: Cow<'e, str>,
    schema_version: u16,
    occurred_at: i64,
    recorded_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    causation: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation: Option<Uuid>,
    actor: Cow<'e, str>,
    payload: Cow<'e, str>,
    /// Hex.
    leaf: String,
}

impl<'e> EventLine<'e> {
    /// `None` when the payload is no text, which nothing that we write is.
    pub(super) fn of(event: &'e RecordedEvent) -> Option<Self> {
        Some(Self {
            position: event.position.0,
            team: event.team.0,
            stream: event.stream,
            stream_version: event.stream_version,
            event_id: event.event_id,
            event_type: Cow::Borrowed(&event.event_type),
            schema_version: event.schema_version,
            occurred_at: event.occurred_at.as_microsecond(),
            recorded_at: event.recorded_at.as_microsecond(),
            causation: event.provenance.causation,
            correlation: event.provenance.correlation,
            actor: Cow::Borrowed(&event.provenance.actor),
            payload: Cow::Borrowed(std::str::from_utf8(&event.payload).ok()?),
            leaf: hex::encode(event.leaf_hash),
        })
    }

    fn into_event(self) -> Result<RecordedEvent, String> {
        let time = |name: &str, at| from_microseconds(at).ok_or_else(|| format!("{name}: {at} is no time"));
        let mut leaf_hash = [0; 32];
        hex::decode_to_slice(&self.leaf, &mut leaf_hash).map_err(|error| format!("leaf: {error}"))?;
        Ok(RecordedEvent {
            position: Position(self.position),
            team: TeamId(self.team),
            stream: self.stream,
            stream_version: self.stream_version,
            event_id: self.event_id,
            event_type: self.event_type.into_owned(),
            schema_version: self.schema_version,
            occurred_at: time("occurredAt", self.occurred_at)?,
            recorded_at: time("recordedAt", self.recorded_at)?,
            provenance: Provenance {
                actor: self.actor.into_owned(),
                causation: self.causation,
                correlation: self.correlation,
            },
            payload: self.payload.into_owned().into_bytes(),
            leaf_hash,
        })
    }
}

/// The lines of a file, one after the other, in bounded memory.
pub(super) struct Lines {
    path: PathBuf,
    from: BufReader<File>,
    line: Vec<u8>,
    number: u64,
}

impl Lines {
    pub(super) fn open(path: &Path) -> Result<Self, CopyError> {
        let file = File::open(path).map_err(CopyError::file(path))?;
        let from = BufReader::with_capacity(1 << 18, file);
        Ok(Self { path: path.to_owned(), from, line: Vec::new(), number: 0 })
    }

    /// What is wrong with the line that was read last.
    pub(super) fn damaged(&self, problem: impl std::fmt::Display) -> CopyError {
        CopyError::damaged(&self.path, format!("line {}: {problem}", self.number))
    }

    /// The next line as a document; `None` at the end.
    pub(super) fn next<T: for<'l> Deserialize<'l>>(&mut self) -> Result<Option<T>, CopyError> {
        self.line.clear();
        self.number += 1;
        let mut limited = (&mut self.from).take(LINE_BYTES_MAX);
        let read = limited.read_until(b'\n', &mut self.line).map_err(CopyError::file(&self.path))?;
        if read == 0 {
            return Ok(None);
        }
        if self.line.pop() != Some(b'\n') {
            return Err(self.damaged("it has no end"));
        }
        serde_json::from_slice(&self.line).map(Some).map_err(|error| self.damaged(error))
    }
}

/// The events of a copy, one after the other.
pub(super) struct EventsFile(Lines);

impl EventsFile {
    pub(super) fn open(path: &Path) -> Result<Self, CopyError> {
        Lines::open(path).map(Self)
    }

    /// What is wrong with the event that was read last.
    pub(super) fn damaged(&self, problem: impl std::fmt::Display) -> CopyError {
        self.0.damaged(problem)
    }

    /// The next event, whatever it says; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<RecordedEvent>, CopyError> {
        let Some(line) = self.0.next::<EventLine<'static>>()? else { return Ok(None) };
        line.into_event().map(Some).map_err(|problem| self.0.damaged(problem))
    }
}

#[cfg(test)]
mod tests {
    use keyledger_events::{StreamKind, Timestamp};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_event_comes_back_byte_for_byte(
            text in any::<String>(), actor in any::<String>(), numbers in any::<(i64, u16, u128, Option<u128>)>(),
            times in (-1_000_000_000_000_000_i64..4_000_000_000_000_000, 0_i64..4_000_000_000_000_000),
        ) {
            let at = |time| from_microseconds(time).unwrap_or(Timestamp::UNIX_EPOCH);
            let mut event = RecordedEvent {
                position: Position(numbers.0),
                team: TeamId(Uuid::from_u128(numbers.2)),
                stream: StreamId::new(StreamKind::License, Uuid::from_u128(numbers.2)),
                stream_version: numbers.0,
                event_id: Uuid::from_u128(numbers.2),
                event_type: "LicenseIssued".to_owned(),
                schema_version: numbers.1,
                occurred_at: at(times.0),
                recorded_at: at(times.1),
                provenance: Provenance { actor, causation: numbers.3.map(Uuid::from_u128), correlation: None },
                payload: text.into_bytes(),
                leaf_hash: [0; 32],
            };
            event.leaf_hash = event.expected_leaf_hash();
            let line = EventLine::of(&event).map(|line| serde_json::to_string(&line));
            let line = line.transpose()?.unwrap_or_default();
            prop_assert!(!line.contains('\n'));
            let back = serde_json::from_str::<EventLine<'static>>(&line)?.into_event();
            prop_assert_eq!(back, Ok(event));
        }
    }
}
