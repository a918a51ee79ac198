//! Reading statistics.

use super::{DayCounts, StatisticsFold};
use crate::db::Value;
use crate::error::QueryError;
use crate::fold::Fold as _;
use crate::team_views::{TeamViews, state};
use crate::timeline::Day;

/// Days of one question at most.
const DAYS_MAX: i64 = 400;

impl TeamViews<'_> {
    /// What was recorded on the days from `from` to `until`, those on which anything was, the earliest first.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn daily(&self, from: Day, until: Day) -> Result<Vec<(Day, DayCounts)>, QueryError> {
        let sql = "SELECT doc, day FROM {table} WHERE team = $1 AND day >= $2 AND day <= $3 ORDER BY day LIMIT $4";
        let args =
            vec![self.team.into(), Value::text(from.to_string()), Value::text(until.to_string()), DAYS_MAX.into()];
        let mut days = Vec::new();
        for row in self.views.query(StatisticsFold::NAME, sql, args).await? {
            let corrupt = |message: String| QueryError::Corrupt { view: StatisticsFold::NAME, message };
            let day = row.text(1).map_err(|error| corrupt(error.to_string()))?;
            let day = day.parse().map_err(|error: crate::timeline::ParseDayError| corrupt(error.to_string()))?;
            days.push((day, state::<StatisticsFold>(&row)?));
        }
        Ok(days)
    }
}
