//! Callers that go away, and a Writer that is shut down.

use std::sync::Arc;

use keyledger_events::keys::WrappedKey;
use keyledger_events::{AppendOutcome, Position, TeamId, Writer, id};

use super::stories;
use crate::support::{GatedKeys, Home, TestResult, check_ledger, on_any, queue_up, stream};

stories!(
    a_caller_that_goes_away_cancels_nothing,
    a_writer_that_is_shut_down_commits_what_is_queued,
    commits_are_announced,
);

async fn a_caller_that_goes_away_cancels_nothing(home: Arc<Home>) -> TestResult {
    // Guards: a client hangs up, and its handler is dropped, once while its batch is open and once while it waits.
    let ledger = home.ledger().await?;
    let keys = Arc::new(GatedKeys::shut(home.keys.clone()));
    let (writer, _) = Writer::start(ledger.clone(), keys.clone(), home.clock.clone());
    let team = TeamId(id::fresh());
    let mut open = on_any(team, stream(), "its batch is open");
    open.keys.push(WrappedKey { id: id::fresh(), wrapped: vec![1] });
    let gone = queue_up(&writer, vec![open, on_any(team, stream(), "it waits")]).await;
    keys.until_reached().await;
    for caller in &gone {
        caller.abort();
    }
    for caller in gone {
        assert!(caller.await.is_err_and(|ended| ended.is_cancelled()));
    }
    keys.open();
    let next = writer.append(on_any(team, stream(), "next")).await?;
    assert_eq!(next, AppendOutcome::Appended { last: Position(3) });
    assert_eq!(check_ledger(&*ledger).await?.len(), 3);
    Ok(())
}

async fn a_writer_that_is_shut_down_commits_what_is_queued(home: Arc<Home>) -> TestResult {
    let ledger = home.ledger().await?;
    let (writer, task) = home.writer_on(ledger.clone());
    let team = TeamId(id::fresh());
    let waiting = queue_up(&writer, (0..40).map(|_| on_any(team, stream(), "last words")).collect()).await;
    drop(writer);
    for answer in waiting {
        assert!(matches!(answer.await??, AppendOutcome::Appended { .. }));
    }
    task.await?;
    assert_eq!(check_ledger(&*ledger).await?.len(), 40);
    Ok(())
}

async fn commits_are_announced(home: Arc<Home>) -> TestResult {
    let (_ledger, writer) = home.writer().await?;
    let mut commits = writer.commits();
    assert_eq!(*commits.borrow_and_update(), Position::START);
    let team = TeamId(id::fresh());
    assert_eq!(writer.append(on_any(team, stream(), "one")).await?, AppendOutcome::Appended { last: Position(1) });
    assert!(commits.has_changed()?);
    assert_eq!(*commits.borrow_and_update(), Position(1));
    Ok(())
}
