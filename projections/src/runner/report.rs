//! What an admin sees of the views.

use keyledger_events::Position;
use keyledger_events::{Timestamp, clock};
use serde::Serialize;

use super::{Runner, RunnerError};
use crate::bookkeeping::{self, BuildStatus, Fault};
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
    /// What it is good for.
    pub status: BuildStatus,
    /// The last event applied.
    pub position: Position,
    /// Events of the ledger after it.
    pub lag_events: i64,
    /// Why it stands still, if it does.
    pub fault: Option<Fault>,
    /// When it last moved.
    pub updated_at: Option<Timestamp>,
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
        let report = |build: bookkeeping::Build| ViewReport {
            lag_events: (head.0 - build.position.0).max(0),
            name: build.name,
            version: build.version,
            status: build.status,
            position: build.position,
            fault: build.fault,
            updated_at: clock::from_microseconds(build.updated_at),
        };
        Ok(builds.into_iter().map(report).collect())
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
