//! The connection is lost around COMMIT: what callers are told must be what the ledger holds.

use std::net::SocketAddr;
use std::sync::Arc;

use keyledger_events::store::{ANSWER_MAX, PostgresLedger};
use keyledger_events::{AppendOutcome, Position, SharedLedger, TeamId, Writer, id};
use sqlx::postgres::PgPoolOptions;

use crate::support::{
    Cut, Engine, Home, LostCommit, Proxy, TestResult, check_ledger, event, on_any, on_version, queue_up, request, run,
    stream,
};

/// A batch with every kind of outcome, appended through a Writer whose next commit `lose` arranges to be lost.
async fn lose_a_batch(writer: Writer, ledger: SharedLedger, lose: impl FnOnce()) -> TestResult {
    let (team, refused) = (TeamId(id::fresh()), stream());
    let earlier = on_any(team, stream(), "earlier");
    assert_eq!(writer.append(earlier.clone()).await?, AppendOutcome::Appended { last: Position(1) });
    lose();
    let sale = request(team).event(event(stream(), "paid")).event(event(stream(), "issued"));
    let batch =
        vec![sale.clone(), earlier, on_version(team, refused, 5, "stale"), sale, on_any(team, stream(), "last")];
    let mut outcomes = Vec::new();
    for answer in queue_up(&writer, batch).await {
        outcomes.push(answer.await??);
    }
    let expected = [
        AppendOutcome::Appended { last: Position(3) },
        AppendOutcome::AlreadyApplied { position: Position(1) },
        AppendOutcome::Conflict { stream: refused, actual: 0 },
        AppendOutcome::AlreadyApplied { position: Position(3) },
        AppendOutcome::Appended { last: Position(4) },
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(*writer.commits().borrow(), Position(4), "readers are woken");
    assert_eq!(check_ledger(&*ledger).await?.len(), 4, "exactly once");
    assert_eq!(writer.append(on_any(team, stream(), "goes on")).await?, AppendOutcome::Appended { last: Position(5) });
    check_ledger(&*ledger).await?;
    Ok(())
}

async fn behind_a_proxy(home: &Home) -> TestResult<(Proxy, SharedLedger)> {
    let direct = home.postgres_options()?;
    let proxy = Proxy::start(SocketAddr::new(direct.get_host().parse()?, direct.get_port())).await?;
    let options = direct.port(proxy.port).ssl_mode(sqlx::postgres::PgSslMode::Disable);
    let through = PgPoolOptions::new().max_connections(2).connect_with(options).await?;
    let ledger = Arc::new(PostgresLedger::open(&through).await?);
    Ok((proxy, ledger))
}

async fn through_the_proxy(home: Arc<Home>, how: Cut) -> TestResult {
    let (proxy, ledger) = behind_a_proxy(&home).await?;
    let (writer, _) = home.writer_on(ledger);
    lose_a_batch(writer, home.ledger().await?, || proxy.cut_next_commit(how)).await?;
    assert!(proxy.has_cut(), "no COMMIT came by: the test tested nothing");
    Ok(())
}

#[tokio::test]
async fn a_commit_that_never_reached_the_server_is_done_again() -> TestResult {
    // Guards: the network fails before COMMIT arrives; the server rolls back; the events must not be forgotten.
    run(Engine::Postgres, |home| through_the_proxy(home, Cut::BeforeServer)).await
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_not_done_again() -> TestResult {
    // Guards: the server commits, the answer is lost; a blind second try would be answered "already applied".
    run(Engine::Postgres, |home| through_the_proxy(home, Cut::AfterServer)).await
}

/// The transactions that the ledger's last event and its head row were last written by.
async fn last_written(home: &Home) -> TestResult<(String, String)> {
    let select = "SELECT event.xmin::text, head.xmin::text FROM ledger.ledger_head head \
                  JOIN ledger.event ON event.position = head.position";
    Ok(sqlx::query_as(select).fetch_one(&home.postgres().await?).await?)
}

#[tokio::test]
async fn a_commit_that_a_standby_may_not_have_is_followed_by_one_that_waits_for_it() -> TestResult {
    // Guards: a commit waits for the synchronous standby, the server is restarted, the event is visible and no standby
    // has it: only a commit after it that is answered says that the standby has both.
    run(Engine::Postgres, |home| async move {
        let (proxy, ledger) = behind_a_proxy(&home).await?;
        let (writer, _) = home.writer_on(ledger);
        let team = TeamId(id::fresh());
        for (position, cut) in [(1, false), (2, true)] {
            if cut {
                proxy.cut_next_commit(Cut::AfterServer);
            }
            let outcome = writer.append(on_any(team, stream(), "sold")).await?;
            assert_eq!(outcome, AppendOutcome::Appended { last: Position(position) });
            let (event, head) = last_written(&home).await?;
            assert_eq!(event != head, cut, "{event} {head}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_commit_that_arrives_late_is_waited_for() -> TestResult {
    // Guards: the client is cut off while its transaction still holds the head row; the Writer comes back on a new
    // connection and must wait for the orphan, which commits only then, before it looks.
    run(Engine::Postgres, |home| through_the_proxy(home, Cut::ServerLate)).await
}

#[tokio::test]
async fn a_session_ended_after_its_commit_is_not_taken_for_a_roll_back() -> TestResult {
    // Guards: the transaction is durable, but an administrator's shutdown reaches the client in place of the answer.
    run(Engine::Postgres, |home| through_the_proxy(home, Cut::AfterServerWithFatal)).await
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_not_waited_for_for_ever() -> TestResult {
    // Guards: nothing closes the connection and no answer ever comes: every caller, and all who come later, would wait
    // until the process is restarted. The server still holds the head row for it.
    let begun = std::time::Instant::now();
    run(Engine::Postgres, |home| through_the_proxy(home, Cut::Silent)).await?;
    assert!(begun.elapsed() < ANSWER_MAX * 2, "{:?}", begun.elapsed());
    Ok(())
}

async fn in_memory(home: Arc<Home>, how: LostCommit) -> TestResult {
    let (ledger, writer) = home.writer().await?;
    lose_a_batch(writer, ledger, || home.memory().map(|ledger| ledger.lose_next_commit(how)).unwrap_or_default()).await
}

#[tokio::test]
async fn a_lost_commit_is_settled_the_same_way_on_any_store() -> TestResult {
    run(Engine::Memory, |home| in_memory(home, LostCommit::Stored)).await?;
    run(Engine::Memory, |home| in_memory(home, LostCommit::Dropped)).await
}

#[tokio::test]
async fn another_nodes_append_is_not_taken_for_our_own() -> TestResult {
    // Guards: our commit is lost and rolled back; before we are back, another node appends the same delivery, which
    // the provider posted twice, at the very position that we had taken. Only one of us may say "appended".
    run(Engine::Memory, |home| async move {
        let (ledger, writer) = home.writer().await?;
        home.memory()?.lose_next_commit(LostCommit::TakenByAnother);
        let outcome = writer.append(on_any(TeamId(id::fresh()), stream(), "delivered twice")).await?;
        assert_eq!(outcome, AppendOutcome::AlreadyApplied { position: Position(1) });
        assert_eq!(check_ledger(&*ledger).await?.len(), 1);
        Ok(())
    })
    .await
}
