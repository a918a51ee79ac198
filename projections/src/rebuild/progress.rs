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

/// Measures a rebuild and tells about it.
pub(super) struct Meter<'a, F> {
    from: Position,
    head: Position,
    began: Instant,
    progress: &'a mut F,
}

impl<'a, F: FnMut(Progress) + Send> Meter<'a, F> {
    pub(super) fn begin(from: Position, progress: &'a mut F) -> Self {
        Self { from, head: from, began: Instant::now(), progress }
    }

    pub(super) fn tell(&mut self, position: Position, head: Position) {
        self.head = head.max(position);
        let seconds = self.began.elapsed().as_secs_f64();
        let events_per_second = if seconds > 0.0 { events(self.from, position) / seconds } else { 0.0 };
        let left = events(position, self.head);
        let seconds_left = (events_per_second > 0.0).then(|| left / events_per_second);
        (self.progress)(Progress { position, head: self.head, events_per_second, seconds_left });
    }

    /// Tells a last time; the seconds it took.
    pub(super) fn finish(&mut self, position: Position) -> f64 {
        self.tell(position, position);
        self.began.elapsed().as_secs_f64()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people; positions stay far below 2^52")]
fn events(from: Position, to: Position) -> f64 {
    (to.0 - from.0) as f64
}
