//! The second line of defence: the databases themselves refuse to change history.

use std::sync::Arc;

use keyledger_events::store::open_sqlite;
use keyledger_events::{AppendOutcome, TeamId, id};
use sqlx::AssertSqlSafe;

use crate::support::{Engine, Home, TestResult, check_ledger, event, on_any, request, run, serving_pool, stream};

/// A ledger with three events.
async fn with_history(home: &Home) -> TestResult<keyledger_events::SharedLedger> {
    let (ledger, writer) = home.writer().await?;
    let stream = stream();
    let three = ["a", "b", "c"].iter().fold(request(TeamId(id::fresh())), |all, note| all.event(event(stream, note)));
    assert!(matches!(writer.append(three).await?, AppendOutcome::Appended { .. }));
    Ok(ledger)
}

/// The statement must fail with a message that holds `reason`.
fn refused<T: std::fmt::Debug>(statement: &str, answer: Result<T, sqlx::Error>, reason: &str) {
    match answer {
        Ok(done) => assert_eq!(statement, "", "the database allowed it: {done:?}"),
        Err(error) => assert!(error.to_string().contains(reason), "{statement}: {error}"),
    }
}

/// Every column but those that a statement names itself.
const COPY: &str = "schema_version, occurred_at, recorded_at, causation_id, correlation_id, actor, payload, leaf_hash";

#[tokio::test]
async fn sqlite_refuses_to_change_history() -> TestResult {
    run(Engine::Sqlite, |home: Arc<Home>| async move {
        let ledger = with_history(&home).await?;
        let file = open_sqlite(&home.folder()?.join("ledger.db"), true).await?;
        let replace = |position: &str, version: &str, id: &str| {
            format!(
                "INSERT OR REPLACE INTO event (position, team, stream, stream_version, event_id, type, {COPY}) \
                 SELECT {position}, team, stream, {version}, {id}, 'Forged', {COPY} FROM event WHERE position = 2"
            )
        };
        let statements = [
            "UPDATE event SET payload = x'7b7d' WHERE position = 2".to_owned(),
            "UPDATE OR REPLACE event SET position = 1 WHERE position = 2".to_owned(),
            "DELETE FROM event WHERE position = 2".to_owned(),
            "DELETE FROM event".to_owned(),
            // Each collides with a stored event by another one of the unique keys.
            replace("2", "99", "randomblob(16)"),
            replace("4", "99", "event_id"),
            replace("4", "stream_version", "randomblob(16)"),
            // A place before the end, even if it were free.
            replace("0", "99", "randomblob(16)"),
        ];
        for statement in statements {
            let answer = sqlx::query(AssertSqlSafe(statement.clone())).execute(&file.writer).await;
            refused(&statement, answer, "the ledger is append-only");
        }
        let read_only = sqlx::query("DELETE FROM event").execute(&file.readers).await;
        refused("a reader's DELETE", read_only, "readonly");
        assert_eq!(check_ledger(&*ledger).await?.len(), 3);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn postgres_refuses_to_change_history() -> TestResult {
    run(Engine::Postgres, |home: Arc<Home>| async move {
        let ledger = with_history(&home).await?;
        let owner = home.postgres().await?;
        let statements = [
            "UPDATE ledger.event SET payload = '{}' WHERE position = 2",
            "DELETE FROM ledger.event WHERE position = 2",
            "TRUNCATE ledger.event",
            "INSERT INTO ledger.event SELECT * FROM ledger.event WHERE position = 2 \
             ON CONFLICT (position) DO UPDATE SET actor = 'forged'",
            "MERGE INTO ledger.event e USING (SELECT 2 AS position) p ON e.position = p.position WHEN MATCHED THEN DELETE",
        ];
        for statement in statements {
            refused(statement, sqlx::query(statement).execute(&owner).await, "the ledger is append-only");
        }
        assert_eq!(check_ledger(&*ledger).await?.len(), 3);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_serving_role_may_only_append_and_read() -> TestResult {
    run(Engine::Postgres, |home: Arc<Home>| async move {
        let ledger = with_history(&home).await?;
        let serving = serving_pool(&home).await?;
        let denied = [
            ("UPDATE ledger.event SET payload = '{}'", "permission denied"),
            ("DELETE FROM ledger.event", "permission denied"),
            ("TRUNCATE ledger.event", "permission denied"),
            ("DELETE FROM ledger.ledger_head", "permission denied"),
            ("INSERT INTO ledger.ledger_head VALUES (1, 0, 0, '')", "permission denied"),
            ("ALTER TABLE ledger.event DISABLE TRIGGER ALL", "must be owner"),
            ("DROP TRIGGER event_is_never_changed ON ledger.event", "must be owner"),
            ("DROP TABLE ledger.event", "must be owner"),
            (
                "CREATE OR REPLACE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE sql AS ''",
                "permission denied",
            ),
            ("SET session_replication_role = replica", "permission denied"),
        ];
        for (statement, reason) in denied {
            refused(statement, sqlx::query(statement).execute(&serving).await, reason);
        }
        let (writer, _) = home.writer_on(ledger.clone());
        let append = || on_any(TeamId(id::fresh()), stream(), "serving");
        assert!(matches!(writer.append(append()).await?, AppendOutcome::Appended { .. }));
        // The Writer itself works with this role: what the role may not do, the Writer cannot.
        let owner = home.postgres().await?;
        sqlx::query("REVOKE INSERT ON ledger.event FROM keyledger_serving").execute(&owner).await?;
        let refused = writer.append(append()).await;
        assert!(refused.is_err_and(|error| error.to_string().contains("permission denied for table event")));
        check_ledger(&*ledger).await?;
        Ok(())
    })
    .await
}
