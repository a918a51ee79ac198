//! Making the views that this release lacks, and throwing away those that do not fit the ledger.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use keyledger_events::Position;
use keyledger_events::merkle::Hash;

use super::{Inner, RunnerError};
use crate::bookkeeping::{self, Build, BuildStatus};
use crate::db::{BuildLocks, Tx, is_locked};
use crate::error::QueryError;
use crate::projection::Projection;
use crate::view;

/// A build that nobody has filled for this long, in seconds, and whose lock is free was left behind by a process that
/// died.
const ABANDONED_AFTER_SECONDS: i64 = 600;
/// A view that another release reads and that has not moved for this long, in seconds, while the ledger has, was left behind
/// by an upgrade.
const DESERTED_AFTER_SECONDS: i64 = 86_400;

/// Times that the bookkeeping is asked for as a whole: for some ten minutes.
const MEND_ATTEMPTS_MAX: u32 = 240;
/// The pause between two of them.
const MEND_PAUSE: Duration = Duration::from_millis(500);

/// What is wrong with the bookkeeping.
#[derive(Debug, Default)]
struct Findings {
    /// Builds that follow another ledger than ours.
    misfits: Vec<Build>,
    /// Views that stand still: this start may know better.
    faulted: bool,
    /// Half-filled tables that nobody will finish …
    abandoned: Vec<Build>,
    /// … and the right to say so.
    locks: Option<BuildLocks>,
    /// Views of this release that no build serves.
    missing: bool,
    /// Builds of views that are no more, or of a release that nobody runs any more.
    gone: Vec<Build>,
}

impl Findings {
    fn none(&self) -> bool {
        self.misfits.is_empty() && !self.faulted && self.abandoned.is_empty() && !self.missing && self.gone.is_empty()
    }
}

impl Inner {
    /// Once per process, before the first pass.
    pub(crate) async fn ensure_once(&self) -> Result<(), RunnerError> {
        if !self.ensured.load(Ordering::SeqCst) {
            self.ensure().await?;
            self.ensured.store(true, Ordering::SeqCst);
        }
        Ok(())
    }

    async fn ensure(&self) -> Result<(), RunnerError> {
        // The ledger is compared before the transaction begins, which must not wait for anything outside.
        let mut findings = self.examine(&bookkeeping::read(&self.views).await?).await?;
        let locks = findings.locks.take();
        if !findings.none() {
            self.mend(&findings).await?;
        }
        if let Some(locks) = locks {
            locks.release().await;
        }
        Ok(())
    }

    /// Whoever waits for the bookkeeping as a whole keeps all runners waiting behind: so it is asked for again and again.
    async fn mend(&self, findings: &Findings) -> Result<(), RunnerError> {
        let mut attempt = 1;
        let retired = loop {
            match self.mend_bookkeeping(findings).await {
                Err(QueryError::Database(error)) if is_locked(&error) && attempt < MEND_ATTEMPTS_MAX => {
                    attempt += 1;
                    tokio::time::sleep(MEND_PAUSE).await;
                }
                mended => break mended?,
            }
        };
        for build in retired.iter().chain(&findings.abandoned).chain(&findings.gone) {
            self.drop_unread(build).await?;
        }
        Ok(())
    }

    /// Makes what is missing; tells which builds serve no more because they do not fit.
    async fn mend_bookkeeping(&self, findings: &Findings) -> Result<Vec<Build>, QueryError> {
        let mut tx = self.views.begin_quick().await?;
        tx.insist_on_no_lock().await?;
        let mut builds = bookkeeping::lock_all(&mut tx).await?;
        let mut retired = Vec::new();
        for build in builds.iter_mut().filter(|build| findings.misfits.contains(build)) {
            tracing::warn!(view = build.name, "a view does not fit the ledger and is computed again");
            (build.status, build.fault) = (BuildStatus::Retired, None);
            retired.push(build.clone());
        }
        bookkeeping::save(&mut tx, &retired, self.clock.now()).await?;
        self.retry_faulted(&mut tx, &builds).await?;
        for projection in &self.projections {
            if !builds.iter().any(|build| build.serves(projection.name(), projection.version())) {
                self.begin_build(&mut tx, projection, &builds, BuildStatus::Live).await?;
            }
        }
        tx.commit().await?;
        Ok(retired)
    }

    /// Drops a build that serves nobody, in a transaction of its own. Whoever reads its table, as a dump of the database
    /// does to its end, keeps it there, and nobody waits for that: then it is `false`, and the next who clears up does it.
    pub(crate) async fn drop_unread(&self, build: &Build) -> Result<bool, QueryError> {
        let mut tx = self.views.begin_quick().await?;
        tx.insist_on_no_lock().await?;
        let dropped = async {
            // Somebody else may have cleared up, or gone back to it.
            let found = bookkeeping::lock_build(&mut tx, build).await?;
            if found.is_some_and(|found| found.status == build.status) {
                bookkeeping::drop_build(&mut tx, build).await?;
            }
            tx.commit().await.map_err(QueryError::from)
        };
        match dropped.await {
            Ok(()) => Ok(true),
            Err(QueryError::Database(error)) if is_locked(&error) => {
                let Build { name: view, version, .. } = build;
                tracing::info!(
                    view,
                    version,
                    "an earlier build of a view stays for now, because its table is being read"
                );
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn examine(&self, builds: &[Build]) -> Result<Findings, RunnerError> {
        let mut findings = Findings::default();
        for build in builds.iter().filter(|build| self.is_idle(build)) {
            let locks = match &mut findings.locks {
                Some(locks) => locks,
                none => none.insert(self.views.build_locks().await?),
            };
            if locks.try_take(&build.name).await? {
                findings.abandoned.push(build.clone());
            }
        }
        let head = self.ledger.head().await?.position;
        let gone = |build: &&Build| view::GONE.contains(&build.name.as_str()) || self.is_deserted(build, head);
        findings.gone = builds.iter().filter(gone).cloned().collect();
        let mut leaves = HashMap::new();
        for build in builds.iter().filter(|build| build.status.serves()) {
            let leaf = match leaves.entry(build.position) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(unknown) => *unknown.insert(self.leaf_at(build.position).await?),
            };
            if leaf != build.leaf_hash {
                findings.misfits.push(build.clone());
            }
            findings.faulted |= build.status == BuildStatus::Faulted;
        }
        findings.missing = self.missing(builds).next().is_some();
        Ok(findings)
    }

    /// Whether a build has applied what the ledger has up to its position.
    pub(crate) async fn fits(&self, build: &Build) -> Result<bool, RunnerError> {
        Ok(self.leaf_at(build.position).await? == build.leaf_hash)
    }

    async fn leaf_at(&self, position: Position) -> Result<Option<Hash>, RunnerError> {
        if position == Position::START {
            return Ok(None);
        }
        let found = self.ledger.read(position.previous(), 1).await?;
        // A ledger that ends before the position must not look like one that has not begun.
        let missing = [0; 32];
        let leaf = found.first().filter(|event| event.position == position).map(|event| event.leaf_hash);
        Ok(Some(leaf.unwrap_or(missing)))
    }

    fn is_idle(&self, build: &Build) -> bool {
        build.status == BuildStatus::Building && self.idle_seconds(build) > ABANDONED_AFTER_SECONDS
    }

    /// Whether another release's build has not followed the ledger for so long that no node of that release is left. Nobody
    /// goes back to what that release kept, either.
    fn is_deserted(&self, build: &Build, head: Position) -> bool {
        let anothers = build.status != BuildStatus::Building && self.projection_of(build).is_none();
        anothers && build.position < head && self.idle_seconds(build) > DESERTED_AFTER_SECONDS
    }

    fn idle_seconds(&self, build: &Build) -> i64 {
        self.clock.now().as_microsecond().saturating_sub(build.updated_at) / 1_000_000
    }

    /// What stopped a view may be mended in this release; otherwise it stops again at once.
    async fn retry_faulted(&self, tx: &mut Tx, builds: &[Build]) -> Result<(), QueryError> {
        let ours =
            builds.iter().filter(|build| build.status == BuildStatus::Faulted && self.projection_of(build).is_some());
        let retried: Vec<Build> =
            ours.map(|build| Build { status: BuildStatus::Live, fault: None, ..build.clone() }).collect();
        bookkeeping::save(tx, &retried, self.clock.now()).await
    }

    /// Makes an empty table for the next build of a view, of `builds`, which the transaction has locked. A build beside the
    /// serving one gets its indexes when it is filled, which is faster.
    pub(crate) async fn begin_build(
        &self,
        tx: &mut Tx,
        projection: &Arc<dyn Projection>,
        builds: &[Build],
        status: BuildStatus,
    ) -> Result<Build, QueryError> {
        let version = bookkeeping::next_version(builds, projection.name());
        let build = Build::new(projection.name(), version, projection.version(), status);
        let table = tx.table(&build.name, build.version);
        // A table of that name belongs to nobody: its row in the bookkeeping was lost.
        tx.run(&format!("DROP TABLE IF EXISTS {table}")).await?;
        let create = projection.table().create(tx.is_postgres(), &table);
        tx.run(&create).await?;
        if status == BuildStatus::Live {
            for index in projection.table().create_indexes(&table) {
                tx.run(&index).await?;
            }
        }
        bookkeeping::save(tx, std::slice::from_ref(&build), self.clock.now()).await?;
        Ok(build)
    }
}
