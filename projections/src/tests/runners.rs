//! Several runners at once, runners that are killed, runners whose database fails.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use keyledger_events::store::{AppendTx, Head};
use keyledger_events::{Ledger, LedgerError, Position, RecordedEvent, SharedLedger, StreamId, TeamId};
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use super::facts::{team, team_registered};
use super::faults::product;
use super::home::{Home, PATIENCE};
use super::test_views::counter;
use super::{TestResult, stories};
use crate::runner::{CatchUpError, Runner};

stories!(
    two_runners_apply_each_event_once,
    a_pass_that_is_killed_in_the_middle_is_made_again,
    a_background_runner_is_woken_and_stops_when_told,
    a_runner_survives_a_database_that_fails,
    waiting_for_what_never_comes_ends_in_time,
);

async fn counted(home: &Home) -> TestResult<i64> {
    let rows = home.views.query("counter", "SELECT events FROM {table}", vec![]).await?;
    Ok(rows.iter().map(|row| row.int(0)).sum::<Result<i64, _>>()?)
}

async fn two_runners_apply_each_event_once(home: &Home) -> TestResult {
    // Guards: both read the same page, both want to apply it; the second must see that the first one has.
    let team = team();
    let one = home.runner_elsewhere(vec![counter()]).await?;
    let other = home.runner_elsewhere(vec![counter()]).await?;
    let appends = async {
        for _ in 0..40 {
            home.append(team, (0..7).map(|_| product("one")).collect()).await?;
        }
        TestResult::Ok(())
    };
    let passes = |runner: Runner| async move {
        loop {
            runner.catch_up(Position(280), &[], PATIENCE).await?;
            if runner.status().borrow().views.values().all(|view| view.position == Position(280)) {
                return TestResult::Ok(());
            }
        }
    };
    let (appended, one, other) = tokio::join!(appends, passes(one), passes(other));
    appended?;
    one?;
    other?;
    assert_eq!(counted(home).await?, 280);
    Ok(())
}

async fn a_pass_that_is_killed_in_the_middle_is_made_again(home: &Home) -> TestResult {
    // Guards: the process dies between writing rows and moving the checkpoint, at any of a pass's waits.
    let team = team();
    for _ in 0..3 {
        home.append(team, (0..500).map(|_| product("one")).collect()).await?;
    }
    let mut survived = 0;
    for micros in (0..4_000).step_by(100) {
        let runner = home.runner_elsewhere(vec![counter()]).await?;
        let killed = tokio::time::timeout(Duration::from_micros(micros), runner.pass_once()).await;
        survived += i32::from(killed.is_ok());
        if survived > 1 {
            break;
        }
    }
    let runner = home.runner_elsewhere(vec![counter()]).await?;
    home.catch_up(&runner).await?;
    assert_eq!(counted(home).await?, 1_500);
    Ok(())
}

async fn a_background_runner_is_woken_and_stops_when_told(home: &Home) -> TestResult {
    let runner = home.runner();
    let (stop, stopped) = oneshot::channel::<()>();
    let background = tokio::spawn({
        let (runner, wake) = (runner.clone(), home.writer.commits());
        async move { runner.run(wake, async { drop(stopped.await) }).await }
    });
    let mut status = runner.status();
    let team = team();
    let last = home.append(team, vec![team_registered(team, "woken")]).await?;
    // Nobody passes by hand here: the background does it.
    tokio::time::timeout(PATIENCE, status.wait_for(|status| status.head == last && status.lag_events() == 0)).await??;
    runner.catch_up(last, &["teams"], PATIENCE).await?;
    assert_eq!(home.views.teams().await?.len(), 1);
    assert_eq!(status.borrow().views.get("teams").map(|view| view.changed_position), Some(last));
    assert_eq!(status.borrow().views.get("inbox").map(|view| view.changed_position), Some(Position::START));
    drop(stop);
    tokio::time::timeout(PATIENCE, background).await??;
    Ok(())
}

/// A ledger that fails the first few times it is asked.
struct Flaky {
    inner: SharedLedger,
    failures_left: AtomicU32,
}

impl Flaky {
    fn fail(&self) -> Result<(), LedgerError> {
        let left = self.failures_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match left {
            Ok(_) => Err(sqlx::Error::PoolTimedOut.into()),
            Err(_) => Ok(()),
        }
    }
}

#[async_trait]
impl Ledger for Flaky {
    async fn begin_append(&self) -> Result<Box<dyn AppendTx>, LedgerError> {
        self.inner.begin_append().await
    }

    async fn head(&self) -> Result<Head, LedgerError> {
        self.fail()?;
        self.inner.head().await
    }

    async fn read(&self, after: Position, limit: u32) -> Result<Vec<RecordedEvent>, LedgerError> {
        self.fail()?;
        self.inner.read(after, limit).await
    }

    async fn read_streams(&self, team: TeamId, streams: &[StreamId]) -> Result<Vec<RecordedEvent>, LedgerError> {
        self.inner.read_streams(team, streams).await
    }

    async fn stream_version(&self, team: TeamId, stream: StreamId) -> Result<i64, LedgerError> {
        self.inner.stream_version(team, stream).await
    }

    async fn positions_of(&self, event_ids: &[Uuid]) -> Result<HashMap<Uuid, Position>, LedgerError> {
        self.inner.positions_of(event_ids).await
    }
}

async fn a_runner_survives_a_database_that_fails(home: &Home) -> TestResult {
    let team = team();
    let last = home.append(team, vec![team_registered(team, "patient")]).await?;
    let flaky = Arc::new(Flaky { inner: home.ledger.clone(), failures_left: AtomicU32::new(2) });
    let runner = Runner::new(flaky.clone(), home.views.clone(), home.clock.clone());
    let (_never, wake) = watch::channel(Position::START);
    let background = tokio::spawn({
        let runner = runner.clone();
        async move { runner.run(wake, std::future::pending()).await }
    });
    let mut status = runner.status();
    tokio::time::timeout(PATIENCE, status.wait_for(|status| status.head == last && status.lag_events() == 0)).await??;
    assert_eq!(flaky.failures_left.load(Ordering::SeqCst), 0);
    assert_eq!(home.views.teams().await?.len(), 1);
    background.abort();
    Ok(())
}

async fn waiting_for_what_never_comes_ends_in_time(home: &Home) -> TestResult {
    let waited = home.runner().catch_up(Position(1), &[], Duration::from_millis(50)).await;
    assert!(matches!(waited, Err(CatchUpError::Timeout { to, .. }) if to == Position(1)), "{waited:?}");
    Ok(())
}
