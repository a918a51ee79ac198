//! Signed checkpoints, to keep elsewhere: whoever has an old one can tell whether history was rewritten since.

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse as _;

use super::super::page::Answer;
use super::super::problem::Problem;
use super::super::viewer::Viewer;
use super::super::when::When;
use crate::app::App;
use crate::http::Front;

/// Checkpoints that are listed: the latest ones.
const LISTED: u32 = 20;

/// A checkpoint as pages show it.
pub(super) struct Checkpoint {
    /// Events that it is over.
    pub(super) size: u64,
    /// Hex of the tree's root.
    pub(super) root: String,
    /// When it was signed.
    pub(super) signed: When,
}

/// The latest checkpoints, the newest first.
///
/// # Errors
/// When the ledger does not answer.
pub(super) async fn newest(app: &App) -> Result<Vec<Checkpoint>, Problem> {
    let stored = app.proofs.newest_checkpoints(LISTED).await?;
    let shown = |checkpoint: keyledger_events::store::proofs::StoredCheckpoint| Checkpoint {
        size: checkpoint.size,
        root: hex::encode(checkpoint.root),
        signed: When(checkpoint.signed_at),
    };
    Ok(stored.into_iter().map(shown).collect())
}

/// `GET …/audit/checkpoints/{size}`: the signed note, as a file.
pub(super) async fn note(_: Viewer, State(front): State<Front>, Path((_, size)): Path<(String, String)>) -> Answer {
    let none = || Problem::not_found(format!("No checkpoint is over {size} events."));
    let wanted: u64 = size.parse().map_err(|_| none())?;
    let found = front.app.proofs.checkpoints(wanted.saturating_sub(1), 1).await?;
    let found = found.into_iter().find(|checkpoint| checkpoint.size == wanted).ok_or_else(none)?;
    let name = format!("attachment; filename=\"checkpoint-{wanted}.txt\"");
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CONTENT_DISPOSITION, &name)];
    Ok((headers, found.note).into_response())
}
