//! Verifying the ledger: every event's bytes are read and hashed again, and compared with everything that was derived
//! from them when they were written, with every checkpoint that was signed over them, and with checkpoints that were
//! kept elsewhere.

mod claims;
mod keep;
mod kept;
#[cfg(test)]
mod tests;
mod tiles;
mod walk;

use std::time::Instant;

use futures::stream::{self, StreamExt as _};
use keyledger_events::store::SharedProofStore;
use keyledger_events::store::proofs::{Checked, Edges};
use keyledger_events::{LedgerError, Position};
use keyledger_proof::VerifierKey;
use serde::Serialize;

pub use keep::{Keep, KeepError, keep};
pub use kept::{KeptError, KeptNote, load};

use crate::app::App;
use claims::Claims;
use walk::Walk;

/// Events of one read: enough to make the read cheap, few enough to share the work between cores.
const PAGE_EVENTS: i64 = 250;
/// Reads under way at once; as many as there are connections that read.
const PAGES_AT_ONCE: usize = 4;

/// What verification came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// Events that were read and are as they were written.
    pub events: i64,
    /// The last position of the ledger.
    pub head: Position,
    /// Hex of the Merkle tree's root over the events that were read (RFC 6962).
    pub root: String,
    /// Whether everything fits.
    pub ok: bool,
    /// Stored checkpoints that agree.
    pub checkpoints: u64,
    /// Checkpoints kept elsewhere that agree.
    pub kept: u64,
    /// How long it took.
    pub seconds: f64,
    /// How many events were read and checked in a second.
    pub events_per_second: f64,
    /// The first bad position.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bad_position: Option<Position>,
    /// What is wrong there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Problem {
    position: i64,
    what: String,
}

impl Problem {
    fn new(position: i64, what: impl Into<String>) -> Self {
        Self { position, what: what.into() }
    }
}

/// Why verification was not done, or stopped.
enum Stopped {
    Found(Problem),
    Ledger(LedgerError),
}

impl From<Problem> for Stopped {
    fn from(problem: Problem) -> Self {
        Self::Found(problem)
    }
}

impl From<LedgerError> for Stopped {
    fn from(error: LedgerError) -> Self {
        match error {
            // A value that we do not write is an answer, too.
            LedgerError::Corrupt { position, column, value } => {
                Self::Found(Problem::new(position, format!("its {column} is not one that keyledger writes: {value}")))
            }
            error => Self::Ledger(error),
        }
    }
}

/// Reads the whole ledger up to its present head. `key` is the log's; `kept` are its checkpoints from elsewhere.
/// `progress` learns of every page: events read, and how many there are.
///
/// # Errors
/// When the ledger does not answer. What is wrong with its contents is an answer.
pub async fn verify(
    app: &App,
    key: &VerifierKey,
    kept: Vec<KeptNote>,
    progress: impl FnMut(i64, i64),
) -> Result<Verified, LedgerError> {
    let begun = Instant::now();
    let mut walk = Walk::default();
    let mut claims = Claims::new(app.proofs.clone(), key, kept);
    // In this order: a checkpoint that is read before the head is never over more than the head.
    let newest = claims.begin().await;
    let edges = app.proofs.edges().await?;
    let head = edges.head.as_ref().map_or(edges.last.unwrap_or(0), |head| head.position);
    let stopped = match newest {
        Ok(()) => everything(&app.proofs, &edges, head, &mut walk, &mut claims, progress).await.err(),
        Err(error) => Some(error.into()),
    };
    let problem = match stopped {
        None => None,
        Some(Stopped::Found(problem)) => Some(problem),
        Some(Stopped::Ledger(error)) => return Err(error),
    };
    let (seconds, events) = (begun.elapsed().as_secs_f64(), walk.position());
    let (checkpoints, kept) = claims.agreed();
    Ok(Verified {
        events,
        head: Position(head),
        root: hex::encode(walk.root()),
        ok: problem.is_none(),
        checkpoints,
        kept,
        seconds,
        events_per_second: as_f64(events) / seconds.max(1e-9),
        bad_position: problem.as_ref().map(|problem| Position(problem.position)),
        problem: problem.map(|problem| problem.what),
    })
}

/// Stops at the first thing that is not as it was written.
async fn everything(
    proofs: &SharedProofStore,
    edges: &Edges,
    head: i64,
    walk: &mut Walk,
    claims: &mut Claims,
    mut progress: impl FnMut(i64, i64),
) -> Result<(), Stopped> {
    if let Some(first) = edges.first.filter(|first| *first < 1) {
        return Err(Problem::new(first, "the event stands before position 1, where the ledger begins").into());
    }
    // The head row is not believed: there is nothing to read behind the last event.
    let end = head.min(edges.last.unwrap_or(0));
    let starts = (0..end).step_by(usize::try_from(PAGE_EVENTS).unwrap_or(1));
    let pages = stream::iter(starts).map(|after| {
        let (proofs, until) = (proofs.clone(), after.saturating_add(PAGE_EVENTS).min(end));
        let page = async move { proofs.check_events(Position(after), Position(until)).await };
        let page = tokio::spawn(page);
        async move { page.await.unwrap_or_else(|stopped| Err(sqlx::Error::Io(std::io::Error::other(stopped)).into())) }
    });
    let mut pages = pages.buffered(PAGES_AT_ONCE);
    while let Some(page) = pages.next().await {
        let page: Vec<Checked> = page?;
        if page.is_empty() {
            // An event far behind the others must not be looked for page by page.
            return Err(Problem::new(walk.position() + 1, "the event is missing, and many after it").into());
        }
        claims.read_until(walk.position() + PAGE_EVENTS).await?;
        for checked in &page {
            walk.step(checked)?;
            claims.compare(walk)?;
        }
        progress(walk.position(), end);
    }
    walk.end(edges, head)?;
    claims.end(head)?;
    tiles::check(proofs, walk.take_tiles(), head).await
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people; counts beyond 2^53 are out of reach")]
fn as_f64(number: i64) -> f64 {
    number as f64
}
