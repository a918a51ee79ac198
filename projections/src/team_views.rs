//! Reading, scoped to one team by a type: there is no way to ask these views without saying whose they are.

use keyledger_events::TeamId;
use uuid::Uuid;

use crate::db::{Row, Value, ViewStore};
use crate::error::QueryError;
use crate::fold::Fold;

/// Ids of one query at most.
const IDS_PER_QUERY: usize = 256;

/// What is known of one team. The queries are in the folders of the views that they read.
#[derive(Debug, Clone, Copy)]
pub struct TeamViews<'a> {
    pub(crate) views: &'a ViewStore,
    pub(crate) team: TeamId,
}

impl ViewStore {
    /// The views of a team, whether it exists or not.
    pub fn team(&self, team: TeamId) -> TeamViews<'_> {
        TeamViews { views: self, team }
    }
}

impl TeamViews<'_> {
    /// Whose views these are.
    pub fn team_id(&self) -> TeamId {
        self.team
    }

    /// One document by the id of its row.
    pub(crate) async fn document<F: Fold>(&self, id: impl Into<Value>) -> Result<Option<F::State>, QueryError> {
        let key = F::TABLE.second_key_name();
        let sql = format!("SELECT {} FROM {{table}} WHERE team = $1 AND {key} = $2", F::TABLE.state_name());
        let rows = self.views.query(F::NAME, &sql, vec![self.team.into(), id.into()]).await?;
        rows.first().map(state::<F>).transpose()
    }

    /// The documents with these ids that there are, in no particular order.
    pub(crate) async fn documents<F: Fold>(&self, ids: &[Uuid]) -> Result<Vec<F::State>, QueryError> {
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(IDS_PER_QUERY) {
            // Padded to a fixed size, so that one prepared statement serves lists of any length.
            let padding = if chunk.len() == 1 { 0 } else { IDS_PER_QUERY - chunk.len() };
            let padded = chunk.iter().chain(chunk.last().into_iter().cycle().take(padding));
            let mut args = vec![Value::from(self.team)];
            args.extend(padded.map(|id| Value::from(*id)));
            let places = (2..=args.len()).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ");
            let (state_name, key) = (F::TABLE.state_name(), F::TABLE.second_key_name());
            let sql = format!("SELECT {state_name} FROM {{table}} WHERE team = $1 AND {key} IN ({places})");
            for row in self.views.query(F::NAME, &sql, args).await? {
                found.push(state::<F>(&row)?);
            }
        }
        Ok(found)
    }
}

/// The state in a row's first column.
pub(crate) fn state<F: Fold>(row: &Row) -> Result<F::State, QueryError> {
    let stored = row.values().first().ok_or_else(|| "the row has no columns".to_owned());
    stored.and_then(F::decode).map_err(|message| QueryError::Corrupt { view: F::NAME, message })
}
