//! Appending what rows lead to: each row wholly or not at all, many at once, and each once however often.

use std::collections::HashSet;

use futures::StreamExt as _;
use keyledger_events::{AppendOutcome, AppendRequest, NewEvent, Provenance, StreamId};
use uuid::Uuid;

use super::error::ImportError;
use super::report::Counts;
use super::{ACTOR, Scope, Step};
use crate::app::App;

/// Appends under way at once: the Writer makes batches of them.
const APPENDS_MAX: usize = 64;

/// What a row leads to.
pub(super) struct Item {
    /// Lukittu's id.
    pub(super) id: String,
    /// The append, which begins the stream of what the row is about.
    pub(super) request: AppendRequest,
}

impl Item {
    /// An item whose stream must be new.
    pub(super) fn new(scope: &Scope, id: &str, stream: StreamId, events: Vec<NewEvent>) -> Self {
        let mut request = AppendRequest::new(scope.team, Provenance::of(ACTOR)).expect(stream, 0);
        request.events = events;
        Self { id: id.to_owned(), request }
    }
}

/// Which of these events are in the ledger already: what they begin was imported before.
pub(super) async fn known(app: &App, first_events: &[Uuid]) -> Result<HashSet<Uuid>, ImportError> {
    Ok(app.ledger.positions_of(first_events).await?.into_keys().collect())
}

/// Appends the items; nothing in a dry run, which counts those whose streams are new.
pub(super) async fn append(step: &Step<'_>, table: &'static str, items: Vec<Item>) -> Result<Appended, ImportError> {
    let (app, dry_run) = (step.app, step.scope.dry_run);
    let appends = items.into_iter().map(|item| async move {
        let Item { id, request } = item;
        if dry_run {
            let Some(expected) = request.expected.first() else { return Ok((id, true)) };
            return Ok((id, app.ledger.stream_version(request.team, expected.stream).await? == 0));
        }
        let outcome = app.writer.append(request).await?;
        Ok::<_, ImportError>((id, matches!(outcome, AppendOutcome::Appended { .. })))
    });
    let mut appends = futures::stream::iter(appends).buffer_unordered(APPENDS_MAX);
    let mut done = Appended { table, imported: HashSet::new(), present: 0 };
    while let Some(outcome) = appends.next().await {
        match outcome? {
            (id, true) => drop(done.imported.insert(id)),
            (_, false) => done.present += 1,
        }
    }
    Ok(done)
}

/// What became of items.
pub(super) struct Appended {
    table: &'static str,
    /// Lukittu's ids of those that were imported.
    pub(super) imported: HashSet<String>,
    present: u64,
}

impl Appended {
    /// Adds a page of rows to the counts, and tells how far it is.
    pub(super) fn count(&self, counts: &mut Counts, found: usize, known: usize) -> super::Progress {
        let (found, known, imported) = (found as u64, known as u64, self.imported.len() as u64);
        counts.found += found;
        counts.imported += imported;
        counts.present += self.present + known;
        counts.skipped += found - known - imported - self.present;
        super::Progress { table: self.table, done: counts.found }
    }
}
