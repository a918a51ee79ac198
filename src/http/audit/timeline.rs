//! `/api/v1/audit/teams/{teamId}/timeline`: what happened to a licence, a customer, because of a provider event, to the
//! team's settings, or on a day.

use axum::extract::State;
use axum::http::Uri;
use keyledger_projections::Day;
use serde_json::json;

use super::described::{EntryPage, TimelineParams};
use super::query::AuditQuery;
use crate::admin::timeline::{About, Causes, ENTRIES_MAX, TimelinePage, page};
use crate::http::Front;
use crate::http::access::{Access, Auditor};
use crate::http::envelope::{ApiError, Reply};
use crate::http::openapi::{Envelope, Errors, TeamPath};

/// Entries of a page unless somebody says otherwise.
const LIMIT: u32 = 100;

#[utoipa::path(
    get,
    operation_id = "getTimeline",
    path = "/api/v1/audit/teams/{teamId}/timeline",
    tag = "Audit",
    summary = "Tell what happened to something, who did it, when, and because of what",
    params(TeamPath, TimelineParams),
    responses((status = 200, description = "Done", body = Envelope<EntryPage>), Errors),
    security(("bearer" = []))
)]
pub(super) async fn show(Auditor(access): Auditor, State(front): State<Front>, uri: Uri) -> Result<Reply, ApiError> {
    let query = AuditQuery::read(&uri, &["license", "customer", "providerEvent", "day", "settings", "after", "limit"])?;
    let (after, limit) = (query.position("after")?, query.limit(LIMIT, ENTRIES_MAX)?);
    let about = about(&front, &access, &query).await?;
    let mut causes = Causes::of(access.team_id);
    let TimelinePage { entries, next_after } =
        page(&front.app, &mut causes, access.team_id, about, after, limit).await?;
    let page = json!({ "entries": entries, "hasNextPage": next_after.is_some(), "nextAfter": next_after });
    Reply::ok("Timeline retrieved", &page)
}

async fn about(front: &Front, access: &Access, query: &AuditQuery) -> Result<About, ApiError> {
    let (app, team) = (&front.app, Some(access.team_id));
    let subjects = ["license", "customer", "providerEvent", "day", "settings"];
    let mut given = subjects.into_iter().filter_map(|name| Some((name, query.text(name)?)));
    let (Some((name, text)), None) = (given.next(), given.next()) else {
        let details = format!("a timeline is about one thing: give one of {}", subjects.join(", "));
        return Err(ApiError::bad_request(details));
    };
    Ok(match name {
        "license" => {
            let id = query.id(name)?.unwrap_or_default();
            About::license(app, team, &id.to_string()).await?.1
        }
        "customer" => About::customer(app, team, query.id(name)?.unwrap_or_default()).await?.1,
        "providerEvent" => About::provider_event(app, team, text).await?.1,
        "day" => {
            let day: Day = text.parse().map_err(|error| ApiError::bad_request(format!("day: {error}")))?;
            About::Day(day)
        }
        _ if text == "true" => About::Settings,
        _ => return Err(ApiError::bad_request("settings: must be true, or left out")),
    })
}
