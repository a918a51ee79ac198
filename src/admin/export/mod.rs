//! Exporting history: bundles that verify without the ledger, and tables for spreadsheets. Piece by piece, so that the
//! largest ledger needs no more memory than the smallest.

mod bundle;
mod csv;
mod events;
#[cfg(test)]
mod tests;

use keyledger_events::store::proofs::StoredCheckpoint;
use keyledger_events::{LedgerError, Position, RecordedEvent};
use keyledger_proof::bundle::{Filter, WriteError};

use crate::admin::events::{UnknownType, known_type};
use crate::app::App;
use crate::proofs::{LogKey, ProofsError};
use bundle::Bundle;
use events::Events;

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Lines of JSON with proofs: a bundle that verifies without the ledger.
    Jsonl,
    /// A row an event, safe to open in a spreadsheet.
    Csv,
}

/// Why an export was not made, or breaks off.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A type that no event has.
    #[error(transparent)]
    UnknownType(#[from] UnknownType),
    /// The ledger does not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// There is no proof.
    #[error(transparent)]
    Proofs(#[from] ProofsError),
    /// A line cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// An event is not there.
    #[error("position {0} is missing from the ledger: it was changed from outside; run `keyledger audit verify`")]
    Missing(Position),
    /// The ledger is not the one that was signed.
    #[error("the events are not those of the checkpoint: run `keyledger audit verify`")]
    Changed,
}

/// An export that is being made.
pub struct Export {
    key: LogKey,
    events: Events,
    as_what: As,
    written: u64,
}

/// What is being written, and how far it has come.
enum As {
    Bundle(Box<Bundle>),
    Csv { begun: bool },
}

impl Export {
    /// Begins an export of the events that `checkpoint` is over.
    ///
    /// # Errors
    /// When a type is unknown or the ledger does not answer.
    pub async fn begin(
        app: &App,
        key: LogKey,
        format: Format,
        filter: Filter,
        checkpoint: StoredCheckpoint,
    ) -> Result<Self, ExportError> {
        filter.types.iter().try_for_each(|name| known_type(name).map(drop))?;
        let events = Events::begin(app, filter.clone(), &checkpoint).await?;
        let as_what = match format {
            Format::Jsonl => As::Bundle(Box::new(Bundle::new(app, checkpoint, filter))),
            Format::Csv => As::Csv { begun: false },
        };
        Ok(Self { key, events, as_what, written: 0 })
    }

    /// Events written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// The last position that was looked at.
    pub fn position(&self) -> Position {
        self.events.position()
    }

    /// The next piece; `None` when it is complete.
    ///
    /// # Errors
    /// When the ledger does not answer or was changed: what was written so far is not an export.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, ExportError> {
        let mut piece = Vec::new();
        while piece.is_empty() {
            match &mut self.as_what {
                As::Bundle(bundle) if !bundle.begun() => bundle.begin(&self.key, &mut piece)?,
                As::Csv { begun } if !*begun => {
                    csv::header(&mut piece);
                    *begun = true;
                }
                _ => match self.events.next().await? {
                    Some(events) => self.write(&events, &mut piece).await?,
                    None => match &mut self.as_what {
                        As::Bundle(bundle) if !bundle.ended() => bundle.end(&self.key, &mut piece)?,
                        _ => return Ok(None),
                    },
                },
            }
        }
        Ok(Some(piece))
    }

    async fn write(&mut self, events: &[RecordedEvent], piece: &mut Vec<u8>) -> Result<(), ExportError> {
        for event in events {
            match &mut self.as_what {
                As::Bundle(bundle) => bundle.event(event, piece).await?,
                As::Csv { .. } => csv::row(event, piece),
            }
            self.written += 1;
        }
        Ok(())
    }
}
