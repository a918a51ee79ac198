//! `/api/v1/dev/teams/{teamId}/statistics`: figures for a seller's own dashboard.

use std::time::{Duration, Instant};

use axum::extract::State;
use keyledger_events::{TeamId, Timestamp};
use keyledger_projections::{LicenseFilter, view};
use moka::sync::Cache;
use serde_json::{Value, json};

use crate::admin::AdminError;
use crate::app::App;
use crate::http::Front;
use crate::http::access::Access;
use crate::http::envelope::{ApiError, Reply};
use crate::http::openapi::{Envelope, Errors, Figures, TeamPath};

/// What may be counted each time somebody asks.
const CHEAP: Duration = Duration::from_millis(100);
/// How many times as long as it took to count them other figures are shown again: counting a million licences takes a
/// moment, and is not to take more than a small part of the time however often somebody asks.
const CACHED_TIMES: u32 = 20;
/// How long they are shown again at most.
const CACHED_MAX: Duration = Duration::from_secs(60);
/// Teams whose figures are kept.
const CACHED_TEAMS_MAX: u64 = 1_000;
/// Products that are listed.
const PRODUCTS_MAX: usize = 5;
/// Products whose licences are counted, the first ones made; a seller with more of them sees the rest elsewhere.
const COUNTED_PRODUCTS_MAX: usize = 50;

/// Figures that were counted a moment ago, each with the time until which they are shown.
#[derive(Clone)]
pub(crate) struct StatisticsCache(Cache<TeamId, (Instant, Value)>);

impl Default for StatisticsCache {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(CACHED_TEAMS_MAX).time_to_live(CACHED_MAX).build())
    }
}

impl StatisticsCache {
    fn get(&self, team: TeamId) -> Option<Value> {
        self.0.get(&team).filter(|(until, _)| Instant::now() < *until).map(|(_, figures)| figures)
    }

    /// Keeps figures that were not cheap to count.
    fn keep(&self, team: TeamId, figures: &Value, took: Duration) {
        if took > CHEAP {
            self.0.insert(team, (Instant::now() + took.saturating_mul(CACHED_TIMES).min(CACHED_MAX), figures.clone()));
        }
    }
}

#[utoipa::path(
    get,
    operation_id = "getTeamStatistics",
    path = "/api/v1/dev/teams/{teamId}/statistics",
    tag = "Verifications",
    summary = "Figures about licences and requests",
    description = "Where there is so much to count that it takes a moment, the figures may be up to a minute old.",
    params(TeamPath),
    responses((status = 200, description = "Done", body = Envelope<Figures>), Errors),
    security(("bearer" = []))
)]
pub(super) async fn show(access: Access, State(front): State<Front>) -> Result<Reply, ApiError> {
    let figures = match front.statistics.get(access.team_id) {
        Some(figures) => figures,
        None => {
            let (figures, took) = count(&front.app, &access, front.app.clock.now()).await?;
            front.statistics.keep(access.team_id, &figures, took);
            figures
        }
    };
    Reply::ok("Statistics retrieved", &figures)
}

/// Counts, and tells how long that took.
async fn count(app: &App, access: &Access, now: Timestamp) -> Result<(Value, Duration), AdminError> {
    app.catch_up(&[view::LICENSES, view::CUSTOMERS, view::PRODUCTS]).await?;
    let begun = Instant::now();
    let views = app.views.team(access.team_id);
    let requests = app.activity.statistics(access.team_id, now).await?;
    let mut products = Vec::new();
    for (id, product) in access.team.products.iter().take(COUNTED_PRODUCTS_MAX) {
        let filter = LicenseFilter { product_ids: vec![*id], ..LicenseFilter::default() };
        products.push((views.count_licenses(&filter).await?, *id, product.name.clone()));
    }
    products.sort_by(|one, two| two.cmp(one));
    let top: Vec<_> = products
        .into_iter()
        .take(PRODUCTS_MAX)
        .map(|(licenses, id, name)| json!({ "id": id, "name": name, "licenses": licenses }))
        .collect();
    let countries: Vec<_> = requests
        .by_country
        .iter()
        .map(|(country, count)| json!({ "country": country, "alpha2": country, "alpha3": null, "requests": count }))
        .collect();
    let figures = json!({
        "overview": {
            "totalLicenses": views.count_licenses(&LicenseFilter::default()).await?,
            "totalCustomers": views.count_customers(None).await?,
            "totalProducts": access.team.products.len(),
            "activeLicenses": requests.licenses_used_last_hour,
            "totalRequests": requests.total,
        },
        "requests": {
            "total": requests.total,
            "successful": requests.successful,
            "failed": requests.total - requests.successful,
            "successRate": percent(requests.successful, requests.total),
            "byType": requests.by_kind,
        },
        "topCountries": countries,
        "topProducts": top,
        "recentActivity": {
            "last24h": requests.last_24_hours, "last7d": requests.last_7_days, "last30d": requests.total,
        },
    });
    Ok((figures, begun.elapsed()))
}

/// A percentage with two decimals; of nothing it is 0.
#[expect(clippy::cast_precision_loss, reason = "a hundredth of a percent needs no more than 53 bits")]
fn percent(part: i64, whole: i64) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64 * 10_000.0).round() / 100.0 }
}

#[cfg(test)]
mod tests {
    use keyledger_events::id;

    use super::*;

    #[test]
    fn what_is_cheap_to_count_is_counted_each_time() {
        let (cache, team) = (StatisticsCache::default(), TeamId(id::fresh()));
        cache.keep(team, &json!(1), CHEAP);
        assert_eq!(cache.get(team), None);
        cache.keep(team, &json!(2), Duration::from_secs(1));
        assert_eq!(cache.get(team), Some(json!(2)));
    }
}
