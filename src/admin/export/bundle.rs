//! An export as a bundle: every event proved against the checkpoint.

use keyledger_events::store::proofs::StoredCheckpoint;
use keyledger_events::{RecordedEvent, SharedClock};
use keyledger_proof::bundle::{BundleWriter, EventLine, Filter};
use keyledger_proof::{NoteSigner, check, path};

use super::ExportError;
use crate::app::App;
use crate::proofs::{ProofsError, Tree};

/// A bundle that is being written.
pub(super) struct Bundle {
    clock: SharedClock,
    checkpoint: StoredCheckpoint,
    filter: Filter,
    proofs: Proofs,
    writer: Writing,
}

/// How the events are proved.
enum Proofs {
    /// All of them together give the root.
    Whole,
    /// Each by itself.
    Each(Box<Tree>),
}

enum Writing {
    NotYet,
    Begun(BundleWriter),
    Ended,
}

impl Bundle {
    pub(super) fn new(app: &App, checkpoint: StoredCheckpoint, filter: Filter) -> Self {
        let proofs = if filter.is_everything() {
            Proofs::Whole
        } else {
            Proofs::Each(Box::new(Tree::new(app.proofs.clone(), checkpoint.size)))
        };
        Self { clock: app.clock.clone(), checkpoint, filter, proofs, writer: Writing::NotYet }
    }

    pub(super) fn begun(&self) -> bool {
        !matches!(self.writer, Writing::NotYet)
    }

    pub(super) fn ended(&self) -> bool {
        matches!(self.writer, Writing::Ended)
    }

    pub(super) fn begin(&mut self, key: &NoteSigner, out: &mut Vec<u8>) -> Result<(), ExportError> {
        let writer = BundleWriter::begin(key, &self.checkpoint.note, &self.filter, self.clock.now(), out)?;
        self.writer = Writing::Begun(writer);
        Ok(())
    }

    pub(super) async fn event(&mut self, event: &RecordedEvent, out: &mut Vec<u8>) -> Result<(), ExportError> {
        let StoredCheckpoint { size, root, .. } = self.checkpoint;
        let stream = event.stream.to_string();
        let line = EventLine::new(&event.leaf(&stream), event.occurred_at, event.recorded_at);
        let line = match &mut self.proofs {
            Proofs::Whole => line,
            Proofs::Each(tree) => {
                let index = event.position.0.unsigned_abs() - 1;
                let ranges = path::inclusion(index, size).ok_or(ProofsError::NotYet { position: index + 1, size })?;
                let path = tree.path(&ranges).await?;
                check::inclusion(&event.leaf_hash, index, size, &root, &path).map_err(ProofsError::from)?;
                line.proved_by(&path)
            }
        };
        if let Writing::Begun(writer) = &mut self.writer {
            writer.event(&line, out)?;
        }
        Ok(())
    }

    /// Ends it. That the events are those of the checkpoint is known by then.
    pub(super) fn end(&mut self, key: &NoteSigner, out: &mut Vec<u8>) -> Result<(), ExportError> {
        match std::mem::replace(&mut self.writer, Writing::Ended) {
            Writing::Begun(writer) => Ok(writer.end(key, out)?),
            Writing::NotYet | Writing::Ended => Ok(()),
        }
    }
}
