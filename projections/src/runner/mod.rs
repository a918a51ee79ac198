//! The runner: keeps every view up with the ledger.
//!
//! One task per process reads each page of events once, decodes it once and applies it to all live views in one
//! transaction. A view that fails stands still at its event and keeps serving; the others go on. On SQLite and on
//! PostgreSQL other processes may be at the same work: checkpoints are read again inside the transaction.

mod advance;
mod batch;
mod catch_up;
mod ensure;
mod pass;
mod report;
mod standing;
mod status;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use keyledger_events::{LedgerError, Position, SharedClock, SharedLedger, spawn_on_own_thread};
use tokio::sync::{Mutex, Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::bookkeeping::{Build, Fault};
use crate::db::ViewStore;
use crate::error::QueryError;
use crate::projection::Projection;
use crate::view;

pub(crate) use advance::apply;
pub(crate) use batch::Batch;

pub use catch_up::CatchUpError;
pub use report::{FaultReport, FaultedEvent, ViewReport};
pub use standing::Standstill;
pub use status::{RunnerStatus, ViewProgress};

use standing::Standing;

/// How often the ledger is looked at when nobody wakes the runner: other processes append too.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// How long events may gather before views follow them, unless somebody waits for the views: what many events change in
/// one place is written once, and each transaction over all views costs the same however little it brings.
const GATHER: Duration = Duration::from_millis(15);
/// And the longer, the more there is to do: a pass is followed by a rest of so many times its length, up to the poll. So a
/// flood of deliveries is taken in and answered first.
const GATHER_PASSES: u32 = 2;
/// How long to leave the views to another node that is at work on them.
const CONTENDED_PAUSE: Duration = Duration::from_millis(5);
/// The first pause after a database error; it doubles up to the last.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_LAST: Duration = Duration::from_secs(5);

/// How long a pass may take on PostgreSQL, whose connections may die without a word. After one that took longer the next
/// may take twice as long …
const PASS_MAX: Duration = Duration::from_secs(15);
/// … so often at most.
const PASS_DOUBLINGS_MAX: u32 = 6;

/// Why a pass could not be made. Trying again may help.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The views cannot be read or written.
    #[error(transparent)]
    Views(#[from] QueryError),
}

impl From<sqlx::Error> for RunnerError {
    fn from(error: sqlx::Error) -> Self {
        Self::Views(error.into())
    }
}

/// What a pass found and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassOutcome {
    /// The end of the ledger when the pass began.
    pub head: Position,
    /// Whether all views that are not faulted are there.
    pub caught_up: bool,
    /// Whether another node is at work on views that are not.
    pub contended: bool,
}

/// Keeps views up with the ledger. Clones are one runner.
#[derive(Clone)]
pub struct Runner {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) ledger: SharedLedger,
    pub(crate) views: ViewStore,
    pub(crate) clock: SharedClock,
    pub(crate) projections: Vec<Arc<dyn Projection>>,
    status: watch::Sender<RunnerStatus>,
    /// Whether the builds of this release were made and compared with the ledger.
    ensured: AtomicBool,
    /// Views that came to an event which only a newer release can read, by name.
    stuck: std::sync::Mutex<HashMap<String, Fault>>,
    /// One pass at a time in this process.
    pass: Mutex<()>,
    /// Passes, one after the other, that took too long.
    cut_off: AtomicU32,
    /// Since when views stand that do not follow the ledger.
    standing: std::sync::Mutex<Standing>,
    /// Background tasks at work.
    tasks: AtomicUsize,
    /// Somebody waits for the views.
    nudge: Notify,
}

impl Runner {
    /// A runner over all views of this release.
    pub fn new(ledger: SharedLedger, views: ViewStore, clock: SharedClock) -> Self {
        Self::with_projections(ledger, views, clock, view::projections())
    }

    /// A runner over chosen views.
    pub fn with_projections(
        ledger: SharedLedger,
        views: ViewStore,
        clock: SharedClock,
        projections: Vec<Arc<dyn Projection>>,
    ) -> Self {
        let inner = Inner {
            ledger,
            views,
            clock,
            projections,
            status: watch::Sender::new(RunnerStatus::default()),
            ensured: AtomicBool::new(false),
            stuck: std::sync::Mutex::default(),
            pass: Mutex::new(()),
            cut_off: AtomicU32::new(0),
            standing: std::sync::Mutex::default(),
            tasks: AtomicUsize::new(0),
            nudge: Notify::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// How far each view is, as of the last pass.
    pub fn status(&self) -> watch::Receiver<RunnerStatus> {
        self.inner.status.subscribe()
    }

    /// Begins to work, as [`Runner::run`], on SQLite on a thread of its own.
    pub fn start(
        &self,
        wake: watch::Receiver<Position>,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<()> {
        let runner = self.clone();
        if self.inner.views.is_postgres() {
            tokio::spawn(async move { runner.run(wake, shutdown).await })
        } else {
            spawn_on_own_thread(async move { runner.work(wake, shutdown, At::TheSpot).await })
        }
    }

    /// Works until `shutdown`. `wake` carries the position of what this process appended; the ledger is polled as
    /// well. A database that fails is tried again for as long as it takes.
    pub async fn run(&self, wake: watch::Receiver<Position>, shutdown: impl Future<Output = ()> + Send) {
        self.work(wake, shutdown, At::TheStore).await;
    }

    async fn work(&self, mut wake: watch::Receiver<Position>, shutdown: impl Future<Output = ()> + Send, at: At) {
        let _at_work = AtWork::begin(&self.inner);
        tokio::pin!(shutdown);
        let mut backoff = BACKOFF_FIRST;
        loop {
            let begun = Instant::now();
            let pass = tokio::select! {
                pass = self.pass_at(at) => pass,
                () = &mut shutdown => return,
            };
            let pause = match pass {
                Ok(outcome) if outcome.caught_up => POLL_INTERVAL,
                Ok(outcome) if outcome.contended => CONTENDED_PAUSE,
                Ok(_) => Duration::ZERO,
                Err(_) => backoff,
            };
            match pass {
                Ok(_) => backoff = BACKOFF_FIRST,
                Err(error) => {
                    tracing::warn!(%error, retry_ms = backoff.as_millis(), "views cannot follow the ledger for now");
                    // The first one may be of the moment.
                    if backoff > BACKOFF_FIRST {
                        self.inner.status.send_modify(|status| status.failure = Some(error.to_string()));
                    }
                    backoff = (backoff * 2).min(BACKOFF_LAST);
                }
            }
            let idle = pause == POLL_INTERVAL;
            let rest = GATHER.max(begun.elapsed() * GATHER_PASSES);
            let gathered = async {
                // A Writer that is gone wakes nobody any more; polling goes on.
                match wake.changed().await {
                    Ok(()) => tokio::time::sleep(rest).await,
                    Err(_) => std::future::pending().await,
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = gathered, if idle => {}
                () = self.inner.nudge.notified(), if idle => {}
                () = &mut shutdown => return,
            }
        }
    }

    /// One pass: at most one page of events, for the views that are behind.
    ///
    /// # Errors
    /// When ledger or views cannot be reached; nothing was done then.
    pub async fn pass_once(&self) -> Result<PassOutcome, RunnerError> {
        self.pass_at(At::TheStore).await
    }

    async fn pass_at(&self, at: At) -> Result<PassOutcome, RunnerError> {
        let _one_at_a_time = self.inner.pass.lock().await;
        self.inner.ensure_once().await?;
        if !self.inner.views.is_postgres() {
            return self.inner.pass(at).await;
        }
        let longest = PASS_MAX * (1 << self.inner.cut_off.load(Ordering::SeqCst).min(PASS_DOUBLINGS_MAX));
        if let Ok(pass) = tokio::time::timeout(longest, self.inner.pass(at)).await {
            self.inner.cut_off.store(0, Ordering::SeqCst);
            return pass;
        }
        // What is dropped in the middle of a transaction closes its connection.
        self.inner.cut_off.fetch_add(1, Ordering::SeqCst);
        let silent = format!("a pass over the views has come to no end within {} s", longest.as_secs());
        Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, silent)).into())
    }
}

/// Where a pass's statements run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// On SQLite on the thread that asks, which must have nothing else to do.
    TheSpot,
    /// Wherever the store runs them, while the thread that asks does other things.
    TheStore,
}

/// Counts a background task for as long as it runs, however it ends.
struct AtWork<'a>(&'a Inner);

impl<'a> AtWork<'a> {
    fn begin(inner: &'a Inner) -> Self {
        inner.tasks.fetch_add(1, Ordering::SeqCst);
        Self(inner)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.tasks.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Inner {
    fn projection_of(&self, build: &Build) -> Option<&Arc<dyn Projection>> {
        self.projections
            .iter()
            .find(|projection| projection.name() == build.name && i64::from(projection.version()) == build.code_version)
    }
}
