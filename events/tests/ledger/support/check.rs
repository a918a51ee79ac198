//! Checks that share no code with what they check.

use std::collections::HashMap;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use keyledger_events::{Ledger, Position, RecordedEvent};
use sha2::Sha256;

use super::TestResult;

/// The bytes under a leaf, written from the description of the encoding alone.
pub(crate) fn envelope(event: &RecordedEvent) -> Vec<u8> {
    let text = |text: &[u8]| [&(text.len() as u64).to_be_bytes(), text].concat();
    let optional = |id: Option<uuid::Uuid>| id.map_or(vec![0], |id| [&[1], id.as_bytes().as_slice()].concat());
    [
        vec![1],
        event.position.0.to_be_bytes().to_vec(),
        event.team.0.as_bytes().to_vec(),
        text(event.stream.to_string().as_bytes()),
        event.stream_version.to_be_bytes().to_vec(),
        event.event_id.as_bytes().to_vec(),
        text(event.event_type.as_bytes()),
        event.schema_version.to_be_bytes().to_vec(),
        event.occurred_at.as_microsecond().to_be_bytes().to_vec(),
        event.recorded_at.as_microsecond().to_be_bytes().to_vec(),
        optional(event.provenance.causation),
        optional(event.provenance.correlation),
        text(event.provenance.actor.as_bytes()),
        text(&event.payload),
    ]
    .concat()
}

/// Every event of a ledger, page by page.
pub(crate) async fn read_all(ledger: &dyn Ledger) -> TestResult<Vec<RecordedEvent>> {
    let mut all: Vec<RecordedEvent> = Vec::new();
    loop {
        let after = all.last().map_or(Position::START, |event| event.position);
        let page = ledger.read(after, 1_000).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// Reads everything and checks it as an auditor would: positions and stream versions without a gap, each id once,
/// times that never go back, leaves over the bytes, and a head that fits.
pub(crate) async fn check_ledger(ledger: &dyn Ledger) -> TestResult<Vec<RecordedEvent>> {
    let events = read_all(ledger).await?;
    let mut tree = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    let mut versions = HashMap::new();
    let mut ids = HashMap::new();
    let mut before = None::<&RecordedEvent>;
    for event in &events {
        assert_eq!(event.position.0, before.map_or(1, |before| before.position.0 + 1), "positions have a gap");
        assert!(before.is_none_or(|before| before.recorded_at <= event.recorded_at), "time went back: {event:?}");
        let version = versions.entry((event.team, event.stream)).or_insert(0);
        *version += 1;
        assert_eq!(event.stream_version, *version, "{} has a gap", event.stream);
        let twice = ids.insert(event.event_id, event.position);
        assert_eq!(twice, None, "{} is stored twice", event.event_id);
        event.check_hash()?;
        tree.push(envelope(event));
        before = Some(event);
    }
    let head = ledger.head().await?;
    assert_eq!(head.position.0, i64::try_from(events.len())?);
    let (ours, theirs) = (head.frontier.root(), tree.root());
    assert_eq!(ours.as_slice(), theirs.as_bytes().as_slice(), "the frontier's root is not that of the leaves");
    if let Some(last) = before {
        assert_eq!(head.recorded_at, last.recorded_at);
    }
    Ok(events)
}
