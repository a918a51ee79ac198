//! The provider events of a stretch of the ledger, the oldest first, and how many there are of each outcome.

use keyledger_events::Position;
use serde::Serialize;

use super::{InboxEntry, InboxFold, Outcome};
use crate::db::Value;
use crate::error::QueryError;
use crate::fold::Fold as _;
use crate::team_views::{TeamViews, state};

/// How many provider events came to which end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcomes {
    /// They had their effect.
    pub applied: u64,
    /// We have no use for them.
    pub ignored: u64,
    /// We cannot honour them, or not all of them.
    pub rejected: u64,
    /// They have no conclusion yet.
    pub pending: u64,
}

impl Outcomes {
    /// All of them.
    pub fn total(self) -> u64 {
        self.applied + self.ignored + self.rejected + self.pending
    }
}

impl TeamViews<'_> {
    /// Provider events that were recorded behind `after` and up to `last`, with an outcome or with any, the oldest first,
    /// at most `limit`.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn inbox_between(
        &self,
        after: Position,
        last: Position,
        outcome: Option<Outcome>,
        limit: u32,
    ) -> Result<Vec<InboxEntry>, QueryError> {
        let with_outcome = if outcome.is_some() { " AND outcome = $5" } else { "" };
        let sql = format!(
            "SELECT doc FROM {{table}} WHERE team = $1 AND received_position > $2 AND received_position <= $3\
             {with_outcome} ORDER BY received_position LIMIT $4"
        );
        let mut args = vec![self.team.into(), after.into(), last.into(), i64::from(limit).into()];
        args.extend(outcome.map(|outcome| Value::text(outcome.as_str())));
        self.views.query(InboxFold::NAME, &sql, args).await?.iter().map(state::<InboxFold>).collect()
    }

    /// The outcomes of the provider events that were recorded behind `after` and up to `last`.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn outcomes_between(&self, after: Position, last: Position) -> Result<Outcomes, QueryError> {
        let sql = "SELECT outcome, COUNT(*) FROM {table} WHERE team = $1 AND received_position > $2 \
                   AND received_position <= $3 GROUP BY outcome";
        let rows = self.views.query(InboxFold::NAME, sql, vec![self.team.into(), after.into(), last.into()]).await?;
        let mut outcomes = Outcomes::default();
        for row in &rows {
            let (word, count) = (row.text(0)?, row.int(1)?.unsigned_abs());
            match [Outcome::Applied, Outcome::Ignored, Outcome::Rejected].into_iter().find(|it| it.as_str() == word) {
                Some(Outcome::Applied) => outcomes.applied = count,
                Some(Outcome::Ignored) => outcomes.ignored = count,
                Some(Outcome::Rejected) => outcomes.rejected = count,
                _ => outcomes.pending += count,
            }
        }
        Ok(outcomes)
    }
}
