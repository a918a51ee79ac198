//! What an admin sees of the views.

use std::collections::HashMap;

use keyledger_events::{Position, RecordedEvent, StreamId, TeamId, Timestamp, clock};
use serde::Serialize;
use uuid::Uuid;

use super::{Inner, Runner, RunnerError};
use crate::bookkeeping::{self, Build, BuildStatus, Fault};
use crate::db::TableName;
use crate::digest::{Digest, digest};
use crate::error::QueryError;

/// One build of a view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ViewReport {
    /// The view.
    pub name: String,
    /// The build.
    pub version: i64,
    /// The version of the code that computes it.
    pub code_version: i64,
    /// What it is good for.
    pub status: BuildStatus,
    /// The last event applied.
    pub position: Position,
    /// Events of the ledger after it.
    pub lag_events: i64,
    /// Since when the first of them waits, in whole seconds; 0 when there is none.
    pub lag_seconds: i64,
    /// Why it stands still, if it does.
    pub fault: Option<FaultReport>,
    /// When it last moved.
    pub updated_at: Option<Timestamp>,
    /// Whether this release reads and fills it, or another one that runs beside it or ran before.
    #[serde(skip)]
    pub ours: bool,
}

impl ViewReport {
    /// Whether queries read it.
    pub fn serves(&self) -> bool {
        self.status.serves()
    }
}

/// Why and at what a view stands still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FaultReport {
    /// Where the event stands.
    pub position: Position,
    /// The event; `None` when the ledger has none there.
    pub event: Option<FaultedEvent>,
    /// Why it could not be applied.
    pub message: String,
}

/// The event that a view has no answer to, by its names; what it says may be sealed or unreadable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultedEvent {
    /// Its id.
    pub id: Uuid,
    /// The type's name.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Its stream.
    pub stream: StreamId,
    /// Whose it is.
    pub team_id: TeamId,
}

/// Single events of the ledger, each read once.
struct Events<'a> {
    inner: &'a Inner,
    read: HashMap<Position, Option<RecordedEvent>>,
}

impl Events<'_> {
    async fn at(&mut self, position: Position) -> Result<Option<&RecordedEvent>, RunnerError> {
        if !self.read.contains_key(&position) {
            let found = self.inner.ledger.read(position.previous(), 1).await?;
            self.read.insert(position, found.into_iter().next().filter(|event| event.position == position));
        }
        Ok(self.read.get(&position).and_then(Option::as_ref))
    }

    async fn fault(&mut self, fault: Fault) -> Result<FaultReport, RunnerError> {
        let event = self.at(fault.position).await?.map(|event| FaultedEvent {
            id: event.event_id,
            event_type: event.event_type.clone(),
            stream: event.stream,
            team_id: event.team,
        });
        Ok(FaultReport { position: fault.position, event, message: fault.message })
    }

    async fn lag_seconds(&mut self, build: &Build, head: Position) -> Result<i64, RunnerError> {
        if build.position >= head {
            return Ok(0);
        }
        let now = self.inner.clock.now().as_second();
        let waiting = self.at(build.position.next()).await?;
        Ok(waiting.map_or(0, |event| (now - event.recorded_at.as_second()).max(0)))
    }
}

impl Runner {
    /// All builds of all views, in order of name and version.
    ///
    /// # Errors
    /// When ledger or views cannot be reached.
    pub async fn list(&self) -> Result<Vec<ViewReport>, RunnerError> {
        self.inner.ensure_once().await?;
        let builds = bookkeeping::read(&self.inner.views).await?;
        let head = self.inner.ledger.head().await?.position;
        let mut events = Events { inner: &self.inner, read: HashMap::new() };
        let mut reports = Vec::with_capacity(builds.len());
        for build in builds {
            let lag_seconds = events.lag_seconds(&build, head).await?;
            let stuck = if build.status == BuildStatus::Live { self.inner.stuck(&build) } else { None };
            let fault = match build.fault.clone().or(stuck) {
                Some(fault) => Some(events.fault(fault).await?),
                None => None,
            };
            reports.push(ViewReport {
                ours: self.inner.projection_of(&build).is_some(),
                lag_events: (head.0 - build.position.0).max(0),
                lag_seconds,
                name: build.name,
                version: build.version,
                code_version: build.code_version,
                status: build.status,
                position: build.position,
                fault,
                updated_at: clock::from_microseconds(build.updated_at),
            });
        }
        Ok(reports)
    }

    /// The digest of a build's rows; see [`Digest`]. Rows that change meanwhile are seen before or after.
    ///
    /// # Errors
    /// When there is no such view, or its table cannot be read.
    pub async fn digest(&self, name: &str, version: i64) -> Result<Digest, RunnerError> {
        let projection = self.inner.projections.iter().find(|projection| projection.name() == name);
        let unknown = || QueryError::Bookkeeping(format!("there is no view `{name}`"));
        let table = projection.ok_or_else(unknown)?.table();
        let table_name = TableName::of(self.inner.views.is_postgres(), name, version);
        Ok(digest(&self.inner.views, table, &table_name).await?)
    }
}
