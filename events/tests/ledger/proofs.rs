//! Checkpoints and tiles: kept once, never changed, and read as they are, the same on both engines.

use std::sync::Arc;

use keyledger_events::store::proofs::{Checked, Stored, StoredCheckpoint, StoredTile};
use keyledger_events::store::{PostgresLedger, ProofStore, SqliteLedger, open_sqlite};
use keyledger_events::{AppendOutcome, Position, TeamId, id};
use sqlx::AssertSqlSafe;

use crate::support::{Engine, Home, TestResult, event, noon, on_any, request, run, serving_pool, stream};

async fn store(home: &Home, engine: Engine) -> TestResult<Arc<dyn ProofStore>> {
    Ok(match engine {
        Engine::Postgres => Arc::new(PostgresLedger::open(&home.postgres().await?).await?),
        _ => Arc::new(SqliteLedger::open(&home.folder()?.join("ledger.db")).await?),
    })
}

fn checkpoint(size: u64, root: u8) -> StoredCheckpoint {
    StoredCheckpoint { size, root: [root; 32], signed_at: noon(), note: format!("note {root}\n") }
}

async fn what_is_kept_reads_back(home: Arc<Home>, engine: Engine) -> TestResult {
    let store = store(&home, engine).await?;
    assert_eq!((store.newest_checkpoint().await?, store.checkpoints(0, 9).await?), (None, Vec::new()));
    for (size, root) in [(7, 1), (300, 2), (9, 3)] {
        assert_eq!(store.store_checkpoint(&checkpoint(size, root)).await?, Stored::Appended);
    }
    // The first one counts, whatever the second says.
    assert_eq!(store.store_checkpoint(&checkpoint(9, 4)).await?, Stored::AlreadyThere);
    assert_eq!(store.newest_checkpoint().await?, Some(checkpoint(300, 2)));
    assert_eq!(store.checkpoints(7, 9).await?, [checkpoint(9, 3), checkpoint(300, 2)]);
    assert_eq!(store.checkpoints(0, 1).await?, [checkpoint(7, 1)]);

    store.store_tiles(1, 0, &[[1; 32], [2; 32]]).await?;
    store.store_tiles(1, 1, &[[9; 32], [3; 32]]).await?;
    store.store_tiles(2, 0, &[[4; 32]]).await?;
    assert_eq!((store.tiles_kept(1).await?, store.tiles_kept(2).await?, store.tiles_kept(3).await?), (3, 1, 0));
    assert_eq!(store.hashes(1, 0, 99).await?, [[1; 32], [2; 32], [3; 32]], "what was there stays");
    assert_eq!(store.hashes(1, 1, 1).await?, [[2; 32]]);
    assert_eq!(store.hashes(1, 3, 9).await?, Vec::<[u8; 32]>::new());
    let tile = |level, index, hash| StoredTile { level, index, hash: [hash; 32] };
    assert_eq!(store.tiles(None, 9).await?, [tile(1, 0, 1), tile(1, 1, 2), tile(1, 2, 3), tile(2, 0, 4)]);
    assert_eq!(store.tiles(Some((1, 1)), 1).await?, [tile(1, 2, 3)]);
    Ok(())
}

async fn events_are_read_as_they_are(home: Arc<Home>, engine: Engine) -> TestResult {
    let store = store(&home, engine).await?;
    let none = store.edges().await?;
    assert_eq!((none.first, none.last, none.head.map(|head| head.position)), (None, None, Some(0)));
    let (_, writer) = home.writer().await?;
    let (team, first, second) = (TeamId(id::fresh()), stream(), stream());
    let events = [first, second, first].iter().fold(request(team), |all, stream| all.event(event(*stream, "note")));
    assert!(matches!(writer.append(events).await?, AppendOutcome::Appended { last: Position(3) }));
    let edges = store.edges().await?;
    let head = edges.head.ok_or("no head")?;
    assert_eq!((edges.first, edges.last, head.position), (Some(1), Some(3), 3));
    assert_eq!((head.recorded_at, head.frontier.len()), (noon().as_microsecond(), 64));
    let checked = store.check_events(Position(1), Position(9)).await?;
    let [Checked::Good(one), Checked::Good(two)] = checked.as_slice() else {
        return Err(format!("{checked:?}").into());
    };
    assert_eq!((one.position, one.stream, one.stream_version), (2, second, 1));
    assert_eq!((two.position, two.stream, two.stream_version, two.team), (3, first, 2, team));
    assert_eq!(store.hashes(0, 1, 9).await?, [one.leaf_hash, two.leaf_hash]);
    assert_eq!(store.payload_bytes(Position(1), 9).await?, [17, 17]);
    Ok(())
}

#[tokio::test]
async fn what_is_kept_reads_back_on_sqlite() -> TestResult {
    run(Engine::Sqlite, |home| what_is_kept_reads_back(home, Engine::Sqlite)).await?;
    run(Engine::Sqlite, |home| events_are_read_as_they_are(home, Engine::Sqlite)).await
}

#[tokio::test]
async fn what_is_kept_reads_back_on_postgres() -> TestResult {
    run(Engine::Postgres, |home| what_is_kept_reads_back(home, Engine::Postgres)).await?;
    run(Engine::Postgres, |home| events_are_read_as_they_are(home, Engine::Postgres)).await
}

/// Statements that would change what was signed, or what proofs are computed from; `@` stands before a table's name.
const CHANGES: [&str; 6] = [
    "UPDATE @checkpoint SET note = 'forged'",
    "DELETE FROM @checkpoint WHERE size = 7",
    "UPDATE @merkle_tile SET hash = hash",
    "DELETE FROM @merkle_tile",
    "UPDATE @checkpoint SET size = 8 WHERE size = 7",
    "UPDATE @merkle_tile SET idx = 5",
];

#[tokio::test]
async fn sqlite_refuses_to_change_what_was_signed() -> TestResult {
    run(Engine::Sqlite, |home: Arc<Home>| async move {
        let store = store(&home, Engine::Sqlite).await?;
        assert_eq!(store.store_checkpoint(&checkpoint(7, 1)).await?, Stored::Appended);
        store.store_tiles(1, 0, &[[1; 32]]).await?;
        let file = open_sqlite(&home.folder()?.join("ledger.db"), true).await?;
        let replace = [
            "INSERT OR REPLACE INTO @checkpoint VALUES (7, zeroblob(32), 0, 'forged')",
            "INSERT OR REPLACE INTO @merkle_tile VALUES (1, 0, zeroblob(32))",
        ];
        for statement in CHANGES.iter().chain(&replace) {
            let answer = sqlx::query(AssertSqlSafe(statement.replace('@', ""))).execute(&file.writer).await;
            let refused = answer.as_ref().is_err_and(|error| error.to_string().contains("append-only"));
            assert!(refused, "{statement}: {answer:?}");
        }
        assert_eq!(store.newest_checkpoint().await?, Some(checkpoint(7, 1)));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn postgres_refuses_to_change_what_was_signed() -> TestResult {
    run(Engine::Postgres, |home: Arc<Home>| async move {
        let store = store(&home, Engine::Postgres).await?;
        assert_eq!(store.store_checkpoint(&checkpoint(7, 1)).await?, Stored::Appended);
        store.store_tiles(1, 0, &[[1; 32]]).await?;
        let owner = home.postgres().await?;
        let more = ["TRUNCATE @checkpoint", "TRUNCATE @merkle_tile"];
        for statement in CHANGES.iter().chain(&more) {
            let answer = sqlx::query(AssertSqlSafe(statement.replace('@', "ledger."))).execute(&owner).await;
            let refused = answer.as_ref().is_err_and(|error| error.to_string().contains("append-only"));
            assert!(refused, "{statement}: {answer:?}");
        }
        let serving = serving_pool(&home).await?;
        for statement in CHANGES {
            let answer = sqlx::query(AssertSqlSafe(statement.replace('@', "ledger."))).execute(&serving).await;
            let denied = answer.as_ref().is_err_and(|error| error.to_string().contains("permission denied"));
            assert!(denied, "{statement}: {answer:?}");
        }
        // What it may do it does: the store works as this role.
        let (_, writer) = home.writer().await?;
        let appended = writer.append(on_any(TeamId(id::fresh()), stream(), "serving")).await?;
        assert!(matches!(appended, AppendOutcome::Appended { .. }));
        assert_eq!(store.newest_checkpoint().await?, Some(checkpoint(7, 1)));
        Ok(())
    })
    .await
}
