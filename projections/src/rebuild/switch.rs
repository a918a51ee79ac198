//! The end of a rebuild: both builds are held, made equal in position, and switched or compared.

use super::{Rebuild, RebuildError, Verified};
use crate::bookkeeping::{self, Build, BuildStatus};
use crate::digest::digest;
use crate::runner::RunnerError;

impl Rebuild<'_> {
    /// Makes the indexes that were left out while the table was filled.
    pub(super) async fn create_indexes(&self) -> Result<(), RebuildError> {
        let mut tx = self.runner.inner.views.begin().await?;
        let table = tx.table(&self.build.name, self.build.version);
        for index in self.projection.table().create_indexes(&table) {
            tx.run(&index).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Switches to the new build in one transaction. It is never behind the one it replaces, so no reader goes
    /// back in time.
    pub(super) async fn switch(&mut self) -> Result<(), RebuildError> {
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
        for old in builds.iter().filter(|build| build.version < retired.version.min(self.build.version)) {
            bookkeeping::drop_build(&mut tx, old).await?;
        }
        // The one that served leaves first: two may not serve, not even within a statement.
        bookkeeping::save(&mut tx, &[retired, self.build.clone()], inner.clock.now()).await?;
        tx.commit().await?;
        inner.views.note_serving(&bookkeeping::read(&inner.views).await?);
        Ok(())
    }

    /// Compares both builds at the same position, then drops the new one.
    pub(super) async fn digests(&mut self) -> Result<Verified, RebuildError> {
        let inner = &self.runner.inner;
        let mut tx = inner.views.begin().await?;
        let builds = bookkeeping::lock_view(&mut tx, &self.build.name).await?;
        self.still_ours(&builds)?;
        let serving = self.serving(&builds)?.clone();
        self.apply_up_to(&mut tx, serving.position).await?;
        let (shape, name) = (self.projection.table(), self.build.name.clone());
        let serving_table = tx.table(&name, serving.version);
        let fresh_table = tx.table(&name, self.build.version);
        let serving_digest = digest(&mut tx, shape, &serving_table).await?;
        let fresh = digest(&mut tx, shape, &fresh_table).await?;
        bookkeeping::drop_build(&mut tx, &self.build).await?;
        tx.commit().await?;
        Ok(Verified { name, position: serving.position, serving: serving_digest, fresh })
    }

    /// Drops the table of a rebuild that will not be finished, unless somebody else already did.
    pub(super) async fn drop_unfinished(&self) -> Result<(), RebuildError> {
        let mut tx = self.runner.inner.views.begin().await?;
        let builds = bookkeeping::lock_build(&mut tx, &self.build).await?;
        for build in builds.iter().filter(|build| build.status == BuildStatus::Building) {
            bookkeeping::drop_build(&mut tx, build).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    fn still_ours(&self, builds: &[Build]) -> Result<(), RebuildError> {
        let building = |build: &Build| build.version == self.build.version && build.status == BuildStatus::Building;
        if builds.iter().any(building) { Ok(()) } else { Err(RebuildError::TakenOver(self.build.name.clone())) }
    }
}
