//! The Writer: the only door into the ledger.
//!
//! One task per process owns the append side. Callers send an [`AppendRequest`] over a bounded channel and await
//! its [`AppendOutcome`]; while one batch commits the next one forms, so the number of commits follows the disk
//! and not the number of callers. A request is atomic over all its streams; one bad request never fails its
//! neighbours. A caller that stops waiting does not cancel what it asked for.

mod batch;
mod judge;
mod refusal;
mod restore;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::clock::SharedClock;
use crate::envelope::{NewEvent, Provenance, RecordedEvent};
use crate::id::{Position, StreamId, TeamId};
use crate::keys::{KeyLink, SharedKeyStore, WrappedKey};
use crate::own_thread::spawn_on_own_thread;
use crate::store::{LedgerError, SharedLedger};
use batch::{Batcher, Job};
use judge::PreparedEvent;

pub use restore::{RESTORE_BATCH_EVENTS_MAX, Restore, RestoreError};

/// Requests that may wait for their batch.
const QUEUE_REQUESTS_MAX: usize = 1_024;
/// How long a caller waits for a place in a full queue.
const QUEUE_WAIT_MAX: Duration = Duration::from_secs(5);
/// Events of one request at most: a purchase of 1,000 units with its facts, mail and conclusion.
pub const REQUEST_EVENTS_MAX: usize = 2_048;

/// The version that a stream must have for a decision to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// The stream, written to or only read.
    pub stream: StreamId,
    /// Its version when the decision was made; 0 when there was none.
    pub version: i64,
}

/// Events to append, all or none.
#[derive(Debug, Clone)]
pub struct AppendRequest {
    /// Whose streams.
    pub team: TeamId,
    /// Who did it and because of what.
    pub provenance: Provenance,
    /// The versions the decision rests on. A stream that is not named here may have any version.
    pub expected: Vec<Expected>,
    /// What happened, in order.
    pub events: Vec<NewEvent>,
    /// New data keys that seal something in the events; made durable before the events are.
    pub keys: Vec<WrappedKey>,
    /// New links between deliveries' keys and customers.
    pub links: Vec<KeyLink>,
}

impl AppendRequest {
    /// A request that expects nothing and appends nothing yet.
    pub fn new(team: TeamId, provenance: Provenance) -> Self {
        Self { team, provenance, expected: Vec::new(), events: Vec::new(), keys: Vec::new(), links: Vec::new() }
    }

    /// Adds an expectation.
    #[must_use]
    pub fn expect(mut self, stream: StreamId, version: i64) -> Self {
        self.expected.push(Expected { stream, version });
        self
    }

    /// Adds an event.
    #[must_use]
    pub fn event(mut self, event: NewEvent) -> Self {
        self.events.push(event);
        self
    }
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum AppendOutcome {
    /// The events are durable.
    Appended {
        /// The position of the request's last event.
        last: Position,
    },
    /// An event of the request is in the ledger already; nothing was appended.
    AlreadyApplied {
        /// Where it stands; of several, the last in the request.
        position: Position,
    },
    /// A stream has moved on since the decision was made; nothing was appended.
    Conflict {
        /// The stream.
        stream: StreamId,
        /// The version it has.
        actual: i64,
    },
}

/// Why a request got no outcome.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriterError {
    /// The queue stayed full for five seconds.
    #[error("the ledger is busy: its queue stayed full for {} s; try again", QUEUE_WAIT_MAX.as_secs())]
    Busy,
    /// The process is shutting down.
    #[error("the ledger is closing; try again")]
    Closed,
    /// The store could not do it. Nothing was appended.
    #[error("{0}")]
    Store(Arc<LedgerError>),
    /// The keys store could not do it. Nothing was appended.
    #[error("the keys store: {0}")]
    Keys(Arc<sqlx::Error>),
    /// The connection was lost while committing and did not come back in time to look.
    #[error("whether the events are stored is not known: {0}")]
    Unknown(Arc<LedgerError>),
    /// A payload has no JSON form.
    #[error("an event cannot be encoded: {0}")]
    Encode(Arc<serde_json::Error>),
    /// The request has more events than a batch takes, or none.
    #[error("a request has {0} events; 1 to {REQUEST_EVENTS_MAX} can be appended at once")]
    Size(usize),
}

/// Somebody who must know what this process committed no later than its callers: a cache that would otherwise
/// answer from before a change that its own process made.
pub trait Observer: Send + Sync + 'static {
    /// These events are durable. Called on the Writer's task: it must be quick.
    fn committed(&self, events: &[RecordedEvent]);
}

struct Nobody;

impl Observer for Nobody {
    fn committed(&self, _: &[RecordedEvent]) {}
}

/// A handle on the Writer's task. Clones share it.
#[derive(Clone)]
pub struct Writer {
    queue: mpsc::Sender<Job>,
    head: watch::Receiver<Position>,
}

impl Writer {
    /// Starts the task. It ends, after committing what is queued, when the last handle is dropped.
    pub fn start(ledger: SharedLedger, keys: SharedKeyStore, clock: SharedClock) -> (Self, JoinHandle<()>) {
        Self::start_observed(ledger, keys, clock, Arc::new(Nobody))
    }

    /// As [`Writer::start`], with somebody who hears of every commit before its callers do.
    pub fn start_observed(
        ledger: SharedLedger,
        keys: SharedKeyStore,
        clock: SharedClock,
        observer: Arc<dyn Observer>,
    ) -> (Self, JoinHandle<()>) {
        let (queue, requests) = mpsc::channel(QUEUE_REQUESTS_MAX);
        let (announce, head) = watch::channel(Position::START);
        let on_the_spot = ledger.appends_on_the_spot();
        let batcher = Batcher::new(ledger, keys, clock, requests, announce, observer);
        let task = if on_the_spot { spawn_on_own_thread(batcher.run()) } else { tokio::spawn(batcher.run()) };
        (Self { queue, head }, task)
    }

    /// The position of this process's latest commit; [`Position::START`] before its first.
    pub fn commits(&self) -> watch::Receiver<Position> {
        self.head.clone()
    }

    /// Appends, and answers when it is durable.
    ///
    /// # Errors
    /// When the ledger is busy, closing or broken. A conflict and a repeat are outcomes, not errors.
    pub async fn append(&self, request: AppendRequest) -> Result<AppendOutcome, WriterError> {
        let (answer, outcome) = oneshot::channel();
        let job = Job { request: prepare(request)?, answer };
        self.queue.send_timeout(job, QUEUE_WAIT_MAX).await.map_err(|error| match error {
            mpsc::error::SendTimeoutError::Timeout(_) => WriterError::Busy,
            mpsc::error::SendTimeoutError::Closed(_) => WriterError::Closed,
        })?;
        outcome.await.unwrap_or(Err(WriterError::Closed))
    }
}

/// A request whose payloads are encoded, which is done by the caller so that the Writer's task need not.
pub(crate) struct PreparedRequest {
    pub(crate) team: TeamId,
    pub(crate) provenance: Provenance,
    pub(crate) expected: Vec<Expected>,
    pub(crate) events: Vec<PreparedEvent>,
    pub(crate) keys: Vec<WrappedKey>,
    pub(crate) links: Vec<KeyLink>,
}

fn prepare(request: AppendRequest) -> Result<PreparedRequest, WriterError> {
    if request.events.is_empty() || request.events.len() > REQUEST_EVENTS_MAX {
        return Err(WriterError::Size(request.events.len()));
    }
    let events = request.events.into_iter().map(PreparedEvent::encode).collect::<Result<_, _>>();
    Ok(PreparedRequest {
        team: request.team,
        provenance: request.provenance,
        expected: request.expected,
        events: events.map_err(|error| WriterError::Encode(Arc::new(error)))?,
        keys: request.keys,
        links: request.links,
    })
}
