//! One pass: a page of events for the views that are nearly there, and one for those that are far behind.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use keyledger_events::Position;

use super::advance::{Care, Stopped, advance};
use super::batch::Batch;
use super::{At, Inner, PassOutcome, RunnerError};
use crate::bookkeeping::{self, Build, BuildStatus, Fault};

/// Events of a page.
const PAGE_EVENTS: u32 = 1_000;

impl Inner {
    pub(super) async fn pass(&self, at: At) -> Result<PassOutcome, RunnerError> {
        // Checkpoints first: the head, read later, is not before any of them.
        let mut builds = bookkeeping::read(&self.views).await?;
        let head = self.ledger.head().await?.position;
        if self.missing(&builds).next().is_some() {
            // Whoever computes it by other code has dropped ours: it is made again.
            self.ensured.store(false, Ordering::SeqCst);
        }
        let starts = self.starts(&builds, head);
        if starts.is_empty() {
            self.publish(head, &builds);
        }
        let mut moved = false;
        for from in starts {
            let batch = Batch::decode(self.ledger.read(from, PAGE_EVENTS).await?, &self.projections);
            self.note_stuck(&builds, from, &batch);
            moved |= self.advance_carefully(&batch, at).await?;
            // Where the views are now, whoever brought them there.
            builds = bookkeeping::read(&self.views).await?;
            self.publish(head, &builds);
        }
        let caught_up = self.behind(&builds, head).next().is_none();
        Ok(PassOutcome { head, caught_up, contended: !moved && !caught_up })
    }

    /// Where pages begin. Views that are less than a page behind do not wait for one that is computed anew, which may take
    /// minutes: sales are interpreted and mails sent meanwhile.
    fn starts(&self, builds: &[Build], head: Position) -> Vec<Position> {
        let positions = self.behind(builds, head).map(|build| build.position);
        let (near, far): (Vec<_>, Vec<_>) =
            positions.partition(|position| head.0 - position.0 <= i64::from(PAGE_EVENTS));
        [near, far].into_iter().filter_map(|group| group.into_iter().min()).collect()
    }

    /// As [`Inner::advance`], prepared for faults where there is one.
    async fn advance_carefully(&self, batch: &Batch, at: At) -> Result<bool, RunnerError> {
        let moved = match self.advance(batch, Care::Hopeful, at).await {
            Err(Stopped::Fault) => self.advance(batch, Care::Careful, at).await,
            other => other,
        };
        moved.map_err(|stopped| match stopped {
            Stopped::Views(error) => RunnerError::Views(error),
            // One that is careful does not stop for a fault.
            Stopped::Fault => RunnerError::from(sqlx::Error::Protocol("a view stopped at a fault".to_owned())),
        })
    }

    /// Applies the page to all live views in one transaction; whether any of them moved.
    async fn advance(&self, batch: &Batch, care: Care, at: At) -> Result<bool, Stopped> {
        let mut tx = match at {
            At::TheSpot => self.views.begin_on_the_spot().await?,
            At::TheStore => self.views.begin_quick().await?,
        };
        let mut moved = Vec::new();
        let builds = bookkeeping::lock_live(&mut tx).await?;
        for build in builds {
            if let Some(projection) = self.projection_of(&build) {
                moved.extend(advance(&mut tx, projection.as_ref(), build, batch, care).await?);
            }
        }
        bookkeeping::save(&mut tx, &moved, self.clock.now()).await?;
        tx.commit().await?;
        Ok(!moved.is_empty())
    }

    /// The builds that this process can bring forward.
    fn behind<'a>(&'a self, builds: &'a [Build], head: Position) -> impl Iterator<Item = &'a Build> {
        builds.iter().filter(move |build| {
            let live = build.status == BuildStatus::Live && self.projection_of(build).is_some();
            live && build.position < head && self.stuck(build).is_none()
        })
    }

    /// Remembers which views come to an event that only a newer release can read, in a page behind `from`. The bookkeeping
    /// does not say so: a node of that release may bring them further.
    fn note_stuck(&self, builds: &[Build], from: Position, batch: &Batch) {
        let mut stuck = self.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        for build in builds.iter().filter(|build| build.status == BuildStatus::Live && build.position >= from) {
            let Some(projection) = self.projection_of(build) else { continue };
            let stop = batch.stop(projection.as_ref(), build.position).filter(|stop| stop.newer);
            let Some(fault) = stop.map(|stop| stop.fault.clone()) else { continue };
            if stuck.get(&build.name) != Some(&fault) {
                let (view, position, reason) = (&build.name, fault.position.0, &fault.message);
                tracing::error!(view, position, reason, "a view stands still in this process");
                stuck.insert(build.name.clone(), fault);
            }
        }
    }

    /// Why this process cannot bring a build further, if it is there.
    pub(super) fn stuck(&self, build: &Build) -> Option<Fault> {
        let stuck = self.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        stuck.get(&build.name).filter(|fault| fault.position == build.position.next()).cloned()
    }
}
