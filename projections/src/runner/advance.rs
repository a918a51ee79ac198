//! Bringing one build of a view forward, within a transaction.

use super::batch::Batch;
use crate::bookkeeping::{Build, BuildStatus, Fault};
use crate::db::{TableName, Tx, is_refused_data};
use crate::error::{ApplyError, QueryError};
use crate::projection::{Applied, Decoded, Projection};

/// What is done about an event that a view has no answer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    /// Nothing is prepared for it, because it hardly ever comes: the transaction is given up.
    Hopeful,
    /// The view goes up to the event and stands still there, while the others go on. Every view is applied under a
    /// savepoint, which costs SQLite a copy of each page that is changed.
    Careful,
}

/// Why a build is not brought forward.
pub(super) enum Stopped {
    /// The views cannot be read or written.
    Views(QueryError),
    /// A view has no answer to an event, and nobody was prepared for it.
    Fault,
}

impl<E: Into<QueryError>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Views(error.into())
    }
}

/// Brings a build as far as the batch goes, or up to the event that it has no answer to. `None` when there is
/// nothing to do.
pub(super) async fn advance(
    tx: &mut Tx,
    projection: &dyn Projection,
    mut build: Build,
    batch: &Batch,
    care: Care,
) -> Result<Option<Build>, Stopped> {
    // Another node may have begun a build since this page was read; the next pass reads from where that one is.
    if batch.at(build.position.next()).is_none() {
        return Ok(None);
    }
    let before = build.clone();
    let stop = batch.stop(projection, build.position);
    let last = match stop {
        Some(stop) => batch.at(stop.fault.position.previous()),
        None => batch.last(),
    };
    if let Some((last, leaf_hash)) = last {
        let table = tx.table(&build.name, build.version);
        let events = batch.concerning(projection, build.position, last);
        let applied = match care {
            Care::Hopeful => Ok(apply(tx, projection, &table, &events).await?.map_err(|_| Stopped::Fault)?),
            Care::Careful => apply_apart(tx, projection, &table, &events).await?,
        };
        match applied {
            Ok(applied) => build.advance(last, leaf_hash, applied.changed),
            Err(_) => go_up_to_fault(tx, projection, &table, &mut build, batch, &events).await?,
        }
    }
    if let Some(stop) = stop.filter(|stop| !stop.newer && stop.fault.position == build.position.next()) {
        stand_still(&mut build, stop.fault.clone());
    }
    Ok(Some(build).filter(|build| *build != before))
}

/// Applies events one by one up to the one that fails, so that the view is right up to there.
async fn go_up_to_fault(
    tx: &mut Tx,
    projection: &dyn Projection,
    table: &TableName,
    build: &mut Build,
    batch: &Batch,
    events: &[&Decoded],
) -> Result<(), sqlx::Error> {
    for event in events {
        let position = event.0.position;
        let applied = apply_apart(tx, projection, table, std::slice::from_ref(event)).await?;
        let (reached, changed) = match &applied {
            Ok(applied) => (position, applied.changed),
            Err(_) => (position.previous(), None),
        };
        if let Some((position, leaf_hash)) = batch.at(reached) {
            build.advance(position, leaf_hash, changed);
        }
        if let Err(fault) = applied {
            stand_still(build, fault);
            return Ok(());
        }
    }
    Ok(())
}

fn stand_still(build: &mut Build, fault: Fault) {
    tracing::error!(view = build.name, position = fault.position.0, reason = fault.message, "a view stands still");
    build.status = BuildStatus::Faulted;
    build.fault = Some(fault);
}

/// Applies events. The inner error is the events' fault, the outer one the database's. After a fault the transaction
/// holds what was applied before it, and is good for nothing but to be rolled back. What the database refuses is blamed
/// on the first event; applied one by one, that is the one.
pub(crate) async fn apply(
    tx: &mut Tx,
    projection: &dyn Projection,
    table: &TableName,
    events: &[&Decoded],
) -> Result<Result<Applied, Fault>, sqlx::Error> {
    let Some((first, _)) = events.first() else { return Ok(Ok(Applied::default())) };
    match projection.apply(tx, table, events).await {
        Ok(applied) => Ok(Ok(applied)),
        Err(ApplyError::Event { position, message }) => Ok(Err(Fault { position, message })),
        Err(ApplyError::Database(error)) if is_refused_data(&error) => {
            Ok(Err(Fault { position: first.position, message: error.to_string() }))
        }
        Err(ApplyError::Database(error)) => Err(error),
    }
}

/// As [`apply`], under a savepoint: a fault undoes what was applied, and nothing else.
async fn apply_apart(
    tx: &mut Tx,
    projection: &dyn Projection,
    table: &TableName,
    events: &[&Decoded],
) -> Result<Result<Applied, Fault>, sqlx::Error> {
    if events.is_empty() {
        return Ok(Ok(Applied::default()));
    }
    tx.savepoint().await?;
    let applied = apply(tx, projection, table, events).await?;
    match applied {
        Ok(_) => tx.release().await?,
        Err(_) => tx.roll_back_to_savepoint().await?,
    }
    Ok(applied)
}
