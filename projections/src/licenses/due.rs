//! For which licences a LicenseExpired is owed, and from when; and of which ends their buyers are to be reminded. Durable
//! timers, as columns of the view.

use keyledger_events::{TeamId, Timestamp};
use uuid::Uuid;

use super::LicensesFold;
use crate::db::ViewStore;
use crate::error::QueryError;
use crate::fold::Fold as _;
use crate::team_views::{TeamViews, state};

/// A licence that ran out without the ledger saying so yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiration {
    /// Whose licence.
    pub team: TeamId,
    /// Which one.
    pub license_id: Uuid,
    /// When it ran out.
    pub due_at: Timestamp,
    /// The number of events in its stream: the version to append LicenseExpired at.
    pub version: i64,
}

/// A licence that runs out soon without the ledger saying so yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reminder {
    /// Which one.
    pub license_id: Uuid,
    /// When it runs out.
    pub expires_at: Timestamp,
}

impl TeamViews<'_> {
    /// The team's licences for which a LicenseExpiringSoon is owed at `now`: those that run out within `lead_seconds`
    /// but have not yet, and that last longer than that. The nearest end first.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn due_reminders(
        &self,
        now: Timestamp,
        lead_seconds: i64,
        limit: u32,
    ) -> Result<Vec<Reminder>, QueryError> {
        let lead = lead_seconds.saturating_mul(1_000_000);
        let sql = "SELECT doc FROM {table} WHERE team = $1 AND remind_end IS NOT NULL AND remind_end > $2 \
                   AND remind_end <= $3 AND remind_term > $4 ORDER BY remind_end LIMIT $5";
        let until = now.as_microsecond().saturating_add(lead);
        let args = vec![self.team.into(), now.into(), until.into(), lead.into(), i64::from(limit).into()];
        let rows = self.views.query(LicensesFold::NAME, sql, args).await?;
        let mut due = Vec::with_capacity(rows.len());
        for row in &rows {
            let license = state::<LicensesFold>(row)?;
            due.extend(license.reminder_owed().map(|expires_at| Reminder { license_id: license.id, expires_at }));
        }
        Ok(due)
    }
}

impl ViewStore {
    /// The licences of all teams for which a LicenseExpired is owed at `now`, longest due first.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn due_expirations(&self, now: Timestamp, limit: u32) -> Result<Vec<Expiration>, QueryError> {
        let sql = "SELECT doc, team FROM {table} WHERE due_at IS NOT NULL AND due_at <= $1 ORDER BY due_at LIMIT $2";
        let rows = self.query(LicensesFold::NAME, sql, vec![now.into(), i64::from(limit).into()]).await?;
        let mut due = Vec::with_capacity(rows.len());
        for row in &rows {
            let license = state::<LicensesFold>(row)?;
            if let Some(due_at) = license.expiration_owed() {
                due.push(Expiration {
                    team: TeamId(row.uuid(1)?),
                    license_id: license.id,
                    due_at,
                    version: license.version,
                });
            }
        }
        Ok(due)
    }
}
