//! The raw side on SQLite: one prepared INSERT a row, leaf hash and Merkle frontier, one transaction a batch.

use std::path::Path;
use std::time::{Duration, Instant};

use keyledger_events::merkle::Frontier;
use keyledger_events::{RecordedEvent, SharedLedger};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use crate::measure::Measure;

const INSERT: &str = "INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";

/// Inserts batch after batch into the tables that opening `ledger` has made in `folder`.
pub(super) fn batches(
    ledger: SharedLedger,
    folder: &Path,
    events: &[RecordedEvent],
    batch: usize,
    limit: Duration,
) -> anyhow::Result<Measure> {
    drop(ledger);
    let mut connection = Connection::open(folder.join("ledger.db"))?;
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")?;
    let mut frontier = Frontier::default();
    let mut count = 0;
    let start = Instant::now();
    for chunk in events.chunks(batch) {
        if start.elapsed() >= limit {
            break;
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        insert(&transaction, chunk, &mut frontier)?;
        transaction.commit()?;
        count += u64::try_from(chunk.len())?;
    }
    Ok(Measure::of(count, start.elapsed()))
}

fn insert(transaction: &Transaction<'_>, events: &[RecordedEvent], frontier: &mut Frontier) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(INSERT)?;
    for event in events {
        let leaf = event.expected_leaf_hash();
        frontier.push(leaf);
        insert.execute(params![
            event.position.0,
            event.team.0.as_bytes(),
            event.stream.to_string(),
            event.stream_version,
            event.event_id.as_bytes(),
            event.event_type,
            event.schema_version,
            event.occurred_at.as_microsecond(),
            event.recorded_at.as_microsecond(),
            event.provenance.causation.map(uuid::Uuid::into_bytes),
            event.provenance.correlation.map(uuid::Uuid::into_bytes),
            event.provenance.actor,
            event.payload,
            leaf,
        ])?;
    }
    if let Some(last) = events.last() {
        let mut head =
            transaction.prepare_cached("UPDATE ledger_head SET position = ?1, recorded_at = ?2, frontier = ?3")?;
        head.execute(params![last.position.0, last.recorded_at.as_microsecond(), frontier.to_bytes()])?;
    }
    Ok(())
}
