//! The process that is killed: this test binary itself, started again with a place to append to.

use std::io::Write as _;
use std::sync::Arc;

use keyledger_events::event::inbox::ProviderEventIgnored;
use keyledger_events::event::license::LicenseSuspended;
use keyledger_events::keys::{PostgresKeys, SharedKeyStore, SqliteKeys, WrappedKey};
use keyledger_events::store::{PostgresLedger, SqliteLedger};
use keyledger_events::{
    AppendOutcome, AppendRequest, NewEvent, SharedLedger, StreamId, StreamKind, SystemClock, TeamId, Writer, id,
};
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::{TestResult, noon, request};

/// Where to append: a SQLite folder or a PostgreSQL URL. Without it the test has nothing to do.
pub(super) const PLACE: &str = "KEYLEDGER_TEST_APPENDER";
/// Tasks of one process that append at once.
const TASKS: usize = 16;
/// Streams that all tasks of all processes append to.
const SHARED_STREAMS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_appender() -> TestResult {
    let Ok(place) = std::env::var(PLACE) else { return Ok(()) };
    let (ledger, keys) = open(&place).await?;
    let (writer, _) = Writer::start(ledger.clone(), keys, Arc::new(SystemClock));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (ledger, writer) = (ledger.clone(), writer.clone());
            tokio::spawn(async move {
                for round in task.. {
                    if let Err(error) = append(&ledger, &writer, round).await {
                        return say(&format!("failed {error}\n"));
                    }
                }
                Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}

async fn open(place: &str) -> TestResult<(SharedLedger, SharedKeyStore)> {
    if place.starts_with("postgres:") {
        let pool = PgPool::connect(place).await?;
        return Ok((Arc::new(PostgresLedger::open(&pool).await?), Arc::new(PostgresKeys::open(pool).await?)));
    }
    let folder = std::path::Path::new(place);
    let ledger = SqliteLedger::open(&folder.join("ledger.db")).await?;
    Ok((Arc::new(ledger), Arc::new(SqliteKeys::open(&folder.join("keys.db")).await?)))
}

/// A delivery on a stream of its own, with its key, and a fact on a stream that everyone writes to.
async fn append(ledger: &SharedLedger, writer: &Writer, round: usize) -> TestResult {
    let (team, delivery) = (TeamId(Uuid::from_u128(1)), id::fresh());
    let shared = StreamId::new(StreamKind::License, Uuid::from_u128((round % SHARED_STREAMS) as u128));
    let received = ProviderEventIgnored { reason: "x".repeat(800) };
    let received = NewEvent::new(StreamId::new(StreamKind::Inbox, delivery), noon(), received);
    let fact = NewEvent::new(shared, noon(), LicenseSuspended { reason: Some(delivery.to_string()) });
    let ids = [received.event_id, fact.event_id];
    let mut both = request(team).event(received).event(fact);
    both.keys.push(WrappedKey { id: delivery, wrapped: vec![7; 72] });
    // Some decide on what they have read, and again when someone else was faster.
    if round.is_multiple_of(11) {
        return decide(ledger, writer, both, shared, ids).await;
    }
    match writer.append(both).await? {
        AppendOutcome::Appended { .. } => acknowledge(ids),
        other => Err(format!("fresh events without expectations were answered {other:?}").into()),
    }
}

async fn decide(
    ledger: &SharedLedger,
    writer: &Writer,
    both: AppendRequest,
    shared: StreamId,
    ids: [Uuid; 2],
) -> TestResult {
    for _ in 0..50 {
        let versions = ledger.positions_of(&ids).await?;
        if !versions.is_empty() {
            return Err("events are stored before they were appended".into());
        }
        let version = last_version(ledger, both.team, shared).await?;
        match writer.append(both.clone().expect(shared, version)).await? {
            AppendOutcome::Appended { .. } => return acknowledge(ids),
            AppendOutcome::Conflict { actual, .. } if actual > version => {}
            other => return Err(format!("a decision on version {version} was answered {other:?}").into()),
        }
    }
    Ok(())
}

async fn last_version(ledger: &SharedLedger, team: TeamId, stream: StreamId) -> TestResult<i64> {
    Ok(ledger.read_streams(team, &[stream]).await?.last().map_or(0, |event| event.stream_version))
}

fn acknowledge(ids: [Uuid; 2]) -> TestResult {
    say(&format!("appended {}\nappended {}\n", ids[0], ids[1]))
}

/// One write, so that a killed process leaves whole lines but perhaps the last.
fn say(text: &str) -> TestResult {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}
