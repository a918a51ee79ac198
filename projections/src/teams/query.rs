//! Reading teams.

use super::{TeamConfig, TeamsFold};
use crate::db::ViewStore;
use crate::error::QueryError;
use crate::fold::Fold as _;
use crate::team_views::{TeamViews, state};

impl TeamViews<'_> {
    /// The team itself, in one query; `None` when it does not exist.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn config(&self) -> Result<Option<TeamConfig>, QueryError> {
        let sql = "SELECT doc FROM {table} WHERE team = $1";
        let rows = self.views.query(TeamsFold::NAME, sql, vec![self.team.into()]).await?;
        rows.first().map(state::<TeamsFold>).transpose()
    }
}

impl ViewStore {
    /// All teams, oldest first. For the command line, which may see them all.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn teams(&self) -> Result<Vec<TeamConfig>, QueryError> {
        let rows = self.query(TeamsFold::NAME, "SELECT doc FROM {table} ORDER BY created_position", vec![]).await?;
        rows.iter().map(state::<TeamsFold>).collect()
    }
}
