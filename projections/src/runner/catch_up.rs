//! Waiting until views have passed a position: what a reader needs who must not say no from a stale view.

use std::sync::atomic::Ordering;
use std::time::Duration;

use keyledger_events::Position;
use tokio::time::Instant;

use super::{CONTENDED_PAUSE, Runner, RunnerError, RunnerStatus};

/// Why the views did not get there.
#[derive(Debug, thiserror::Error)]
pub enum CatchUpError {
    /// It took too long.
    #[error("view `{view}` is at position {at} and did not reach {to} in time; try again")]
    Timeout {
        /// The slowest view.
        view: String,
        /// Where it is.
        at: Position,
        /// Where it should be.
        to: Position,
    },
    /// A view stands still before the position.
    #[error("view `{view}` stands still at position {position}: {message}; see `keyledger projections status`")]
    Faulted {
        /// The view.
        view: String,
        /// The event that could not be applied.
        position: Position,
        /// Why.
        message: String,
    },
    /// The databases could not be reached.
    #[error(transparent)]
    Runner(#[from] RunnerError),
}

impl Runner {
    /// Waits until the named views (none means all) have passed `to`. With a background task in this process it
    /// wakes that; without one it does the work itself.
    ///
    /// # Errors
    /// When a view stands still before `to`, when `timeout` is over, or when the databases cannot be reached.
    pub async fn catch_up(&self, to: Position, names: &[&str], timeout: Duration) -> Result<(), CatchUpError> {
        let deadline = Instant::now() + timeout;
        let mut status = self.status();
        loop {
            let slowest = match slowest(&status.borrow_and_update(), names, to)? {
                None => return Ok(()),
                Some(slowest) => slowest,
            };
            let late = || CatchUpError::Timeout { view: slowest.0.clone(), at: slowest.1, to };
            if self.inner.tasks.load(Ordering::SeqCst) > 0 {
                self.inner.nudge.notify_one();
                tokio::time::timeout_at(deadline, status.changed()).await.map_err(|_| late())?.ok();
                continue;
            }
            let outcome = tokio::time::timeout_at(deadline, self.pass_once()).await.map_err(|_| late())??;
            if outcome.contended {
                tokio::time::timeout_at(deadline, tokio::time::sleep(CONTENDED_PAUSE)).await.map_err(|_| late())?;
            } else if outcome.caught_up && slowest_of(&self.status().borrow(), names, to).is_some() && outcome.head < to
            {
                // The position is not in the ledger that we see: a replica behind, or a position made up.
                tokio::time::timeout_at(deadline, tokio::time::sleep(CONTENDED_PAUSE)).await.map_err(|_| late())?;
            }
        }
    }
}

/// The view that is farthest from `to`, or `None` when all have passed it.
fn slowest(status: &RunnerStatus, names: &[&str], to: Position) -> Result<Option<(String, Position)>, CatchUpError> {
    for (name, view) in wanted(status, names) {
        if let Some(fault) = view.fault.as_ref().filter(|fault| fault.position <= to) {
            let (position, message) = (fault.position, fault.message.clone());
            return Err(CatchUpError::Faulted { view: name.clone(), position, message });
        }
    }
    Ok(slowest_of(status, names, to))
}

fn slowest_of(status: &RunnerStatus, names: &[&str], to: Position) -> Option<(String, Position)> {
    if status.views.is_empty() {
        return Some((names.first().copied().unwrap_or("all").to_owned(), Position::START));
    }
    let is_wanted = |name: &&&str| names.is_empty() || names.contains(*name);
    if let Some(missing) = status.missing.iter().find(is_wanted) {
        return Some(((*missing).to_owned(), Position::START));
    }
    let behind = wanted(status, names).filter(|(_, view)| view.position < to);
    behind.min_by_key(|(_, view)| view.position).map(|(name, view)| (name.clone(), view.position))
}

fn wanted<'a>(
    status: &'a RunnerStatus,
    names: &'a [&str],
) -> impl Iterator<Item = (&'a String, &'a super::ViewProgress)> {
    status.views.iter().filter(move |(name, _)| names.is_empty() || names.contains(&name.as_str()))
}
