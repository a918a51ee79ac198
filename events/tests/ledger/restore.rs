//! The door for a restore: events keep what they are, nothing else is appended until the end, and what is not the copy
//! is refused.

use std::sync::Arc;

use keyledger_events::merkle::Frontier;
use keyledger_events::store::{PostgresLedger, RestoreDoor, RestoreTarget, SqliteLedger};
use keyledger_events::writer::{RESTORE_BATCH_EVENTS_MAX, Restore, RestoreError};
use keyledger_events::{AppendOutcome, LedgerError, Position, RecordedEvent, TeamId, WriterError, id};

use crate::support::{Engine, Home, TestResult, check_ledger, event, on_any, request, run, stream};

/// Events of the copy: more than two batches.
const EVENTS: usize = 2 * RESTORE_BATCH_EVENTS_MAX + 100;

/// A ledger to take a copy of, and its end.
async fn copy() -> TestResult<(Vec<RecordedEvent>, RestoreTarget)> {
    let home = Home::new(Engine::Memory).await?;
    let (ledger, writer) = home.writer().await?;
    let (team, shared) = (TeamId(id::fresh()), stream());
    for part in 0..EVENTS / 100 + 1 {
        let notes = (part * 100..EVENTS.min((part + 1) * 100)).map(|note| note.to_string());
        let all = notes.fold(request(team), |all, note| all.event(event(shared, &note)).event(event(stream(), &note)));
        if !all.events.is_empty() {
            assert!(matches!(writer.append(all).await?, AppendOutcome::Appended { .. }));
        }
    }
    let mut events = ledger.read(Position::START, 1_000).await?;
    while let Some(last) = events.last().map(|event| event.position) {
        let more = ledger.read(last, 1_000).await?;
        if more.is_empty() {
            break;
        }
        events.extend(more);
    }
    let target = target_of(&events);
    Ok((events, target))
}

fn target_of(events: &[RecordedEvent]) -> RestoreTarget {
    let mut frontier = Frontier::default();
    events.iter().for_each(|event| frontier.push(event.leaf_hash));
    let position = events.last().map_or(Position::START, |event| event.position);
    RestoreTarget { position, root: frontier.root() }
}

async fn door(engine: Engine, home: &Home) -> TestResult<Arc<dyn RestoreDoor>> {
    Ok(match engine {
        Engine::Postgres => Arc::new(PostgresLedger::open(&home.postgres().await?).await?),
        _ => Arc::new(SqliteLedger::open(&home.folder()?.join("ledger.db")).await?),
    })
}

/// Interleaving: the restore ends after a batch, somebody tries to append, another copy is tried, and the first one
/// goes on.
async fn goes_on_and_lets_nobody_in(engine: Engine, home: Arc<Home>) -> TestResult {
    let (events, target) = copy().await?;
    let (ledger, writer) = home.writer().await?;
    let half = RESTORE_BATCH_EVENTS_MAX + 7;
    let mut first = Restore::begin(door(engine, &home).await?, target).await?;
    first.append(&events[..half]).await?;
    drop(first);
    assert_eq!(door(engine, &home).await?.restoring().await?, Some(target));
    let refused = writer.append(on_any(TeamId(id::fresh()), stream(), "a sale")).await;
    let refused = refused.err().ok_or("it was appended to half a ledger")?;
    assert!(matches!(&refused, WriterError::Store(error) if matches!(&**error, LedgerError::Restoring { .. })));
    assert!(refused.to_string().contains("keyledger restore"), "{refused}");
    let other = RestoreTarget { root: [7; 32], ..target };
    let other = Restore::begin(door(engine, &home).await?, other).await.map(|_| ());
    assert!(matches!(other, Err(RestoreError::Other { .. })), "{other:?}");

    let mut second = Restore::begin(door(engine, &home).await?, target).await?;
    let mut third = Restore::begin(door(engine, &home).await?, target).await?;
    assert_eq!(second.position(), Position(i64::try_from(half)?));
    second.append(&events[half..]).await?;
    let late = third.append(&events[half..]).await;
    assert!(matches!(late, Err(RestoreError::Concurrent)), "{late:?}");
    let head = second.finish().await?;
    assert_eq!((head.position, head.frontier.root()), (target.position, target.root));
    assert_eq!(ledger.head().await?, head);
    assert_eq!(check_ledger(&*ledger).await?, events, "every event is what it was");
    let appended = writer.append(on_any(events[0].team, events[0].stream, "the next sale")).await?;
    assert_eq!(appended, AppendOutcome::Appended { last: target.position.next() });
    let again = Restore::begin(door(engine, &home).await?, target).await.map(|_| ());
    assert!(matches!(again, Err(RestoreError::NotEmpty(_))), "{again:?}");
    Ok(())
}

async fn refuses_what_is_not_the_copy(engine: Engine, home: Arc<Home>) -> TestResult {
    let (events, target) = copy().await?;
    let ledger = home.ledger().await?;
    let mut restore = Restore::begin(door(engine, &home).await?, target).await?;
    restore.append(&events[..10]).await?;
    let gap = restore.append(&events[11..20]).await;
    assert!(matches!(gap, Err(RestoreError::Gap { expected: Position(11), found: Position(12) })), "{gap:?}");
    let mut forged = events[10..20].to_vec();
    forged[5].provenance.actor = "nobody".to_owned();
    assert!(matches!(restore.append(&forged).await, Err(RestoreError::Hash(_))));
    // With a leaf that fits, only the root tells.
    forged[5].leaf_hash = forged[5].expected_leaf_hash();
    assert_eq!(ledger.head().await?.position, Position(10), "a batch is stored wholly or not at all");
    restore.append(&forged).await?;
    restore.append(&events[20..]).await?;
    let wrong = restore.finish().await;
    assert!(matches!(wrong, Err(RestoreError::Root { .. })), "{wrong:?}");
    assert_eq!(door(engine, &home).await?.restoring().await?, Some(target), "it stays half a ledger");
    Ok(())
}

async fn an_empty_ledger_is_restored_too(engine: Engine, home: Arc<Home>) -> TestResult {
    let target = target_of(&[]);
    Restore::begin(door(engine, &home).await?, target).await?.finish().await?;
    assert_eq!(door(engine, &home).await?.restoring().await?, None);
    Ok(())
}

#[tokio::test]
async fn a_restore_goes_on_and_lets_nobody_in_on_sqlite() -> TestResult {
    run(Engine::Sqlite, |home| goes_on_and_lets_nobody_in(Engine::Sqlite, home)).await
}

#[tokio::test]
async fn a_restore_goes_on_and_lets_nobody_in_on_postgres() -> TestResult {
    run(Engine::Postgres, |home| goes_on_and_lets_nobody_in(Engine::Postgres, home)).await
}

#[tokio::test]
async fn a_restore_refuses_what_is_not_the_copy_on_sqlite() -> TestResult {
    run(Engine::Sqlite, |home| refuses_what_is_not_the_copy(Engine::Sqlite, home)).await
}

#[tokio::test]
async fn a_restore_refuses_what_is_not_the_copy_on_postgres() -> TestResult {
    run(Engine::Postgres, |home| refuses_what_is_not_the_copy(Engine::Postgres, home)).await
}

#[tokio::test]
async fn an_empty_ledger_is_restored_on_both_engines() -> TestResult {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        run(engine, move |home| an_empty_ledger_is_restored_too(engine, home)).await?;
    }
    Ok(())
}
