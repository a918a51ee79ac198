//! `/api/v1/audit/teams/{teamId}/reports/…`: licences by product and month, and provider events against licences.

use axum::extract::State;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse as _, Response};
use keyledger_events::Timestamp;
use keyledger_projections::Outcome;
use serde_json::json;

use super::described::{LicenseReportParams, PurchasePage, PurchaseReportParams};
use super::query::AuditQuery;
use crate::admin::reports::licenses::LicenseReport;
use crate::admin::reports::purchases::{self, Period, ROWS_MAX};
use crate::admin::reports::{Month, Months, csv, licenses as by_month};
use crate::http::Front;
use crate::http::access::Auditor;
use crate::http::envelope::{ApiError, Reply};
use crate::http::openapi::{Envelope, Errors, TeamPath};

/// Months of one report: each takes reading what was recorded in it.
const MONTHS_MAX: u32 = 12;
/// Provider events of a page unless somebody says otherwise.
const LIMIT: u32 = 100;

#[utoipa::path(
    get,
    operation_id = "reportLicenses",
    path = "/api/v1/audit/teams/{teamId}/reports/licenses",
    tag = "Audit",
    summary = "Count licences issued, renewed, ended, refunded and revoked, by product and month",
    params(TeamPath, LicenseReportParams),
    responses((status = 200, description = "Done", content(
        (Envelope<LicenseReport> = "application/json"), (String = "text/csv")
    )), (status = 429, description = "Other reports are being counted"), Errors),
    security(("bearer" = []))
)]
pub(super) async fn licenses(
    Auditor(access): Auditor,
    State(front): State<Front>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let query = AuditQuery::read(&uri, &["month", "from", "until", "format"])?;
    let (months, table) = (months(&query, front.app.clock.now())?, is_table(&query)?);
    let _turn = front.audit.report().await?;
    let report = by_month::report(&front.app, access.team_id, months).await?;
    if table {
        return Ok(as_table(report.csv()));
    }
    Ok(Reply::ok("Report counted", &report)?.into_response())
}

/// One month, or some that follow each other; this month unless something else is asked for.
fn months(query: &AuditQuery, now: Timestamp) -> Result<Months, ApiError> {
    let (month, from, until) =
        (query.parsed::<Month>("month")?, query.parsed::<Month>("from")?, query.parsed::<Month>("until")?);
    let months = match (month, from, until) {
        (Some(month), None, None) => Months::one(month),
        (None, None, None) => Months::one(Month::of(now)),
        (None, Some(first), Some(last)) => Months { first, last },
        _ => return Err(ApiError::bad_request("month: give `month` alone, or `from` and `until` together")),
    };
    match months.count() {
        1..=MONTHS_MAX => Ok(months),
        _ => Err(ApiError::bad_request(format!("until: must be 0 to {} months after `from`", MONTHS_MAX - 1))),
    }
}

#[utoipa::path(
    get,
    operation_id = "reportPurchases",
    path = "/api/v1/audit/teams/{teamId}/reports/purchases",
    tag = "Audit",
    summary = "Tell what came of each provider event, and which licences it touched",
    params(TeamPath, PurchaseReportParams),
    responses((status = 200, description = "Done", content(
        (Envelope<PurchasePage> = "application/json"), (String = "text/csv")
    )), (status = 429, description = "Other reports are being counted"), Errors),
    security(("bearer" = []))
)]
pub(super) async fn against_licenses(
    Auditor(access): Auditor,
    State(front): State<Front>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let query = AuditQuery::read(&uri, &["month", "from", "until", "outcome", "after", "limit", "format"])?;
    let (app, team) = (&front.app, access.team_id);
    let (after, limit) = (query.position("after")?, query.limit(LIMIT, ROWS_MAX)?);
    let (outcome, table) = (outcome(&query)?, is_table(&query)?);
    let (from, until) = match (query.parsed::<Month>("month")?, query.time("from")?, query.time("until")?) {
        (Some(month), None, None) => (Some(month.begin()), Some(month.next().begin())),
        (Some(_), _, _) => return Err(ApiError::bad_request("month: give `month` alone, or `from` and `until`")),
        (None, from, until) => (from, until),
    };
    let _turn = front.audit.report().await?;
    let period = Period::find(app, from, until).await?;
    let page = purchases::page(app, team, period, outcome, after, limit).await?;
    if table {
        let mut text = csv::line(purchases::COLUMNS);
        page.rows.iter().for_each(|row| text.push_str(&csv::line(row.cells())));
        let mut response = as_table(text);
        // Where the next page begins has no place among the rows.
        if let Some(next) = page.next_after {
            response.headers_mut().insert("keyledger-next-after", next.0.into());
        }
        return Ok(response);
    }
    let summary = purchases::summary(app, team, period).await?;
    let (rows, next) = (page.rows, page.next_after);
    let page = json!({ "by": "receivedAt", "summary": summary, "rows": rows, "hasNextPage": next.is_some(), "nextAfter": next });
    Ok(Reply::ok("Report made", &page)?.into_response())
}

fn outcome(query: &AuditQuery) -> Result<Option<Outcome>, ApiError> {
    let all = [Outcome::Pending, Outcome::Applied, Outcome::Ignored, Outcome::Rejected];
    let Some(word) = query.text("outcome") else { return Ok(None) };
    let found = all.into_iter().find(|outcome| outcome.as_str() == word);
    found.map(Some).ok_or_else(|| ApiError::bad_request("outcome: must be pending, applied, ignored or rejected"))
}

fn is_table(query: &AuditQuery) -> Result<bool, ApiError> {
    match query.text("format") {
        None | Some("json") => Ok(false),
        Some("csv") => Ok(true),
        Some(_) => Err(ApiError::bad_request("format: must be json or csv")),
    }
}

fn as_table(text: String) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
