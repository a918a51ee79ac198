//! Forms of the dashboard that are sent once: what makes a new key must not make a second one unawares.

use keyledger_events::clock::DAY_US;
use keyledger_events::{TeamId, Timestamp};
use uuid::Uuid;

use super::store::table;
use super::{Activity, ActivityError, before};

/// How long it is known that a form was used, in days; a page that makes one is long gone by then.
const USED_DAYS: i64 = 30;

impl Activity {
    /// Claims a form, to do its work. `false` when somebody has; of two at once one is told `true`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn claim_form(&self, team: TeamId, form: Uuid, now: Timestamp) -> Result<bool, ActivityError> {
        let sql = format!(
            "INSERT INTO {} (team, form_id, used_at) VALUES ($1, $2, $3) ON CONFLICT (team, form_id) DO NOTHING",
            table(&self.database, "used_form")
        );
        let mut tx = self.database.begin().await?;
        let claimed = tx.execute(sql, vec![team.into(), form.into(), now.into()]).await?;
        tx.commit().await?;
        Ok(claimed == 1)
    }

    /// Gives a form back whose work could not be done.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn release_form(&self, team: TeamId, form: Uuid) -> Result<(), ActivityError> {
        let sql = format!("DELETE FROM {} WHERE team = $1 AND form_id = $2", table(&self.database, "used_form"));
        let mut tx = self.database.begin().await?;
        tx.execute(sql, vec![team.into(), form.into()]).await?;
        Ok(tx.commit().await?)
    }

    /// Forgets which forms were used long ago.
    pub(super) async fn purge_forms(&self, now: Timestamp) -> Result<(), ActivityError> {
        let sql = format!("DELETE FROM {} WHERE used_at < $1", table(&self.database, "used_form"));
        let mut tx = self.database.begin().await?;
        tx.execute(sql, vec![before(now, USED_DAYS * DAY_US).into()]).await?;
        Ok(tx.commit().await?)
    }
}
