//! How many licences stand how, kept for a moment: counting a million rows of an index takes a while, and no page waits
//! for that longer than a page may take.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyledger_events::{TeamId, Timestamp};
use keyledger_projections::{LicenseCounts, QueryError};
use moka::sync::Cache;

use crate::app::App;

/// How old counts may be before they are counted again, in seconds.
const FRESH_SECONDS: i64 = 10;
/// How long a page waits for counts: small ledgers answer at once, large ones show what was counted last.
const WAIT: Duration = Duration::from_millis(25);
/// Teams whose counts are kept.
const TEAMS_MAX: u64 = 1_000;

/// Counts by team. Clones share them.
#[derive(Clone)]
pub(super) struct CountsCache {
    known: Cache<TeamId, (LicenseCounts, Timestamp)>,
    under_way: Arc<Mutex<HashSet<TeamId>>>,
}

impl Default for CountsCache {
    fn default() -> Self {
        Self { known: Cache::builder().max_capacity(TEAMS_MAX).build(), under_way: Arc::default() }
    }
}

impl CountsCache {
    /// The counts of a team, as they were a moment ago; `None` while they are counted for the first time.
    pub(super) async fn of(&self, app: &App, team: TeamId) -> Option<LicenseCounts> {
        let now = app.clock.now();
        let known = self.known.get(&team);
        if let Some((counts, at)) = known
            && now.as_second() - at.as_second() < FRESH_SECONDS
        {
            return Some(counts);
        }
        let begun = self.lock().insert(team);
        if begun {
            let (cache, app) = (self.clone(), app.clone());
            let counting = tokio::spawn(async move {
                let counted = cache.count(&app, team, now).await;
                cache.lock().remove(&team);
                counted
            });
            if let Ok(Ok(Ok(counts))) = tokio::time::timeout(WAIT, counting).await {
                return Some(counts);
            }
        }
        known.map(|(counts, _)| counts)
    }

    async fn count(&self, app: &App, team: TeamId, now: Timestamp) -> Result<LicenseCounts, QueryError> {
        let counted = app.views.team(team).license_counts(now).await;
        match &counted {
            Ok(counts) => self.known.insert(team, (*counts, now)),
            Err(error) => tracing::warn!(%error, "licences could not be counted"),
        }
        counted
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<TeamId>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
