//! The events, one after the other: each against everything before it. Pure.

use std::collections::HashMap;

use keyledger_events::store::proofs::{Checked, CheckedEvent, Edges};
use keyledger_events::{StreamId, TeamId, Timestamp};
use keyledger_proof::merkle::{Frontier, Hash};
use keyledger_proof::tile::TILE_HEIGHT;

use super::Problem;

/// Hashes of tiles by level and index.
pub(super) type Tiles = HashMap<(u32, u64), Hash>;

/// The ledger as read so far.
#[derive(Default)]
pub(super) struct Walk {
    tree: Frontier,
    position: i64,
    recorded_at: Option<Timestamp>,
    /// How many events each stream has.
    streams: HashMap<(TeamId, StreamId), i64>,
    tiles: Tiles,
}

impl Walk {
    /// The last good event's position.
    pub(super) fn position(&self) -> i64 {
        self.position
    }

    /// When the last good event was recorded.
    pub(super) fn recorded_at(&self) -> Option<Timestamp> {
        self.recorded_at
    }

    /// The root over the good events.
    pub(super) fn root(&self) -> Hash {
        self.tree.root()
    }

    /// The tiles as the events make them.
    pub(super) fn take_tiles(&mut self) -> Tiles {
        std::mem::take(&mut self.tiles)
    }

    /// Takes the next event.
    pub(super) fn step(&mut self, checked: &Checked) -> Result<(), Problem> {
        let expected = self.position + 1;
        let found = match checked {
            Checked::Good(event) => event.position,
            Checked::Bad { position, .. } => *position,
        };
        if found != expected {
            return Err(Problem::new(expected, format!("the event is missing; the next one stored is {found}")));
        }
        match checked {
            Checked::Good(event) => self.follow(event),
            Checked::Bad { problem, .. } => Err(Problem::new(expected, problem.clone())),
        }
    }

    fn follow(&mut self, event: &CheckedEvent) -> Result<(), Problem> {
        let wrong = |what| Err(Problem::new(event.position, what));
        let version = self.streams.entry((event.team, event.stream)).or_default();
        if event.stream_version != *version + 1 {
            let (stream, found) = (event.stream, event.stream_version);
            return wrong(format!("{stream} continues with version {found} instead of {}", *version + 1));
        }
        if self.recorded_at.is_some_and(|before| event.recorded_at < before) {
            return wrong("the time of record goes back".to_owned());
        }
        *version = event.stream_version;
        self.position = event.position;
        self.recorded_at = Some(event.recorded_at);
        let (tiles, size) = (&mut self.tiles, event.position.unsigned_abs());
        self.tree.push_noting(event.leaf_hash, |height, hash| {
            if height % TILE_HEIGHT == 0 {
                tiles.insert((height / TILE_HEIGHT, (size >> height) - 1), *hash);
            }
        });
        Ok(())
    }

    /// Compares the head row with the events.
    pub(super) fn end(&self, edges: &Edges, head: i64) -> Result<(), Problem> {
        if head < 0 {
            return Err(Problem::new(1, format!("the ledger's end is {head} in the head row")));
        }
        if self.position < head {
            return Err(Problem::new(self.position + 1, "the event is missing, and nothing is stored after it"));
        }
        let Some(row) = &edges.head else {
            return Err(Problem::new(head, "the head row of the ledger is gone"));
        };
        if edges.last.is_some_and(|last| last > head) {
            let what = format!("the event stands behind the ledger's end, which is {head} in the head row");
            return Err(Problem::new(head + 1, what));
        }
        if row.frontier != self.tree.to_bytes() {
            return Err(Problem::new(head, "the Merkle tree of the head row does not fit the events"));
        }
        if let Some(mark) = &row.restoring {
            let what =
                format!("the head row says that the ledger is being restored, which it is not: {}", hex::encode(mark));
            return Err(Problem::new(head, what));
        }
        let recorded_at = self.recorded_at.map_or(0, Timestamp::as_microsecond);
        if row.recorded_at != recorded_at {
            return Err(Problem::new(head, "the time of the head row is not that of the last event"));
        }
        Ok(())
    }
}
