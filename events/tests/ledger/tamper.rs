//! Someone with the rights to do it changes the stored bytes: reading a stream finds out.

use std::sync::Arc;

use keyledger_events::envelope::HashMismatch;
use keyledger_events::store::open_sqlite;
use keyledger_events::{AppendOutcome, LedgerError, Position, SharedLedger, StreamId, TeamId, id};
use sqlx::AssertSqlSafe;

use crate::support::{Engine, Home, TestResult, event, request, run, stream};

/// One forgery per column under the hash. `stream` and `team` would only hide the event from the reader.
const FORGERIES: &[&str] = &[
    "stream_version = stream_version + 1",
    "type = 'LicenseReinstated'",
    "schema_version = schema_version + 1",
    "occurred_at = occurred_at - 1",
    "recorded_at = recorded_at + 1",
    "causation_id = event_id",
    "correlation_id = event_id",
    "actor = 'nobody'",
];

/// As many streams with one event each as there are forgeries, and two more.
async fn history(home: &Home) -> TestResult<(SharedLedger, TeamId, Vec<StreamId>)> {
    let (ledger, writer) = home.writer().await?;
    let team = TeamId(id::fresh());
    let streams: Vec<_> = (0..FORGERIES.len() + 3).map(|_| stream()).collect();
    let all = streams.iter().fold(request(team), |all, stream| all.event(event(*stream, "as it was")));
    assert!(matches!(writer.append(all).await?, AppendOutcome::Appended { .. }));
    Ok((ledger, team, streams))
}

/// The first stream is untouched; every other one must be refused, with its position.
async fn check(ledger: SharedLedger, team: TeamId, streams: &[StreamId]) -> TestResult {
    assert_eq!(ledger.read_streams(team, &streams[..1]).await?.len(), 1, "the untouched stream reads well");
    for (position, stream) in (1..).zip(streams).skip(1) {
        let read = ledger.read_streams(team, &[*stream]).await;
        let found = matches!(&read, Err(LedgerError::Hash(HashMismatch(Position(at)))) if *at == position);
        assert!(found, "position {position}: {read:?}");
    }
    let message = ledger.read_streams(team, streams).await.err().map(|error| error.to_string());
    assert_eq!(
        message.as_deref(),
        Some("the event at position 2 does not match its hash: the ledger was changed from outside")
    );
    Ok(())
}

/// `UPDATE`s for positions 2 and on; payload and leaf hash are written in the engine's own way.
fn updates(table: &str, payload: &str, leaf: &str) -> Vec<String> {
    let forgeries = FORGERIES.iter().copied().chain([payload, leaf]);
    (2..).zip(forgeries).map(|(at, change)| format!("UPDATE {table} SET {change} WHERE position = {at}")).collect()
}

#[tokio::test]
async fn a_changed_row_is_found_on_sqlite() -> TestResult {
    run(Engine::Sqlite, |home: Arc<Home>| async move {
        let (ledger, team, streams) = history(&home).await?;
        let file = open_sqlite(&home.folder()?.join("ledger.db"), true).await?;
        sqlx::query("DROP TRIGGER event_is_never_updated").execute(&file.writer).await?;
        for update in updates("event", "payload = x'7b7d'", "leaf_hash = zeroblob(32)") {
            assert_eq!(sqlx::query(AssertSqlSafe(update)).execute(&file.writer).await?.rows_affected(), 1);
        }
        check(ledger, team, &streams).await
    })
    .await
}

#[tokio::test]
async fn a_changed_row_is_found_on_postgres() -> TestResult {
    run(Engine::Postgres, |home: Arc<Home>| async move {
        let (ledger, team, streams) = history(&home).await?;
        let owner = home.postgres().await?;
        sqlx::query("ALTER TABLE ledger.event DISABLE TRIGGER ALL").execute(&owner).await?;
        for update in updates("ledger.event", "payload = '{}'", "leaf_hash = decode(repeat('00', 32), 'hex')") {
            assert_eq!(sqlx::query(AssertSqlSafe(update)).execute(&owner).await?.rows_affected(), 1);
        }
        check(ledger, team, &streams).await
    })
    .await
}
