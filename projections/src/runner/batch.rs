//! A page of events, decoded once for all views.

use std::sync::Arc;

use keyledger_events::event::DecodeError;
use keyledger_events::id::StreamKind;
use keyledger_events::merkle::Hash;
use keyledger_events::{Position, RecordedEvent};

use crate::bookkeeping::Fault;
use crate::projection::{Decoded, Projection};

/// A place in the ledger that a view can be at.
pub(crate) type Checkpoint = (Position, Hash);

/// A page of events, decoded as far as any view wants it.
pub(crate) struct Batch {
    checkpoints: Vec<Checkpoint>,
    decoded: Vec<Decoded>,
    undecodable: Vec<Undecodable>,
}

/// An event that this release cannot read.
pub(crate) struct Undecodable {
    pub(crate) fault: Fault,
    /// Whether a newer release can read it; then only this process stands still.
    pub(crate) newer: bool,
    kind: StreamKind,
}

impl Batch {
    /// Decodes what concerns any of `projections`.
    pub(crate) fn decode(events: Vec<RecordedEvent>, projections: &[Arc<dyn Projection>]) -> Self {
        let checkpoints = events.iter().map(|event| (event.position, event.leaf_hash)).collect();
        let mut batch = Self { checkpoints, decoded: Vec::new(), undecodable: Vec::new() };
        for recorded in events {
            let kind = recorded.stream.kind;
            if !projections.iter().any(|projection| projection.concerns(kind)) {
                continue;
            }
            match recorded.decode() {
                Ok(event) => batch.decoded.push((recorded, event)),
                Err(error) => {
                    let newer = !matches!(error, DecodeError::Payload { .. });
                    let fault = Fault { position: recorded.position, message: error.to_string() };
                    batch.undecodable.push(Undecodable { fault, newer, kind });
                }
            }
        }
        batch
    }

    /// The first event after `after` that concerns the view and cannot be read.
    pub(crate) fn stop(&self, projection: &dyn Projection, after: Position) -> Option<&Undecodable> {
        self.undecodable.iter().find(|event| event.fault.position > after && projection.concerns(event.kind))
    }

    /// What concerns the view, after `after` and up to `last`.
    pub(crate) fn concerning(&self, projection: &dyn Projection, after: Position, last: Position) -> Vec<&Decoded> {
        let wanted = |item: &&Decoded| {
            let event = &item.0;
            event.position > after && event.position <= last && projection.concerns(event.stream.kind)
        };
        self.decoded.iter().filter(wanted).collect()
    }

    /// How many events the page has, whatever they are about.
    pub(crate) fn len(&self) -> usize {
        self.checkpoints.len()
    }

    /// The last event.
    pub(crate) fn last(&self) -> Option<Checkpoint> {
        self.checkpoints.last().copied()
    }

    /// The event at `position`, if the page has it.
    pub(crate) fn at(&self, position: Position) -> Option<Checkpoint> {
        let index = self.checkpoints.binary_search_by_key(&position, |(position, _)| *position).ok()?;
        self.checkpoints.get(index).copied()
    }
}
