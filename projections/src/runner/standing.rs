//! Views that do not move although the ledger does. How many events they are behind does not tell: a few that wait for
//! minutes are worse than thousands that are on their way.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::Duration;

use keyledger_events::Position;
use tokio::time::Instant;

use super::status::RunnerStatus;
use super::{Inner, Runner};

/// How long a view may be behind without moving.
const STANDING_MAX: Duration = Duration::from_secs(10);

/// What the passes have seen.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// When a pass last saw where the views are.
    looked_at: Option<Instant>,
    /// The views that were behind then: where, and since when.
    behind: HashMap<String, (Position, Instant)>,
    told: bool,
}

/// A view that does not follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standstill {
    /// Its name.
    pub view: String,
    /// The last event applied.
    pub position: Position,
    /// For how long it has not moved, in seconds.
    pub seconds: u64,
}

impl Standing {
    /// Notes where the views are. `true` when what stands is news.
    fn note(&mut self, status: &RunnerStatus, now: Instant) -> bool {
        let before = std::mem::take(&mut self.behind);
        for (name, view) in status.views.iter().filter(|(_, view)| view.fault.is_none() && view.position < status.head)
        {
            let since =
                before.get(name).filter(|(position, _)| *position == view.position).map_or(now, |(_, since)| *since);
            self.behind.insert(name.clone(), (view.position, since));
        }
        self.looked_at = Some(now);
        let stands = self.longest(status, status.head, now).is_some();
        let news = stands && !self.told;
        self.told = stands;
        news
    }

    /// The view that has stood the longest, if that is too long, while the ledger has come to `head`.
    fn longest(&self, status: &RunnerStatus, head: Position, now: Instant) -> Option<Standstill> {
        let behind = status.views.iter().filter(|(_, view)| view.fault.is_none() && view.position < head);
        let since = behind.filter_map(|(name, view)| {
            // One that was there when a pass last looked waits for the next pass since then.
            let since = self.behind.get(name).map(|(_, since)| *since).or(self.looked_at)?;
            Some((since, name, view.position))
        });
        let (since, view, position) = since.min()?;
        let stood = now.saturating_duration_since(since);
        (stood >= STANDING_MAX).then(|| Standstill { view: view.clone(), position, seconds: stood.as_secs() })
    }
}

impl Inner {
    /// Notes what a pass has seen, and says so when views stand still.
    pub(super) fn note_standing(&self, status: &RunnerStatus) {
        let now = Instant::now();
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        if standing.note(status, now)
            && let Some(Standstill { view, position, seconds }) = standing.longest(status, status.head, now)
        {
            tracing::error!(
                view,
                position = position.0,
                head = status.head.0,
                seconds,
                "views do not move although the ledger does: somebody holds their rows, another node that hangs or a stranger's \
                 transaction; no sale is interpreted meanwhile"
            );
        }
    }
}

impl Runner {
    /// The view that has stood still the longest, if that is too long, although the ledger has come to `head`.
    pub fn standstill(&self, head: Position) -> Option<Standstill> {
        let standing = self.inner.standing.lock().unwrap_or_else(PoisonError::into_inner);
        standing.longest(&self.inner.status.borrow(), head, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::ViewProgress;

    fn status(head: i64, position: i64) -> RunnerStatus {
        let at = Position(position);
        let view = ViewProgress { version: 1, position: at, changed_position: at, fault: None };
        RunnerStatus { head: Position(head), views: [("inbox".to_owned(), view)].into(), ..RunnerStatus::default() }
    }

    fn seconds_stood(standing: &Standing, status: &RunnerStatus, head: i64, now: Instant) -> Option<u64> {
        standing.longest(status, Position(head), now).map(|standstill| standstill.seconds)
    }

    #[test]
    fn a_view_stands_still_that_is_behind_and_does_not_move() {
        let (begun, mut standing) = (Instant::now(), Standing::default());
        let after = |seconds| begun + Duration::from_secs(seconds);
        for (seconds, news) in [(0, false), (9, false), (10, true), (11, false)] {
            assert_eq!(standing.note(&status(5, 3), after(seconds)), news, "{seconds} s");
        }
        assert_eq!(seconds_stood(&standing, &status(5, 3), 5, after(11)), Some(11));
        // It moves, if only a little.
        assert!(!standing.note(&status(9, 4), after(12)));
        assert_eq!(seconds_stood(&standing, &status(9, 4), 9, after(21)), None);
        // It is there, for however long nothing comes.
        standing.note(&status(9, 9), after(22));
        assert_eq!(seconds_stood(&standing, &status(9, 9), 9, after(900)), None);
    }

    #[test]
    fn a_view_stands_still_that_no_pass_has_looked_at_since_something_came() {
        let (begun, mut standing) = (Instant::now(), Standing::default());
        let there = status(5, 5);
        standing.note(&there, begun);
        assert_eq!(seconds_stood(&standing, &there, 6, begun + Duration::from_secs(9)), None);
        assert_eq!(seconds_stood(&standing, &there, 6, begun + Duration::from_secs(13)), Some(13));
    }
}
