//! Connections to PostgreSQL: what an administrator set for other programs, and who stops in the middle.

use std::sync::Arc;
use std::time::{Duration, Instant};

use keyledger_events::store::{ANSWER_MAX, PostgresLedger, PostgresTx, postgres_pool};
use keyledger_events::{AppendOutcome, SharedLedger, TeamId, id};
use sqlx::{AssertSqlSafe, Executor as _};

use crate::support::{Engine, Home, TestResult, check_ledger, on_any, run, stream};

async fn ledger(home: &Home) -> TestResult<SharedLedger> {
    let admin = postgres_pool(2, "").connect_with(home.postgres_options()?).await?;
    Ok(Arc::new(PostgresLedger::open(&admin).await?))
}

#[tokio::test]
async fn what_the_database_takes_for_usual_turns_no_append_away() -> TestResult {
    // Guards: a snapshot from before the head row was locked: whoever waited for another node is refused.
    run(Engine::Postgres, |home| async move {
        let database = home.postgres_options()?;
        let name = database.get_database().ok_or("no database")?;
        let usual = format!("ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'");
        home.postgres().await?.execute(AssertSqlSafe(usual)).await?;
        let (one, other) = (home.writer_on(ledger(&home).await?).0, home.writer_on(ledger(&home).await?).0);
        let team = TeamId(id::fresh());
        let mut appends = tokio::task::JoinSet::new();
        for number in 0..100 {
            let writer = if number % 2 == 0 { one.clone() } else { other.clone() };
            appends.spawn(async move { writer.append(on_any(team, stream(), "sold")).await });
        }
        for outcome in appends.join_all().await {
            assert!(matches!(outcome, Ok(AppendOutcome::Appended { .. })), "{outcome:?}");
        }
        assert_eq!(check_ledger(&*ledger(&home).await?).await?.len(), 100);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn whoever_stops_in_the_middle_is_not_waited_for_for_ever() -> TestResult {
    // Guards: a process is stopped, or its machine gone, in a transaction: what it holds is skipped or waited for by all
    // others. One that works for long is left alone.
    run(Engine::Postgres, |home| async move {
        let pool = postgres_pool(3, "").connect_with(home.postgres_options()?).await?;
        pool.execute("CREATE TABLE held (id bigint PRIMARY KEY); INSERT INTO held VALUES (1)").await?;
        let begin = async || PostgresTx::begin(&pool, "BEGIN", Duration::from_secs(60)).await;
        let (mut working, mut stopped, mut waiting) = (begin().await?, begin().await?, begin().await?);
        let begun = Instant::now();
        let works = tokio::spawn(async move {
            working.run("SELECT pg_sleep(13)").await?;
            working.commit().await
        });
        stopped.run("SELECT * FROM held FOR UPDATE").await?;
        let Err(refused) = waiting.run("SELECT * FROM held FOR UPDATE").await else { return Err("not held".into()) };
        assert!(refused.to_string().contains("lock timeout"), "{refused}");
        assert!(begun.elapsed() < ANSWER_MAX, "{:?}", begun.elapsed());
        drop(waiting);
        tokio::time::sleep(Duration::from_secs(11).saturating_sub(begun.elapsed())).await;
        let mut next = begin().await?;
        next.run("SELECT * FROM held FOR UPDATE NOWAIT").await?;
        next.commit().await?;
        assert!(stopped.commit().await.is_err());
        Ok(works.await??)
    })
    .await
}
