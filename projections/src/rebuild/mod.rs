//! Rebuilding a view while it serves (blue/green).
//!
//! The next build fills a table of its own from position 1, in large batches, while the serving build is read and
//! kept up as ever. Then one transaction stops both, applies what is missing and switches. The build that served
//! is kept for switching back, as it is: going back to it brings it up to date first. Older ones go. Of all processes
//! one at a time builds a view, under a lock that ends with it. A rebuild that dies leaves the serving build alone;
//! what it filled is dropped by the next one.

mod fill;
mod progress;
mod switch;
mod together;

use std::sync::Arc;
use std::time::Duration;

use keyledger_events::Position;
use serde::Serialize;

use crate::bookkeeping::{self, Build, BuildStatus};
use crate::db::{BuildLocks, is_lost_connection};
use crate::digest::Digest;
use crate::error::QueryError;
use crate::projection::Projection;
use crate::runner::{Runner, RunnerError};

pub use progress::Progress;
pub use together::Watcher;

use fill::Goal;
use progress::Meter;

/// Times the lock is asked for. A holder that was just killed keeps it for a moment.
const LOCK_ATTEMPTS: u32 = 10;
/// The pause between two of them.
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Why a view was not rebuilt. The build that serves is untouched.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// There is no such view.
    #[error("there is no view `{0}`; `keyledger projections list` shows them")]
    Unknown(String),
    /// The view has no answer to an event.
    #[error("view `{view}` cannot be rebuilt: the event at position {position} cannot be applied: {message}")]
    Event {
        /// The view.
        view: String,
        /// The event.
        position: Position,
        /// Why.
        message: String,
    },
    /// Somebody is at it already.
    #[error(
        "view `{0}` is being rebuilt, verified or switched at this moment, here or by another process; \
         `keyledger projections status` shows how far that is"
    )]
    UnderWay(String),
    /// Another rebuild of the same view began later, after the connection that held the lock was lost.
    #[error("another rebuild of view `{0}` took over")]
    TakenOver(String),
    /// The table of a build cannot be dropped.
    #[error(
        "build {version} of view `{view}` stays, because its table is being read, as by a dump of the database; \
         run it again when that is done"
    )]
    Read {
        /// The view.
        view: String,
        /// The build.
        version: i64,
    },
    /// There is nothing to go back to.
    #[error("view `{0}` has no earlier build to switch back to")]
    NoEarlierBuild(String),
    /// What there is to go back to was computed from something else.
    #[error(
        "the earlier build {version} of view `{view}` does not fit the ledger: what it has applied up to position {position} \
         is not what stands there, as after a restore; `keyledger projections drop-retired {view}` takes it away"
    )]
    Misfit {
        /// The view.
        view: String,
        /// The build.
        version: i64,
        /// How far it is.
        position: Position,
    },
    /// The databases could not be reached.
    #[error(transparent)]
    Runner(#[from] RunnerError),
}

impl RebuildError {
    /// Whether the server ended the transaction, or its connection broke: nothing is wrong with what was asked.
    fn is_lost_connection(&self) -> bool {
        matches!(self, Self::Runner(RunnerError::Views(QueryError::Database(error))) if is_lost_connection(error))
    }
}

impl From<QueryError> for RebuildError {
    fn from(error: QueryError) -> Self {
        Self::Runner(error.into())
    }
}

impl From<sqlx::Error> for RebuildError {
    fn from(error: sqlx::Error) -> Self {
        Self::Runner(error.into())
    }
}

/// A view that was rebuilt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rebuilt {
    /// The view.
    pub name: String,
    /// The build that serves now.
    pub version: i64,
    /// How far it is.
    pub position: Position,
    /// How long it took.
    pub seconds: f64,
}

/// A view compared with a fresh one.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// The view.
    pub name: String,
    /// The build that serves.
    pub version: i64,
    /// The position that both were compared at.
    pub position: Position,
    /// Of the build that serves.
    pub serving: Digest,
    /// Of the fresh one.
    pub fresh: Digest,
}

impl Verified {
    /// Whether the serving rows are what the ledger says.
    pub fn matches(&self) -> bool {
        self.serving == self.fresh
    }
}

/// A rebuild at work.
struct Rebuild<'a> {
    runner: &'a Runner,
    projection: &'a Arc<dyn Projection>,
    build: Build,
    /// Whether it began with an empty table, which has no indexes yet.
    fresh: bool,
    meter: Meter,
}

impl Runner {
    /// Goes back to the build that served before the last rebuild, after bringing it up to date.
    ///
    /// # Errors
    /// When there is none, it does not fit the ledger, the view is unknown, somebody is at it already, it has no answer to
    /// an event, or the databases cannot be reached.
    pub async fn switch_back(
        &self,
        name: &str,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<Rebuilt, RebuildError> {
        let work = async {
            let mut rebuild = Rebuild::resume_retired(self, name).await?;
            let result = rebuild.run(&mut progress).await;
            rebuild.keep_after(result).await
        };
        self.alone(name, work).await
    }

    /// Drops the builds of a view that served before, and tells their numbers. There is no going back then.
    ///
    /// # Errors
    /// When the view is unknown, somebody is at it, or the databases cannot be reached.
    pub async fn drop_retired(&self, name: &str) -> Result<Vec<i64>, RebuildError> {
        let work = async {
            let builds = bookkeeping::read(&self.inner.views).await?;
            let retired = |build: &&Build| build.name == name && build.status == BuildStatus::Retired;
            let mut dropped = Vec::new();
            for build in builds.iter().filter(retired) {
                if !self.inner.drop_unread(build).await? {
                    return Err(RebuildError::Read { view: name.to_owned(), version: build.version });
                }
                dropped.push(build.version);
            }
            Ok(dropped)
        };
        self.alone(name, work).await
    }

    /// Whether somebody, in this process or another, rebuilds, verifies or switches the view now.
    ///
    /// # Errors
    /// When the view is unknown or the database cannot be reached.
    pub async fn is_being_built(&self, name: &str) -> Result<bool, RebuildError> {
        self.projection(name)?;
        let mut locks = self.inner.views.build_locks().await?;
        let free = locks.try_take(name).await?;
        locks.release().await;
        Ok(!free)
    }

    /// Does `work` on a view's builds while nobody else does, and gives the lock back however that ends.
    async fn alone<T>(
        &self,
        name: &str,
        work: impl Future<Output = Result<T, RebuildError>>,
    ) -> Result<T, RebuildError> {
        self.projection(name)?;
        let (locks, refused) = self.lock_builds(&[name]).await?;
        let result = if refused.is_empty() { work.await } else { Err(RebuildError::UnderWay(name.to_owned())) };
        locks.release().await;
        result
    }

    /// Takes the locks of these views; those that somebody else keeps are told.
    async fn lock_builds<'n>(&self, names: &[&'n str]) -> Result<(BuildLocks, Vec<&'n str>), RebuildError> {
        let mut locks = self.inner.views.build_locks().await?;
        let mut left = names.to_vec();
        for attempt in 0..LOCK_ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(LOCK_PAUSE).await;
            }
            let mut taken = Vec::new();
            for name in left {
                if !locks.try_take(name).await? {
                    taken.push(name);
                }
            }
            left = taken;
            if left.is_empty() {
                break;
            }
        }
        Ok((locks, left))
    }
}

impl<'a> Rebuild<'a> {
    async fn begin(runner: &'a Runner, name: &str) -> Result<Self, RebuildError> {
        let projection = runner.projection(name)?;
        // Makes the serving build first, where there is none.
        runner.inner.ensure_once().await?;
        // The lock keeps others from rebuilding this view.
        let builds = bookkeeping::read(&runner.inner.views).await?;
        for build in builds.iter().filter(|build| build.name == name && build.status == BuildStatus::Building) {
            runner.inner.drop_unread(build).await?;
        }
        // Nobody may make a build of the same number meanwhile; runners wait for as long as it takes to make a table.
        let mut tx = runner.inner.views.begin().await?;
        let mut known = bookkeeping::lock_all(&mut tx).await?;
        // Those that are gone count, too: numbers are not used twice.
        known.extend(builds);
        let build = runner.inner.begin_build(&mut tx, projection, &known, BuildStatus::Building).await?;
        tx.commit().await?;
        let meter = Meter::begin(build.position);
        Ok(Self { runner, projection, build, fresh: true, meter })
    }

    async fn resume_retired(runner: &'a Runner, name: &str) -> Result<Self, RebuildError> {
        let projection = runner.projection(name)?;
        let earlier = |builds: Vec<Build>| {
            let retired = builds.into_iter().rfind(|build| {
                let ours = build.name == name && build.code_version == i64::from(projection.version());
                ours && build.status == BuildStatus::Retired
            });
            retired.ok_or_else(|| RebuildError::NoEarlierBuild(name.to_owned()))
        };
        // Compared before the transaction begins, which must not wait for the ledger; nobody else may change it meanwhile.
        let retired = earlier(bookkeeping::read(&runner.inner.views).await?)?;
        if !runner.inner.fits(&retired).await? {
            let Build { name: view, version, position, .. } = retired;
            return Err(RebuildError::Misfit { view, version, position });
        }
        let mut tx = runner.inner.views.begin().await?;
        let mut build = earlier(bookkeeping::lock_view(&mut tx, name).await?)?;
        build.status = BuildStatus::Building;
        bookkeeping::save(&mut tx, std::slice::from_ref(&build), runner.inner.clock.now()).await?;
        tx.commit().await?;
        let meter = Meter::begin(build.position);
        Ok(Self { runner, projection, build, fresh: false, meter })
    }

    async fn run(&mut self, progress: &mut (impl FnMut(Progress) + Send)) -> Result<Rebuilt, RebuildError> {
        self.fill(Goal::Head, progress).await?;
        if self.fresh {
            self.create_indexes().await?;
            self.fill(Goal::Head, progress).await?;
        }
        self.switch().await?;
        progress(self.meter.progress(self.build.position, self.build.position));
        Ok(Rebuilt {
            name: self.build.name.clone(),
            version: self.build.version,
            position: self.build.position,
            seconds: self.meter.seconds(),
        })
    }

    async fn compare(&mut self, progress: &mut (impl FnMut(Progress) + Send)) -> Result<Verified, RebuildError> {
        self.fill(Goal::Serving, progress).await?;
        let verified = self.digests().await?;
        progress(self.meter.progress(self.build.position, self.build.position));
        Ok(verified)
    }

    /// Drops the table of a rebuild that failed, as far as the database lets us; the next rebuild does it otherwise.
    async fn clean_up_after<T>(self, result: Result<T, RebuildError>) -> Result<T, RebuildError> {
        if result.is_err()
            && let Err(error) = self.drop_unfinished().await
        {
            tracing::warn!(view = self.build.name, %error, "a half-built view stays until the next rebuild");
        }
        result
    }

    /// Leaves the earlier build for another try where it could not be switched to.
    async fn keep_after<T>(self, result: Result<T, RebuildError>) -> Result<T, RebuildError> {
        if result.is_err()
            && let Err(error) = self.retire_again().await
        {
            tracing::warn!(view = self.build.name, %error, "the earlier build of a view is lost to going back");
        }
        result
    }
}

impl Runner {
    fn projection(&self, name: &str) -> Result<&Arc<dyn Projection>, RebuildError> {
        let found = self.inner.projections.iter().find(|projection| projection.name() == name);
        found.ok_or_else(|| RebuildError::Unknown(name.to_owned()))
    }
}
