//! Filling a build that does not serve yet, batch by batch.

use std::sync::Arc;

use keyledger_events::envelope::HashMismatch;
use keyledger_events::{LedgerError, Position, RecordedEvent, SharedLedger};

use super::progress::Progress;
use super::{Rebuild, RebuildError};
use crate::bookkeeping::{self, Build, BuildStatus};
use crate::db::Tx;
use crate::error::QueryError;
use crate::projection::Projection;
use crate::runner::{Batch, RunnerError, apply};

/// Events of a batch. The larger it is, the more events meet in one row that is written once; between batches the
/// write lock is free for others.
const BATCH_EVENTS: usize = 8_000;
/// Events read at once.
const PAGE_EVENTS: u32 = 1_000;

/// How far to fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    /// The ledger's end.
    Head,
    /// Where the serving build is.
    Serving,
}

impl Goal {
    /// How far all of these may go.
    pub(super) async fn of(self, group: &[Rebuild<'_>]) -> Result<Position, RebuildError> {
        let Some(inner) = group.first().map(|rebuild| &rebuild.runner.inner) else { return Ok(Position::START) };
        if self == Self::Head {
            return Ok(inner.ledger.head().await.map_err(RunnerError::from)?.position);
        }
        let builds = bookkeeping::read(&inner.views).await?;
        let mut nearest = Position(i64::MAX);
        for rebuild in group {
            nearest = nearest.min(rebuild.serving(&builds)?.position);
        }
        Ok(nearest)
    }
}

impl Rebuild<'_> {
    /// Fills until what is missing is less than a batch.
    pub(super) async fn fill(
        &mut self,
        goal: Goal,
        progress: &mut (impl FnMut(Progress) + Send),
    ) -> Result<(), RebuildError> {
        let ledger = self.runner.inner.ledger.clone();
        let projections = [self.projection.clone()];
        let mut to = goal.of(std::slice::from_ref(self)).await?;
        let mut batch = read(&ledger, &projections, self.build.position, to).await?;
        while let Some((last, _)) = batch.last() {
            // The next batch is read while this one is written.
            let (next, written) = tokio::join!(read(&ledger, &projections, last, to), self.write(&batch));
            written?;
            progress(self.meter.progress(self.build.position, to));
            if is_last(&batch) {
                return Ok(());
            }
            batch = next?;
            to = goal.of(std::slice::from_ref(self)).await?;
        }
        Ok(())
    }

    /// One batch, in a transaction of its own. One that idled for too long, as when the process was stopped for a while, was
    /// ended, and is begun again.
    pub(super) async fn write(&mut self, batch: &Batch) -> Result<(), RebuildError> {
        let before = self.build.clone();
        match self.write_once(batch).await {
            Err(error) if error.is_lost_connection() => {
                self.build = before;
                self.write_once(batch).await
            }
            done => done,
        }
    }

    async fn write_once(&mut self, batch: &Batch) -> Result<(), RebuildError> {
        let mut tx = self.runner.inner.views.begin().await?;
        self.hold(&mut tx).await?;
        self.apply(&mut tx, batch).await?;
        bookkeeping::save(&mut tx, std::slice::from_ref(&self.build), self.runner.inner.clock.now()).await?;
        Ok(tx.commit().await?)
    }

    /// The build that serves, of those given.
    pub(super) fn serving<'b>(&self, builds: &'b [Build]) -> Result<&'b Build, QueryError> {
        let (name, code_version) = (self.projection.name(), self.projection.version());
        let serving = builds.iter().find(|build| build.serves(name, code_version));
        serving.ok_or(QueryError::NotReady { view: name })
    }

    /// Takes the build's row. Without it somebody else began a later rebuild.
    pub(super) async fn hold(&self, tx: &mut Tx) -> Result<(), RebuildError> {
        let builds = bookkeeping::lock_build(tx, &self.build).await?;
        let ours =
            builds.iter().any(|build| build.status == BuildStatus::Building && build.position == self.build.position);
        if ours { Ok(()) } else { Err(RebuildError::TakenOver(self.build.name.clone())) }
    }

    /// Applies events to the build's table and moves its checkpoint.
    async fn apply(&mut self, tx: &mut Tx, batch: &Batch) -> Result<(), RebuildError> {
        let Some((last, leaf)) = batch.last() else { return Ok(()) };
        if let Some(stop) = batch.stop(self.projection.as_ref(), self.build.position) {
            return Err(self.refused(stop.fault.position, stop.fault.message.clone()));
        }
        let table = tx.table(&self.build.name, self.build.version);
        let decoded = batch.concerning(self.projection.as_ref(), self.build.position, last);
        let applied = apply(tx, self.projection.as_ref(), &table, &decoded).await?;
        let applied = applied.map_err(|fault| self.refused(fault.position, fault.message))?;
        self.build.advance(last, leaf, applied.changed);
        Ok(())
    }

    /// Applies everything up to `to` within the transaction.
    pub(super) async fn apply_up_to(&mut self, tx: &mut Tx, to: Position) -> Result<(), RebuildError> {
        loop {
            let (ledger, projections) = (&self.runner.inner.ledger, std::slice::from_ref(self.projection));
            let batch = read(ledger, projections, self.build.position, to).await?;
            if batch.len() == 0 {
                return Ok(());
            }
            self.apply(tx, &batch).await?;
        }
    }

    fn refused(&self, position: Position, message: String) -> RebuildError {
        RebuildError::Event { view: self.build.name.clone(), position, message }
    }
}

/// Whether a batch is the last one for now.
pub(super) fn is_last(batch: &Batch) -> bool {
    batch.len() < BATCH_EVENTS
}

/// The events after `after` and up to `to`, at most a batch of them, each checked against its hash and decoded as far as
/// any of the views wants them: a view that is computed anew must not rest on what somebody changed.
pub(super) async fn read(
    ledger: &SharedLedger,
    projections: &[Arc<dyn Projection>],
    mut after: Position,
    to: Position,
) -> Result<Batch, RebuildError> {
    let mut events: Vec<RecordedEvent> = Vec::new();
    while after < to && events.len() < BATCH_EVENTS {
        let page = ledger.read(after, PAGE_EVENTS).await.map_err(RunnerError::from)?;
        let Some(last) = page.last() else { break };
        after = last.position;
        events.extend(page.into_iter().filter(|event| event.position <= to));
    }
    // On a thread of its own: whoever waits for it writes the batch before meanwhile.
    let projections = projections.to_vec();
    let decode = move || {
        events.iter().try_for_each(RecordedEvent::check_hash)?;
        Ok(Batch::decode(events, &projections))
    };
    let decoded = tokio::task::spawn_blocking(decode).await;
    let decoded: Result<Batch, HashMismatch> =
        decoded.map_err(|error| RunnerError::from(sqlx::Error::Io(std::io::Error::other(error))))?;
    Ok(decoded.map_err(|changed| RunnerError::from(LedgerError::from(changed)))?)
}
