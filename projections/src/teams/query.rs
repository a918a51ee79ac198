//! Reading teams.

use keyledger_events::TeamId;

use super::{Reminders, TeamConfig, TeamsFold};
use crate::db::{Row, ViewStore};
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
    /// The teams whose buyers are reminded, and how.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn reminding_teams(&self) -> Result<Vec<(TeamId, Reminders)>, QueryError> {
        let sql = "SELECT team, reminder_days, reminder_mail FROM {table} WHERE reminder_days IS NOT NULL";
        let corrupt = |message: String| QueryError::Corrupt { view: TeamsFold::NAME, message };
        let team = |row: &Row| {
            let days = u32::try_from(row.int(1)?).map_err(|error| corrupt(error.to_string()))?;
            Ok((TeamId(row.uuid(0)?), Reminders { days, mail: row.int(2)? != 0 }))
        };
        self.query(TeamsFold::NAME, sql, Vec::new()).await?.iter().map(team).collect()
    }

    /// All teams, oldest first. For the command line, which may see them all.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn teams(&self) -> Result<Vec<TeamConfig>, QueryError> {
        let rows = self.query(TeamsFold::NAME, "SELECT doc FROM {table} ORDER BY created_position", vec![]).await?;
        rows.iter().map(state::<TeamsFold>).collect()
    }
}
