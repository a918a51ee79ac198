//! Bringing one build of a view forward, within a transaction.

use keyledger_events::Position;

use super::batch::Batch;
use crate::bookkeeping::{Build, BuildStatus, Fault};
use crate::db::{TableName, Tx, is_refused_data};
use crate::error::ApplyError;
use crate::projection::{Applied, Decoded, Projection};

/// Brings a build as far as the batch goes, or up to the event that it has no answer to. `None` when there is
/// nothing to do.
pub(super) async fn advance(
    tx: &mut Tx,
    projection: &dyn Projection,
    mut build: Build,
    batch: &Batch,
) -> Result<Option<Build>, sqlx::Error> {
    // Another node may have begun a build since this page was read; the next pass reads from where that one is.
    if batch.at(build.position.next()).is_none() {
        return Ok(None);
    }
    let before = build.clone();
    let stop = batch.stop(projection, build.position);
    let last = match stop {
        Some(stop) => batch.at(before_it(stop.fault.position)),
        None => batch.last(),
    };
    if let Some((last, leaf_hash)) = last {
        let table = tx.table(&build.name, build.version);
        let events = batch.concerning(projection, build.position, last);
        match apply(tx, projection, &table, &events).await? {
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
        let applied = apply(tx, projection, table, std::slice::from_ref(event)).await?;
        let (reached, changed) = match &applied {
            Ok(applied) => (position, applied.changed),
            Err(_) => (before_it(position), None),
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

fn before_it(position: Position) -> Position {
    Position(position.0 - 1)
}

fn stand_still(build: &mut Build, fault: Fault) {
    tracing::error!(view = build.name, position = fault.position.0, reason = fault.message, "a view stands still");
    build.status = BuildStatus::Faulted;
    build.fault = Some(fault);
}

/// Applies events under a savepoint. The inner error is the events' fault, the outer one the database's. What the
/// database refuses is blamed on the first event; applied one by one, that is the one.
pub(crate) async fn apply(
    tx: &mut Tx,
    projection: &dyn Projection,
    table: &TableName,
    events: &[&Decoded],
) -> Result<Result<Applied, Fault>, sqlx::Error> {
    let Some((first, _)) = events.first() else { return Ok(Ok(Applied::default())) };
    tx.savepoint().await?;
    let fault = match projection.apply(tx, table, events).await {
        Ok(applied) => {
            tx.release().await?;
            return Ok(Ok(applied));
        }
        Err(ApplyError::Event { position, message }) => Fault { position, message },
        Err(ApplyError::Database(error)) if is_refused_data(&error) => {
            Fault { position: first.position, message: error.to_string() }
        }
        Err(ApplyError::Database(error)) => return Err(error),
    };
    tx.roll_back_to_savepoint().await?;
    Ok(Err(fault))
}
