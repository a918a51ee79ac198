//! Following the ledger: what other processes append makes what the cache knows out of date.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use keyledger_events::merkle::Hash;
use keyledger_events::store::PAGE_EVENTS_MAX;
use keyledger_events::{LedgerError, Position, SharedLedger};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::cache::LicenseCache;
use crate::stop::Stopping;

/// How often the ledger is asked for what others appended.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// How often at most it is looked at the ledger's end, where that is cheap: one who asks looks for all who ask meanwhile.
const GLANCE_INTERVAL: Duration = Duration::from_millis(1);
/// The pause after the ledger did not answer.
const FAILURE_PAUSE: Duration = Duration::from_millis(250);

/// How far the cache is.
#[derive(Debug, Clone, Copy)]
struct Progress {
    /// Every change up to here has reached the cache.
    position: Position,
    /// Of the event there.
    leaf_hash: Option<Hash>,
    /// When the ledger was asked last and answered.
    asked_at: Option<Instant>,
}

/// Keeps a cache up with the ledger. Clones are one follower.
#[derive(Clone)]
pub(super) struct Follower {
    ledger: SharedLedger,
    cache: LicenseCache,
    progress: Arc<watch::Sender<Progress>>,
    nudge: Arc<Notify>,
    /// The last position that anybody has told of.
    end: Arc<AtomicI64>,
    glances: Arc<Glances>,
}

/// When the ledger's end may be looked at next, in microseconds since there is a follower.
#[derive(Debug)]
struct Glances {
    begun: Instant,
    next_us: AtomicU64,
}

impl Glances {
    /// Whether it is time, and nobody else looks.
    fn is_due(&self) -> bool {
        let us = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let (now, next) = (us(self.begun.elapsed()), self.next_us.load(Ordering::Relaxed));
        let after = now.saturating_add(us(GLANCE_INTERVAL));
        now >= next && self.next_us.compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl Follower {
    pub(super) fn new(ledger: SharedLedger, cache: LicenseCache) -> Self {
        let begin = Progress { position: Position::START, leaf_hash: None, asked_at: None };
        let glances = Arc::new(Glances { begun: Instant::now(), next_us: AtomicU64::new(0) });
        let progress = Arc::new(watch::Sender::new(begin));
        Self { ledger, cache, progress, nudge: Arc::default(), end: Arc::default(), glances }
    }

    /// Whether something was appended that the cache has not heard of, as far as that is known without asking the ledger.
    pub(super) fn is_behind(&self) -> bool {
        if self.glances.is_due()
            && let Some(position) = self.ledger.glance()
        {
            self.heard(position);
        }
        self.cache.heard_to() < Position(self.end.load(Ordering::SeqCst))
    }

    fn heard(&self, position: Position) {
        self.end.fetch_max(position.0, Ordering::SeqCst);
    }

    /// The ledger was asked, and ends at `position`: what was heard of before, and is not there, was lost by a fail-over.
    fn ends_at(&self, position: Position, heard_before: i64) {
        if position.0 < heard_before {
            let _ = self.end.compare_exchange(heard_before, position.0, Ordering::SeqCst, Ordering::SeqCst);
        }
    }

    /// How long ago the cache was known to be up to date; `None` before the first time.
    pub(super) fn age(&self) -> Option<Duration> {
        self.progress.borrow().asked_at.map(|at| at.elapsed())
    }

    /// Waits until the cache has seen everything up to `position`, and was brought up to date after this call if it
    /// had not.
    pub(super) async fn reach(&self, position: Position, limit: Duration) -> bool {
        let mut progress = self.progress.subscribe();
        if progress.borrow().position >= position {
            return true;
        }
        self.nudge.notify_one();
        let reached = progress.wait_for(|progress| progress.position >= position);
        matches!(tokio::time::timeout(limit, reached).await, Ok(Ok(_)))
    }

    /// Waits until the ledger has been asked again.
    pub(super) async fn refreshed(&self, limit: Duration) -> bool {
        let since = Instant::now();
        let mut progress = self.progress.subscribe();
        self.nudge.notify_one();
        let asked = progress.wait_for(|progress| progress.asked_at.is_some_and(|at| at >= since));
        matches!(tokio::time::timeout(limit, asked).await, Ok(Ok(_)))
    }

    /// Follows until told to stop.
    pub(super) async fn run(self, stopping: Stopping) {
        tokio::select! {
            () = self.follow(stopping) => {}
            () = self.listen() => {}
        }
    }

    /// Hears of appends as soon as the store tells of them.
    async fn listen(&self) {
        loop {
            if let Err(error) = self.ledger.hear(&|position| self.heard(position)).await {
                tracing::debug!(%error, "the ledger does not tell of appends for now; it is asked for them");
            }
            tokio::time::sleep(FAILURE_PAUSE).await;
        }
    }

    async fn follow(&self, mut stopping: Stopping) {
        let mut begun = false;
        loop {
            let passed = if begun { self.pass().await } else { self.begin().await };
            let pause = match passed {
                Ok(more) => {
                    begun = true;
                    if more { Duration::ZERO } else { POLL_INTERVAL }
                }
                Err(error) => {
                    tracing::debug!(%error, "licences in memory cannot follow the ledger for now");
                    // Whoever answers next may never have had the last events that this process knows of.
                    begun = false;
                    FAILURE_PAUSE
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.nudge.notified() => {}
                () = stopping.requested() => return,
            }
        }
    }

    /// The cache may hold what was read before the following begins; from here on nothing is missed.
    pub(super) async fn begin(&self) -> Result<bool, LedgerError> {
        let asked_at = Instant::now();
        let heard_before = self.end.load(Ordering::SeqCst);
        // What is committed from here on is in the ledger that is read then.
        self.cache.clear();
        let position = self.ledger.head().await?.position;
        let last = self.ledger.changes(position.previous(), 1).await?.first().map(|last| last.leaf_hash);
        self.cache.clear();
        self.cache.hears_from(position);
        self.ends_at(position, heard_before);
        self.progress.send_replace(Progress { position, leaf_hash: last, asked_at: Some(asked_at) });
        Ok(false)
    }

    /// One page of changes; whether there may be more. It begins with the change that is known: where that is another one
    /// or gone, or what this process has committed since is, a fail-over has lost the ledger's last events, and what the
    /// cache knows may rest on them.
    pub(super) async fn pass(&self) -> Result<bool, LedgerError> {
        let asked_at = Instant::now();
        let (known, committed) = (*self.progress.borrow(), self.cache.last_committed());
        let heard_before = self.end.load(Ordering::SeqCst);
        let changes = self.ledger.changes(known.position.previous(), PAGE_EVENTS_MAX).await?;
        let more = u32::try_from(changes.len()).is_ok_and(|count| count >= PAGE_EVENTS_MAX);
        let is_there = |position: Position, leaf_hash: Option<Hash>| {
            let beyond = changes.last().is_none_or(|last| last.position < position);
            // Behind a full page it may still come.
            if beyond {
                more
            } else {
                changes.iter().any(|it| it.position == position && Some(it.leaf_hash) == leaf_hash)
            }
        };
        let knows = known.position == Position::START || is_there(known.position, known.leaf_hash);
        let has = committed.is_none_or(|(at, leaf_hash)| at <= known.position || is_there(at, Some(leaf_hash)));
        if !knows || !has {
            tracing::warn!(position = known.position.0, "the ledger has lost its last events; licences are read anew");
            return self.begin().await;
        }
        for change in &changes {
            self.cache.moved(change);
        }
        let (position, leaf_hash) =
            changes.last().map_or((known.position, known.leaf_hash), |last| (last.position, Some(last.leaf_hash)));
        self.cache.has_heard_to(position);
        if !more {
            self.ends_at(position, heard_before);
        }
        let asked_at = if more { known.asked_at } else { Some(asked_at) };
        self.progress.send_replace(Progress { position, leaf_hash, asked_at });
        Ok(more)
    }
}
