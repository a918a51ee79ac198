//! How a rebuild comes along.

use std::time::Instant;

use keyledger_events::Position;
use serde::Serialize;

/// What a rebuild tells after every batch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Progress {
    /// The last event applied.
    pub position: Position,
    /// Where it is going.
    pub head: Position,
    /// Its rate so far.
    pub events_per_second: f64,
    /// How long it will take at that rate; `None` before there is a rate.
    pub seconds_left: Option<f64>,
}

/// Measures a rebuild.
#[derive(Debug)]
pub(super) struct Meter {
    from: Position,
    began: Instant,
}

impl Meter {
    pub(super) fn begin(from: Position) -> Self {
        Self { from, began: Instant::now() }
    }

    pub(super) fn progress(&self, position: Position, head: Position) -> Progress {
        let head = head.max(position);
        let seconds = self.seconds();
        let events_per_second = if seconds > 0.0 { events(self.from, position) / seconds } else { 0.0 };
        let left = events(position, head);
        let seconds_left = (events_per_second > 0.0).then(|| left / events_per_second);
        Progress { position, head, events_per_second, seconds_left }
    }

    /// The seconds it took so far.
    pub(super) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people; positions stay far below 2^52")]
fn events(from: Position, to: Position) -> f64 {
    (to.0 - from.0) as f64
}
