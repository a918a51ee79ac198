//! Proofs in `ledger.db`.

use std::time::Duration;

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::checked::{RawEvent, strange_column as bad};
use super::{Checked, Edges, PROOF_ROWS_MAX, RawHead, Stored, StoredCheckpoint, StoredTile, first_under};
use crate::id::Position;
use crate::merkle::Hash;
use crate::store::row::COLUMNS;
use crate::store::sqlite_rows::{id, optional_id};
use crate::store::{LedgerError, SqliteLedger, answered};

super::proof_store!(
    SqliteLedger, SqliteRow, "",
    readers: SqliteLedger::readers, begin: SqliteLedger::begin, reading: Duration::MAX, writing: Duration::MAX
);

async fn check_events(ledger: &SqliteLedger, after: i64, until: i64) -> Result<Vec<Checked>, LedgerError> {
    let work = move |connection: &rusqlite::Connection| {
        let page =
            format!("SELECT {COLUMNS} FROM event WHERE position > ?1 AND position <= ?2 ORDER BY position LIMIT ?3");
        let mut statement = connection.prepare_cached(&page)?;
        let mut rows = statement.query((after, until, PROOF_ROWS_MAX))?;
        let (mut page, mut encoding) = (Vec::new(), Vec::new());
        while let Some(row) = rows.next()? {
            let position = row.get(0)?;
            let checked = raw_event(position, row).and_then(|raw| raw.check(&mut encoding));
            page.push(checked.map_or_else(|problem| Checked::Bad { position, problem }, Checked::Good));
        }
        Ok(page)
    };
    ledger.reader().read(work).await
}

/// The columns, or which of them is not of its type.
fn raw_event<'r>(position: i64, row: &'r rusqlite::Row<'_>) -> Result<RawEvent<'r>, String> {
    let text = |column: usize, name| -> Result<&'r str, String> {
        row.get_ref(column).map_err(bad(name))?.as_str().map_err(bad(name))
    };
    let bytes = |column: usize, name| -> Result<&'r [u8], String> {
        row.get_ref(column).map_err(bad(name))?.as_blob().map_err(bad(name))
    };
    Ok(RawEvent {
        position,
        team: id(row, 1).map_err(bad("team"))?,
        stream: text(2, "stream")?,
        stream_version: row.get(3).map_err(bad("stream_version"))?,
        event_id: id(row, 4).map_err(bad("event_id"))?,
        event_type: text(5, "type")?,
        schema_version: row.get(6).map_err(bad("schema_version"))?,
        occurred_at: row.get(7).map_err(bad("occurred_at"))?,
        recorded_at: row.get(8).map_err(bad("recorded_at"))?,
        causation: optional_id(row, 9).map_err(bad("causation_id"))?,
        correlation: optional_id(row, 10).map_err(bad("correlation_id"))?,
        actor: text(11, "actor")?,
        payload: bytes(12, "payload")?,
        leaf_hash: bytes(13, "leaf_hash")?,
    })
}
