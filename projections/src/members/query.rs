//! Reading members.

use keyledger_events::TeamId;
use uuid::Uuid;

use super::{Member, MembersFold};
use crate::db::{Row, Value, ViewStore};
use crate::error::QueryError;
use crate::fold::Fold as _;
use crate::page::{Conditions, Page, list};
use crate::team_views::{TeamViews, state};

/// Teams that one address is looked up in at most.
pub const MEMBERSHIPS_MAX: i64 = 100;

impl TeamViews<'_> {
    /// A member, removed or not; `None` when the team has none of this id.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn member(&self, id: Uuid) -> Result<Option<Member>, QueryError> {
        self.document::<MembersFold>(id).await
    }

    /// Members and invited people, the latest first.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn members(&self, page: Page) -> Result<Vec<Member>, QueryError> {
        let conditions = Conditions::default().equal("team", self.team).equal("removed", false);
        list(self.views, MembersFold::NAME, "created_position", conditions, page, state::<MembersFold>).await
    }
}

impl ViewStore {
    /// Who has this mail address's fingerprint, in every team, at most [`MEMBERSHIPS_MAX`] of them.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn members_by_email(&self, email_lookup: &str) -> Result<Vec<(TeamId, Member)>, QueryError> {
        let sql = "SELECT doc, team FROM {table} WHERE email_lookup = $1 AND removed = $2 \
                   ORDER BY created_position LIMIT $3";
        let args = vec![Value::text(email_lookup), false.into(), MEMBERSHIPS_MAX.into()];
        self.query(MembersFold::NAME, sql, args).await?.iter().map(with_team).collect()
    }

    /// Who was invited with the token of this hash and has not joined yet.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn member_by_invitation(&self, token_sha256: &str) -> Result<Option<(TeamId, Member)>, QueryError> {
        let sql = "SELECT doc, team FROM {table} WHERE invitation = $1";
        let rows = self.query(MembersFold::NAME, sql, vec![Value::text(token_sha256)]).await?;
        rows.first().map(with_team).transpose()
    }

    /// Whether anybody is or was a member of any team.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn any_member(&self) -> Result<bool, QueryError> {
        Ok(!self.query(MembersFold::NAME, "SELECT 1 FROM {table} LIMIT 1", Vec::new()).await?.is_empty())
    }
}

fn with_team(row: &Row) -> Result<(TeamId, Member), QueryError> {
    let corrupt =
        |error: crate::db::ColumnError| QueryError::Corrupt { view: MembersFold::NAME, message: error.to_string() };
    Ok((TeamId(row.uuid(1).map_err(corrupt)?), state::<MembersFold>(row)?))
}
