//! Proofs in PostgreSQL's schema `ledger`.

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::checked::{RawEvent, strange_column as bad};
use super::{Checked, Edges, PROOF_ROWS_MAX, RawHead, Stored, StoredCheckpoint, StoredTile, first_under};
use crate::id::Position;
use crate::merkle::Hash;
use crate::store::postgres::READ_MAX;
use crate::store::row::COLUMNS;
use crate::store::{ANSWER_MAX, LedgerError, PostgresLedger, answered};

super::proof_store!(
    PostgresLedger, PgRow, "ledger.",
    readers: PostgresLedger::readers, begin: PostgresLedger::begin, reading: READ_MAX, writing: ANSWER_MAX
);

async fn check_events(ledger: &PostgresLedger, after: i64, until: i64) -> Result<Vec<Checked>, LedgerError> {
    let page =
        format!("SELECT {COLUMNS} FROM ledger.event WHERE position > $1 AND position <= $2 ORDER BY position LIMIT $3");
    let page = sqlx::query(AssertSqlSafe(page)).bind(after).bind(until).bind(i64::from(PROOF_ROWS_MAX));
    let mut encoding = Vec::new();
    let check = |row: &PgRow| {
        let position = row.try_get(0)?;
        let checked = raw_event(position, row).and_then(|raw| raw.check(&mut encoding));
        Ok(checked.map_or_else(|problem| Checked::Bad { position, problem }, Checked::Good))
    };
    answered(READ_MAX, page.fetch_all(ledger.readers())).await?.iter().map(check).collect()
}

/// The columns, or which of them is not of its type.
fn raw_event(position: i64, row: &PgRow) -> Result<RawEvent<'_>, String> {
    Ok(RawEvent {
        position,
        team: row.try_get(1).map_err(bad("team"))?,
        stream: row.try_get(2).map_err(bad("stream"))?,
        stream_version: row.try_get(3).map_err(bad("stream_version"))?,
        event_id: row.try_get(4).map_err(bad("event_id"))?,
        event_type: row.try_get(5).map_err(bad("type"))?,
        schema_version: row.try_get::<i16, _>(6).map_err(bad("schema_version"))?.into(),
        occurred_at: row.try_get(7).map_err(bad("occurred_at"))?,
        recorded_at: row.try_get(8).map_err(bad("recorded_at"))?,
        causation: row.try_get(9).map_err(bad("causation_id"))?,
        correlation: row.try_get(10).map_err(bad("correlation_id"))?,
        actor: row.try_get(11).map_err(bad("actor"))?,
        payload: row.try_get(12).map_err(bad("payload"))?,
        leaf_hash: row.try_get(13).map_err(bad("leaf_hash"))?,
    })
}
