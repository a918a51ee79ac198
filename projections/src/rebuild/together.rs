//! Several views at once: the ledger is read and decoded once for all of them, which for most views is most of the work.

use std::sync::Arc;

use keyledger_events::Position;

use super::fill::{Goal, is_last, read};
use super::progress::Progress;
use super::{Rebuild, RebuildError, Rebuilt, Verified};
use crate::db::BuildLocks;
use crate::projection::Projection;
use crate::runner::{Batch, Runner};

/// Somebody who hears how views that are computed together come along.
pub trait Watcher<T>: Send {
    /// A view is as far as this.
    fn progress(&mut self, name: &'static str, progress: Progress);

    /// A view is done, or will not be.
    fn ended(&mut self, name: &'static str, result: Result<T, RebuildError>);
}

impl Runner {
    /// Computes views anew beside the serving ones, and switches to them. What becomes of one is nothing to the others.
    ///
    /// # Errors
    /// When nothing was begun, because the databases cannot be reached. What becomes of each view is told to `watcher`:
    /// it is unknown, somebody is at it already, it has no answer to an event, or the databases cannot be reached.
    pub async fn rebuild_together(
        &self,
        names: &[&'static str],
        watcher: &mut impl Watcher<Rebuilt>,
    ) -> Result<(), RebuildError> {
        let (locks, group) = self.filled_together(names, Goal::Head, watcher).await?;
        for mut rebuild in group {
            let name = rebuild.projection.name();
            let result = rebuild.run(&mut |progress| watcher.progress(name, progress)).await;
            watcher.ended(name, rebuild.clean_up_after(result).await);
        }
        locks.release().await;
        Ok(())
    }

    /// Computes views anew, compares them with the serving ones at the same position, and drops them again.
    ///
    /// # Errors
    /// As [`Runner::rebuild_together`].
    pub async fn verify_together(
        &self,
        names: &[&'static str],
        watcher: &mut impl Watcher<Verified>,
    ) -> Result<(), RebuildError> {
        let (locks, group) = self.filled_together(names, Goal::Serving, watcher).await?;
        for mut rebuild in group {
            let name = rebuild.projection.name();
            let result = rebuild.compare(&mut |progress| watcher.progress(name, progress)).await;
            watcher.ended(name, rebuild.clean_up_after(result).await);
        }
        locks.release().await;
        Ok(())
    }

    /// A build of each view, filled until what is missing is less than a batch, and the locks that are theirs.
    async fn filled_together<T>(
        &self,
        names: &[&'static str],
        goal: Goal,
        watcher: &mut impl Watcher<T>,
    ) -> Result<(BuildLocks, Vec<Rebuild<'_>>), RebuildError> {
        let (locks, refused) = self.lock_builds(names).await?;
        let mut group = self.begin_together(names, &refused, watcher).await;
        fill_together(&mut group, goal, watcher).await;
        Ok((locks, group))
    }

    /// Begins a build of each view, except those that somebody else is at.
    async fn begin_together<T>(
        &self,
        names: &[&'static str],
        refused: &[&str],
        watcher: &mut impl Watcher<T>,
    ) -> Vec<Rebuild<'_>> {
        let mut group = Vec::new();
        for name in names.iter().copied() {
            if refused.contains(&name) {
                watcher.ended(name, Err(RebuildError::UnderWay(name.to_owned())));
                continue;
            }
            match Rebuild::begin(self, name).await {
                Ok(rebuild) => group.push(rebuild),
                Err(error) => watcher.ended(name, Err(error)),
            }
        }
        group
    }
}

/// Fills builds that have nothing yet until what is missing is less than a batch. One that fails leaves the group. Where
/// the ledger itself does not answer, each goes on alone, and says so if it cannot.
async fn fill_together<T>(group: &mut Vec<Rebuild<'_>>, goal: Goal, watcher: &mut impl Watcher<T>) {
    let Some(runner) = group.first().map(|rebuild| rebuild.runner) else { return };
    let ledger = runner.inner.ledger.clone();
    let projections: Vec<Arc<dyn Projection>> = group.iter().map(|rebuild| rebuild.projection.clone()).collect();
    let mut after = Position::START;
    let mut batch = None;
    while let Ok(to) = goal.of(group).await {
        let written = match batch.take() {
            Some(batch) => batch,
            None => match read(&ledger, &projections, after, to).await {
                Ok(first) => first,
                Err(_) => return,
            },
        };
        let Some((last, _)) = written.last() else { return };
        after = last;
        // The next batch is read while this one is written.
        let (next, ()) = tokio::join!(read(&ledger, &projections, last, to), write(group, &written, to, watcher));
        if is_last(&written) {
            return;
        }
        batch = next.ok();
    }
}

async fn write<T>(group: &mut Vec<Rebuild<'_>>, batch: &Batch, to: Position, watcher: &mut impl Watcher<T>) {
    let mut going = Vec::with_capacity(group.len());
    for mut rebuild in group.drain(..) {
        let name = rebuild.projection.name();
        match rebuild.write(batch).await {
            Ok(()) => {
                watcher.progress(name, rebuild.meter.progress(rebuild.build.position, to));
                going.push(rebuild);
            }
            Err(error) => watcher.ended(name, rebuild.clean_up_after(Err(error)).await),
        }
    }
    *group = going;
}
