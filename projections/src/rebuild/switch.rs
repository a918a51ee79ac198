//! The end of a rebuild: both builds are held, made equal in position, and switched or compared.

use keyledger_events::Position;

use super::{Rebuild, RebuildError, Verified};
use crate::bookkeeping::{self, Build, BuildStatus};
use crate::db::TableName;
use crate::digest::digest;
use crate::runner::RunnerError;

impl Rebuild<'_> {
    /// Makes the indexes that were left out while the table was filled, each in a transaction of its own: on SQLite
    /// the other views wait for as long as one of them takes.
    pub(super) async fn create_indexes(&self) -> Result<(), RebuildError> {
        let views = &self.runner.inner.views;
        let table = TableName::of(views.is_postgres(), &self.build.name, self.build.version);
        for index in self.projection.table().create_indexes(&table) {
            let mut tx = views.begin().await?;
            tx.run(&index).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Switches to the new build, and lets go of those before the one that served.
    pub(super) async fn switch(&mut self) -> Result<(), RebuildError> {
        let filled = self.build.clone();
        let old = match self.switch_bookkeeping().await {
            Err(error) if error.is_lost_connection() => {
                self.build = filled;
                self.switch_bookkeeping().await?
            }
            done => done?,
        };
        let inner = &self.runner.inner;
        inner.views.note_serving(&bookkeeping::read(&inner.views).await?);
        for build in &old {
            // It is no part of the switch, which is done.
            if let Err(error) = inner.drop_unread(build).await {
                tracing::warn!(view = build.name, version = build.version, %error, "an earlier build of a view stays until the next rebuild");
            }
        }
        Ok(())
    }

    /// Switches in one transaction. The new build is never behind the one it replaces, so no reader goes back in time. Tells
    /// which builds nobody goes back to any more.
    async fn switch_bookkeeping(&mut self) -> Result<Vec<Build>, RebuildError> {
        let inner = &self.runner.inner;
        let mut tx = inner.views.begin().await?;
        let builds = bookkeeping::lock_view(&mut tx, &self.build.name).await?;
        self.still_ours(&builds)?;
        let serving = self.serving(&builds)?.clone();
        let to = match serving.status {
            // A view that stands still is no measure of how far the new one must be.
            BuildStatus::Faulted => inner.ledger.head().await.map_err(RunnerError::from)?.position,
            _ => serving.position,
        };
        self.apply_up_to(&mut tx, to).await?;
        let retired = Build { status: BuildStatus::Retired, fault: None, ..serving };
        self.build.status = BuildStatus::Live;
        // Nodes of another release, during an upgrade, read builds of their own.
        let ours = |build: &Build| build.code_version == self.build.code_version;
        let oldest_kept = retired.version.min(self.build.version);
        // The one that served leaves first: two may not serve, not even within a statement.
        bookkeeping::save(&mut tx, &[retired, self.build.clone()], inner.clock.now()).await?;
        tx.commit().await?;
        Ok(builds.into_iter().filter(|build| ours(build) && build.version < oldest_kept).collect())
    }

    /// Compares both builds at the same position, then drops the new one. The serving one is read as it was at one
    /// moment, and the new one, which nobody else moves, is brought to where the other was then: so nobody waits.
    pub(super) async fn digests(&mut self) -> Result<Verified, RebuildError> {
        let views = &self.runner.inner.views;
        let mut snapshot = views.snapshot().await?;
        let serving = self.serving(&bookkeeping::read_in(&mut snapshot).await?)?.clone();
        self.bring_to(serving.position).await?;
        let (shape, name) = (self.projection.table(), self.build.name.clone());
        let serving_table = snapshot.table(&name, serving.version);
        let fresh_table = snapshot.table(&name, self.build.version);
        let serving_digest = digest(&mut snapshot, shape, &serving_table).await?;
        snapshot.commit().await?;
        let fresh = digest(views, shape, &fresh_table).await?;
        self.drop_unfinished().await?;
        Ok(Verified { name, position: serving.position, version: serving.version, serving: serving_digest, fresh })
    }

    /// Applies everything up to `to`, in one transaction: less than a batch is left.
    async fn bring_to(&mut self, to: Position) -> Result<(), RebuildError> {
        let inner = &self.runner.inner;
        let mut tx = inner.views.begin().await?;
        self.hold(&mut tx).await?;
        self.apply_up_to(&mut tx, to).await?;
        bookkeeping::save(&mut tx, std::slice::from_ref(&self.build), inner.clock.now()).await?;
        Ok(tx.commit().await?)
    }

    /// Leaves an earlier build that could not be brought up to date as what it was.
    pub(super) async fn retire_again(&self) -> Result<(), RebuildError> {
        let inner = &self.runner.inner;
        let mut tx = inner.views.begin().await?;
        let found = bookkeeping::lock_build(&mut tx, &self.build).await?;
        let building = found.filter(|build| build.status == BuildStatus::Building);
        let retired = building.map(|build| Build { status: BuildStatus::Retired, ..build });
        bookkeeping::save(&mut tx, retired.as_slice(), inner.clock.now()).await?;
        Ok(tx.commit().await?)
    }

    /// Drops the table of a rebuild that will not be finished, unless somebody else already did or reads it.
    pub(super) async fn drop_unfinished(&self) -> Result<(), RebuildError> {
        let unfinished = Build { status: BuildStatus::Building, ..self.build.clone() };
        self.runner.inner.drop_unread(&unfinished).await?;
        Ok(())
    }

    fn still_ours(&self, builds: &[Build]) -> Result<(), RebuildError> {
        let building = |build: &Build| build.version == self.build.version && build.status == BuildStatus::Building;
        if builds.iter().any(building) { Ok(()) } else { Err(RebuildError::TakenOver(self.build.name.clone())) }
    }
}
