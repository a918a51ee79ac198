//! The team's history as a file: a bundle that `keyledger-verify` checks without us, or a table.

use axum::extract::State;
use keyledger_proof::bundle::Filter;

use super::super::page::Answer;
use super::super::problem::Problem;
use super::super::viewer::Viewer;
use crate::admin::export::Format;
use crate::http::{Front, audit};

/// `GET …/audit/export?format=jsonl|csv`
pub(super) async fn file(viewer: Viewer, State(front): State<Front>) -> Answer {
    let format = match viewer.query.text("format") {
        None | Some("jsonl") => Format::Jsonl,
        Some("csv") => Format::Csv,
        Some(other) => return Err(Problem::unusable(format!("The format is jsonl or csv, not “{other}”."))),
    };
    let filter = Filter { team: Some(viewer.team_id().0), from: None, until: None, types: Vec::new(), after: None };
    Ok(audit::export::file(&front, viewer.team_id(), format, filter).await?)
}
