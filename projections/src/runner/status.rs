//! What the runner tells the rest of the process.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyledger_events::Position;

use super::Inner;
use crate::bookkeeping::{Build, Fault};
use crate::projection::Projection;

/// How far a view is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewProgress {
    /// The build that serves.
    pub version: i64,
    /// The last event applied.
    pub position: Position,
    /// The last event that changed a row: what was cached before it is stale.
    pub changed_position: Position,
    /// Why it stands still, if it does.
    pub fault: Option<Fault>,
}

/// How far the views of this release are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunnerStatus {
    /// The ledger's end, as of the last pass.
    pub head: Position,
    /// By name.
    pub views: BTreeMap<String, ViewProgress>,
    /// Views of this release that no build serves, once that is known.
    pub missing: Vec<&'static str>,
    /// Why pass after pass has failed; `None` once one has not.
    pub failure: Option<String>,
}

impl RunnerStatus {
    /// Events that the slowest view has not applied yet; faulted views count too.
    pub fn lag_events(&self) -> i64 {
        self.views.values().map(|view| (self.head.0 - view.position.0).max(0)).max().unwrap_or(self.head.0)
    }

    /// The first view that stands still.
    pub fn fault(&self) -> Option<(&str, &Fault)> {
        self.views.iter().find_map(|(name, view)| Some((name.as_str(), view.fault.as_ref()?)))
    }
}

impl Inner {
    /// The views of this release that no build serves.
    pub(super) fn missing(&self, builds: &[Build]) -> impl Iterator<Item = &'static str> {
        let served = |projection: &&Arc<dyn Projection>| {
            builds.iter().any(|build| build.serves(projection.name(), projection.version()))
        };
        self.projections.iter().filter(move |projection| !served(projection)).map(|projection| projection.name())
    }

    /// Tells the process how far the views are. Which builds serve becomes known first: whoever waits for a
    /// position reads the table that has it.
    pub(super) fn publish(&self, head: Position, builds: &[Build]) {
        self.views.note_serving(builds);
        let mut views = BTreeMap::new();
        for build in builds.iter().filter(|build| build.status.serves() && self.projection_of(build).is_some()) {
            let progress = ViewProgress {
                version: build.version,
                position: build.position,
                changed_position: build.changed_position,
                fault: build.fault.clone().or_else(|| self.stuck(build)),
            };
            views.insert(build.name.clone(), progress);
        }
        let status = RunnerStatus { head, views, missing: self.missing(builds).collect(), failure: None };
        self.note_standing(&status);
        self.status.send_if_modified(|old| {
            let changed = *old != status;
            *old = status;
            changed
        });
    }
}
