//! Products.

use keyledger_events::event::product::{ProductRegistered, ProductUpdated};
use keyledger_events::{NewEvent, StreamKind};

use super::append::{Item, append, known};
use super::error::ImportError;
use super::rows::ProductRow;
use super::{Scope, Step, ids};
use crate::admin::names::checked;

const TABLE: &str = "Product";

/// Imports the team's products.
pub(super) async fn import(step: &mut Step<'_>) -> Result<(), ImportError> {
    let mut after = String::new();
    loop {
        let rows = step.source.products(&step.scope.lukittu, &after).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after.clone_from(&last.id);
        let first = |row: &ProductRow| ids::event(step.scope.team, StreamKind::Product, &row.id, "registered");
        let known = known(step.app, &rows.iter().map(first).collect::<Vec<_>>()).await?;
        let mut items = Vec::new();
        for row in rows.iter().filter(|row| !known.contains(&first(row))) {
            match item(step.scope, row) {
                Ok(item) => items.push(item),
                Err(problem) => step.report.problem(TABLE, &row.id, problem),
            }
        }
        let done = append(step, TABLE, items).await?;
        let progress = done.count(&mut step.report.products, rows.len(), known.len());
        (step.progress)(progress);
    }
}

fn item(scope: &Scope, row: &ProductRow) -> Result<Item, String> {
    let name = checked("product", &row.name).map_err(|error| error.to_string())?;
    let stream = scope.stream(StreamKind::Product, &row.id);
    let event = |what, event| NewEvent {
        stream,
        event_id: ids::event(scope.team, StreamKind::Product, &row.id, what),
        occurred_at: row.created_at,
        event,
    };
    let mut events = vec![event("registered", ProductRegistered { name }.into())];
    let url = row.url.clone().filter(|url| !url.trim().is_empty());
    if url.is_some() || !row.notes.is_empty() {
        let metadata = (!row.notes.is_empty()).then(|| row.notes.clone());
        events.push(event("described", ProductUpdated { name: None, url, metadata }.into()));
    }
    Ok(Item::new(scope, &row.id, stream, events))
}
