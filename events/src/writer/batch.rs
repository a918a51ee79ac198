//! The Writer's task: takes what has gathered, appends it in one transaction, answers.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::judge::Judge;
use super::refusal::is_refusal;
use super::{AppendOutcome, Observer, PreparedRequest, WriterError};
use crate::clock::SharedClock;
use crate::envelope::RecordedEvent;
use crate::id::Position;
use crate::keys::SharedKeyStore;
use crate::merkle::Hash;
use crate::store::{LedgerError, SharedLedger};

/// Requests of one batch at most.
const BATCH_REQUESTS_MAX: usize = 256;
/// Events of one batch at most; a request is never split.
const BATCH_EVENTS_MAX: usize = 2_048;
/// Payload bytes of one batch at most; a single request may be larger.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// Attempts to find out what became of a commit whose connection was lost.
const UNKNOWN_ATTEMPTS_MAX: u32 = 8;
/// No attempt begins later than so long after the commit: whoever waits for an answer hears that it is not known.
const UNKNOWN_WAIT_MAX: Duration = Duration::from_secs(15);
/// The pause before the first of these attempts; it doubles each time.
const UNKNOWN_PAUSE: Duration = Duration::from_millis(25);

/// A request and where its answer goes.
pub(super) struct Job {
    pub(super) request: PreparedRequest,
    pub(super) answer: oneshot::Sender<Result<AppendOutcome, WriterError>>,
}

impl Job {
    fn bytes(&self) -> usize {
        self.request.events.iter().map(|event| event.payload.len()).sum()
    }
}

/// The state of the task.
pub(super) struct Batcher {
    ledger: SharedLedger,
    keys: SharedKeyStore,
    clock: SharedClock,
    requests: mpsc::Receiver<Job>,
    announce: watch::Sender<Position>,
    observer: Arc<dyn Observer>,
    /// The request that did not fit into the batch before.
    held_back: Option<Job>,
}

impl Batcher {
    pub(super) fn new(
        ledger: SharedLedger,
        keys: SharedKeyStore,
        clock: SharedClock,
        requests: mpsc::Receiver<Job>,
        announce: watch::Sender<Position>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        Self { ledger, keys, clock, requests, announce, observer, held_back: None }
    }

    pub(super) async fn run(mut self) {
        while let Some(batch) = self.gather().await {
            self.commit(batch).await;
        }
    }

    /// At least one request, and what else is waiting, within the limits. No timer: under light load batches are
    /// small and fast, under heavy load they grow while the previous one commits.
    async fn gather(&mut self) -> Option<Vec<Job>> {
        let first = match self.held_back.take() {
            Some(job) => job,
            None => self.requests.recv().await?,
        };
        // Those whose answer has just gone out have a moment to ask again: they share this commit, not the next one.
        tokio::task::yield_now().await;
        let (mut events, mut bytes) = (first.request.events.len(), first.bytes());
        let mut batch = vec![first];
        while batch.len() < BATCH_REQUESTS_MAX {
            let Ok(job) = self.requests.try_recv() else { break };
            events += job.request.events.len();
            bytes += job.bytes();
            if events > BATCH_EVENTS_MAX || bytes > BATCH_BYTES_MAX {
                self.held_back = Some(job);
                break;
            }
            batch.push(job);
        }
        Some(batch)
    }

    /// Appends a batch. If the database refuses what it holds, each request is tried alone, once, so that a
    /// poisonous one fails by itself.
    async fn commit(&self, batch: Vec<Job>) {
        let (jobs, answers): (Vec<_>, Vec<_>) = batch.into_iter().map(|job| (job.request, job.answer)).unzip();
        let result = self.append(&jobs).await;
        if jobs.len() > 1 && matches!(&result, Err(Failure::Refused(_))) {
            for (request, answer) in jobs.iter().zip(answers) {
                let alone = self.append(std::slice::from_ref(request)).await;
                let _ = answer.send(alone.map(|outcomes| outcomes[0]).map_err(Failure::into_error));
            }
            return;
        }
        let result = result.map_err(Failure::into_error);
        for (index, answer) in answers.into_iter().enumerate() {
            // A caller that has gone away does not need its answer.
            let _ = answer.send(result.as_ref().map(|outcomes| outcomes[index]).map_err(Clone::clone));
        }
    }

    /// One outcome per request, in order. A commit whose fate is not known is settled before anything else happens.
    async fn append(&self, requests: &[PreparedRequest]) -> Result<Vec<AppendOutcome>, Failure> {
        let mut pause = UNKNOWN_PAUSE;
        let mut result = self.attempt(requests).await;
        let lost_at = Instant::now();
        for _ in 0..UNKNOWN_ATTEMPTS_MAX {
            let Err(Failure::Unknown(lost)) = &result else { break };
            if lost_at.elapsed() > UNKNOWN_WAIT_MAX {
                break;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
            match self.went_through(lost).await {
                Ok(true) => {
                    self.observer.committed(&lost.accepted);
                    self.announce.send_replace(lost.last);
                    return Ok(lost.outcomes.clone());
                }
                Ok(false) => result = self.attempt(requests).await,
                // The database is still out of reach.
                Err(_) => {}
            }
        }
        result
    }

    /// Whether a lost commit is in the ledger. Taking the head lock waits for the orphaned transaction, so what is
    /// stored then is the truth. The leaf hash tells our event from another node's at the same position. What is there
    /// may not have reached a standby yet that its commit waited for: it has when this look is settled.
    async fn went_through(&self, lost: &LostCommit) -> Result<bool, LedgerError> {
        let locked = self.ledger.begin_append().await?;
        let stored = self.ledger.read(lost.last.previous(), 1).await?;
        let is_ours = stored.first().is_some_and(|event| event.leaf_hash == lost.leaf_hash);
        if is_ours {
            locked.settle().await?;
        }
        Ok(is_ours)
    }

    async fn attempt(&self, requests: &[PreparedRequest]) -> Result<Vec<AppendOutcome>, Failure> {
        let mut tx = self.ledger.begin_append().await.map_err(Failure::store)?;
        let (streams, ids) = names(requests);
        let found = tx.look_up(&streams, &ids).await.map_err(Failure::refused_by_ledger)?;
        let mut judge = Judge::new(tx.head().clone(), found, self.clock.now());
        let outcomes: Vec<_> = requests.iter().map(|request| judge.judge(request)).collect();
        let Some(last) = judge.accepted.last() else {
            tx.roll_back().await;
            return Ok(outcomes);
        };
        let (last, leaf_hash) = (last.position, last.leaf_hash);
        let (keys, inserted) =
            tokio::join!(self.store_keys(requests, &outcomes), tx.insert(&judge.accepted, &judge.head));
        keys.map_err(Failure::refused_by_keys)?;
        inserted.map_err(Failure::refused_by_ledger)?;
        match tx.commit().await {
            Err(error @ LedgerError::CommitUnknown(_)) => {
                let error = Arc::new(error);
                return Err(Failure::Unknown(LostCommit {
                    error,
                    outcomes,
                    accepted: judge.accepted,
                    last,
                    leaf_hash,
                }));
            }
            committed => committed.map_err(Failure::store)?,
        }
        self.observer.committed(&judge.accepted);
        self.announce.send_replace(last);
        Ok(outcomes)
    }

    /// The keys of accepted requests are durable before the ledger commits what they seal.
    async fn store_keys(&self, requests: &[PreparedRequest], outcomes: &[AppendOutcome]) -> Result<(), sqlx::Error> {
        let accepted = || requests.iter().zip(outcomes).filter(|(_, o)| matches!(o, AppendOutcome::Appended { .. }));
        let keys: Vec<_> = accepted().flat_map(|(request, _)| request.keys.iter().cloned()).collect();
        let links: Vec<_> = accepted().flat_map(|(request, _)| request.links.iter().copied()).collect();
        if keys.is_empty() && links.is_empty() {
            return Ok(());
        }
        self.keys.insert(&keys, &links).await
    }
}

/// A commit whose connection was lost: what it would have been answered with, and how to recognise it.
struct LostCommit {
    error: Arc<LedgerError>,
    outcomes: Vec<AppendOutcome>,
    accepted: Vec<RecordedEvent>,
    last: Position,
    leaf_hash: Hash,
}

/// Why a batch got no outcomes.
enum Failure {
    /// The database said no to something that the batch holds, rather than being out of reach.
    Refused(WriterError),
    /// The batch may or may not be stored.
    Unknown(LostCommit),
    /// Nothing was appended, whatever the batch holds.
    Failed(WriterError),
}

impl Failure {
    fn store(error: LedgerError) -> Self {
        Self::Failed(WriterError::Store(Arc::new(error)))
    }

    fn refused_by_ledger(error: LedgerError) -> Self {
        match &error {
            LedgerError::Database(cause) if is_refusal(cause) => Self::Refused(WriterError::Store(Arc::new(error))),
            _ => Self::store(error),
        }
    }

    fn refused_by_keys(error: sqlx::Error) -> Self {
        let refused = is_refusal(&error);
        let error = WriterError::Keys(Arc::new(error));
        if refused { Self::Refused(error) } else { Self::Failed(error) }
    }

    fn into_error(self) -> WriterError {
        match self {
            Self::Refused(error) | Self::Failed(error) => error,
            Self::Unknown(lost) => WriterError::Unknown(lost.error),
        }
    }
}

fn names(requests: &[PreparedRequest]) -> (Vec<(crate::TeamId, crate::StreamId)>, Vec<uuid::Uuid>) {
    let mut streams: Vec<_> = requests
        .iter()
        .flat_map(|request| {
            let written = request.events.iter().map(|event| event.stream);
            let expected = request.expected.iter().map(|expected| expected.stream);
            written.chain(expected).map(|stream| (request.team, stream))
        })
        .collect();
    streams.sort_unstable();
    streams.dedup();
    (streams, requests.iter().flat_map(|request| request.events.iter().map(|event| event.event_id)).collect())
}
