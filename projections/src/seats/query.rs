//! Reading seats.

use uuid::Uuid;

use super::{Seat, SeatKind, SeatsFold};
use crate::db::Value;
use crate::error::QueryError;
use crate::fold::Fold as _;
use crate::team_views::{TeamViews, state};

impl TeamViews<'_> {
    /// All devices or all addresses that hold or held a seat of a licence, the first first.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn seats(&self, license_id: Uuid, kind: SeatKind) -> Result<Vec<Seat>, QueryError> {
        let sql = "SELECT doc FROM {table} WHERE team = $1 AND license_id = $2 AND kind = $3 ORDER BY created_position";
        let args = vec![self.team.into(), license_id.into(), Value::text(kind.as_str())];
        self.views.query(SeatsFold::NAME, sql, args).await?.iter().map(state::<SeatsFold>).collect()
    }
}
