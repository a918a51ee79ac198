//! Verifying the ledger: every event's bytes are read and hashed again, and compared with everything that was
//! derived from them when they were written.

use std::collections::HashMap;

use keyledger_events::merkle::Frontier;
use keyledger_events::store::PAGE_EVENTS_MAX;
use keyledger_events::{LedgerError, Position, RecordedEvent, StreamId, TeamId, Timestamp};
use serde::Serialize;

use crate::app::App;

/// What verification came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// Events that were read.
    pub events: i64,
    /// The last position of the ledger.
    pub head: Position,
    /// Hex of the Merkle tree's root over the events that were read (RFC 6962).
    pub root: String,
    /// Whether everything fits.
    pub ok: bool,
    /// The first bad position.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bad_position: Option<Position>,
    /// What is wrong there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The ledger as read so far.
#[derive(Default)]
struct Walk {
    frontier: Frontier,
    position: Position,
    recorded_at: Option<Timestamp>,
    versions: HashMap<(TeamId, StreamId), i64>,
}

impl Walk {
    /// Checks the next event against itself and everything before it.
    fn step(&mut self, event: &RecordedEvent) -> Result<(), String> {
        let expected = self.position.next();
        if event.position != expected {
            return Err(format!("the event is missing; the next one stored is {}", event.position));
        }
        event.check_hash().map_err(|error| error.to_string())?;
        let version = self.versions.entry((event.team, event.stream)).or_default();
        *version += 1;
        if event.stream_version != *version {
            let stream = event.stream;
            return Err(format!("{stream} continues with version {} instead of {version}", event.stream_version));
        }
        if self.recorded_at.is_some_and(|before| event.recorded_at < before) {
            return Err("the time of record goes back".to_owned());
        }
        event.decode().map_err(|error| error.to_string())?;
        self.position = event.position;
        self.recorded_at = Some(event.recorded_at);
        self.frontier.push(event.leaf_hash);
        Ok(())
    }
}

/// Reads the whole ledger up to its present head. `progress` learns of every page.
///
/// # Errors
/// When the ledger does not answer. What is wrong with its contents is an answer.
pub async fn verify(app: &App, mut progress: impl FnMut(Position, Position)) -> Result<Verified, LedgerError> {
    let head = app.ledger.head().await?;
    let mut walk = Walk::default();
    while walk.position < head.position {
        let page = match app.ledger.read(walk.position, PAGE_EVENTS_MAX).await {
            Ok(page) => page,
            Err(LedgerError::Corrupt { position, column, value }) => {
                let problem = format!("the {column} is not one that keyledger writes: {value}");
                return Ok(bad(&walk, head.position, Position(position), problem));
            }
            Err(error) => return Err(error),
        };
        if page.is_empty() {
            let problem = "the event is missing, and nothing is stored after it".to_owned();
            return Ok(bad(&walk, head.position, walk.position.next(), problem));
        }
        for event in page.iter().filter(|event| event.position <= head.position) {
            let at = walk.position.next();
            if let Err(problem) = walk.step(event) {
                return Ok(bad(&walk, head.position, at, problem));
            }
        }
        progress(walk.position, head.position);
    }
    if walk.frontier != head.frontier {
        let problem = "the Merkle tree of the head row does not fit the events".to_owned();
        return Ok(bad(&walk, head.position, head.position, problem));
    }
    Ok(Verified { ok: true, bad_position: None, problem: None, ..summary(&walk, head.position) })
}

fn summary(walk: &Walk, head: Position) -> Verified {
    let root = walk.frontier.root().iter().map(|byte| format!("{byte:02x}")).collect();
    Verified { events: walk.position.0, head, root, ok: false, bad_position: None, problem: None }
}

fn bad(walk: &Walk, head: Position, position: Position, problem: String) -> Verified {
    Verified { bad_position: Some(position), problem: Some(problem), ..summary(walk, head) }
}
