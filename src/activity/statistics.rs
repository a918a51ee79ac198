//! Figures about the requests log.

use std::collections::BTreeMap;

use keyledger_events::clock::DAY_US;
use keyledger_events::{TeamId, Timestamp};
use keyledger_projections::Database;

use super::entry::RequestKind;
use super::pending::Used;
use super::store::table;
use super::{ActivityError, before};

const HOUR_US: i64 = 3_600 * 1_000_000;
/// Countries that are listed.
const COUNTRIES_MAX: u32 = 10;

/// Figures about a team's requests in the last 30 days.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestStatistics {
    /// All of them.
    pub total: i64,
    /// Those answered VALID.
    pub successful: i64,
    /// By kind, those that there were.
    pub by_kind: BTreeMap<&'static str, i64>,
    /// The countries with the most requests, where countries are known.
    pub by_country: Vec<(String, i64)>,
    /// Those of the last day.
    pub last_24_hours: i64,
    /// Those of the last week.
    pub last_7_days: i64,
    /// Licences verified with success in the last hour.
    pub licenses_used_last_hour: i64,
}

pub(super) async fn read(
    database: &Database,
    team: TeamId,
    now: Timestamp,
) -> Result<RequestStatistics, ActivityError> {
    let log = table(database, "request");
    let grouped = format!(
        "SELECT kind, code, COUNT(*), COUNT(CASE WHEN at >= $3 THEN 1 END), COUNT(CASE WHEN at >= $4 THEN 1 END) \
         FROM {log} WHERE at >= $1 AND team = $2 GROUP BY kind, code"
    );
    let args =
        vec![before(now, 30 * DAY_US).into(), team.into(), before(now, 7 * DAY_US).into(), before(now, DAY_US).into()];
    let mut figures = RequestStatistics::default();
    for row in database.fetch(grouped, args).await? {
        let count = row.int(2)?;
        figures.total += count;
        if row.text(1)? == "VALID" {
            figures.successful += count;
        }
        *figures.by_kind.entry(RequestKind::of_number(row.int(0)?).as_upper()).or_default() += count;
        figures.last_7_days += row.int(3)?;
        figures.last_24_hours += row.int(4)?;
    }
    let countries = format!(
        "SELECT country, COUNT(*) FROM {log} WHERE at >= $1 AND team = $2 AND country IS NOT NULL \
         GROUP BY country ORDER BY COUNT(*) DESC, country LIMIT {COUNTRIES_MAX}"
    );
    for row in database.fetch(countries, vec![before(now, 30 * DAY_US).into(), team.into()]).await? {
        figures.by_country.push((row.text(0)?.to_owned(), row.int(1)?));
    }
    let used =
        format!("SELECT COUNT(*) FROM {} WHERE team = $1 AND kind = $2 AND used_at >= $3", table(database, "used"));
    let args = vec![team.into(), Used::License.number().into(), before(now, HOUR_US).into()];
    if let Some(row) = database.fetch(used, args).await?.first() {
        figures.licenses_used_last_hour = row.int(0)?;
    }
    Ok(figures)
}
