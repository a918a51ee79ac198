//! The encoding under the leaf hash: it can never change for events that are stored.

use keyledger_events::event::license::{LicenseActivated, LicenseExpired};
use keyledger_events::merkle::leaf_hash;
use keyledger_events::{Event, Position, Provenance, RecordedEvent, StreamId, StreamKind, TeamId};
use sha2::{Digest as _, Sha256};

use super::{golden, time, uuid};
use crate::support::{TestResult, envelope};

/// Two events: one with everything there may be, one with as little as there may be.
fn recorded() -> TestResult<[RecordedEvent; 2]> {
    let full = Event::from(LicenseActivated {
        activated_at: time("2026-03-01T10:00:00.123456Z")?,
        expires_at: Some(time("2026-03-31T10:00:00.123456Z")?),
    });
    let least = Event::from(LicenseExpired { due_at: time("2026-03-31T10:00:00.123456Z")? });
    let recorded = |position, event: &Event, provenance| -> TestResult<RecordedEvent> {
        let mut recorded = RecordedEvent {
            position: Position(position),
            team: TeamId(uuid(1)),
            stream: StreamId::new(StreamKind::License, uuid(2)),
            stream_version: 258,
            event_id: uuid(3),
            event_type: event.name().to_owned(),
            schema_version: event.schema_version(),
            occurred_at: time("2026-03-01T10:00:00.123456Z")?,
            recorded_at: time("2026-03-01T10:00:00.654321Z")?,
            provenance,
            payload: event.encode()?,
            leaf_hash: [0; 32],
        };
        recorded.leaf_hash = recorded.expected_leaf_hash();
        Ok(recorded)
    };
    let caused = Provenance { actor: "api:verify".to_owned(), causation: Some(uuid(4)), correlation: Some(uuid(5)) };
    Ok([recorded(4_294_967_297, &full, caused)?, recorded(1, &least, Provenance::of(""))?])
}

#[test]
fn the_leaf_hash_of_an_event_never_changes() -> TestResult {
    let events = recorded()?;
    let lines =
        events.iter().map(|event| format!("{}\n{}\n", hex::encode(envelope(event)), hex::encode(event.leaf_hash)));
    let lines: String = lines.collect();
    assert_eq!(lines, golden("leaf.hex", || Ok(lines.clone()))?, "stored events would not match their hashes any more");
    for event in &events {
        let independent = Sha256::new_with_prefix([0]).chain_update(envelope(event)).finalize();
        assert_eq!(event.leaf_hash.as_slice(), independent.as_slice());
        assert_eq!(leaf_hash(&envelope(event)), event.leaf_hash);
        event.check_hash()?;
    }
    Ok(())
}
