//! `/api/v1/audit/teams/{teamId}/events`: a team's history, event by event.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use keyledger_events::{Position, StreamId, StreamKind};
use serde_json::json;

use super::described::{EventPage, EventParams, EventPath, TimelineEntry};
use super::query::{self, AuditQuery};
use crate::admin::events::{EventFilter, EventJson, Reader, known_type};
use crate::admin::timeline::{Causes, Entry};
use crate::http::Front;
use crate::http::access::{Access, Auditor};
use crate::http::envelope::{ApiError, Reply};
use crate::http::openapi::{Envelope, Errors, TeamPath};

/// Events of a page unless somebody says otherwise.
const LIMIT: u32 = 100;
/// Events of one page at most.
const LIMIT_MAX: u32 = 1_000;
/// Events that are looked at for one page; a filter that takes few of them gives short pages.
const SCANNED_MAX: u64 = 20_000;

#[utoipa::path(
    get,
    operation_id = "listEvents",
    path = "/api/v1/audit/teams/{teamId}/events",
    tag = "Audit",
    summary = "List events in order of position",
    params(TeamPath, EventParams),
    responses((status = 200, description = "Done", body = Envelope<EventPage>), Errors),
    security(("bearer" = []))
)]
pub(super) async fn list(Auditor(access): Auditor, State(front): State<Front>, uri: Uri) -> Result<Reply, ApiError> {
    let query = AuditQuery::read(&uri, &["from", "until", "type", "stream", "license", "after", "limit"])?;
    let limit = query.limit(LIMIT, LIMIT_MAX)?;
    let ledger = &front.app.ledger;
    let (mut after, mut last) = (query.position("after")?, ledger.head().await?.position);
    if let Some(from) = query.time("from")? {
        after = after.max(ledger.last_before(from).await?);
    }
    if let Some(until) = query.time("until")? {
        last = last.min(ledger.last_before(until).await?);
    }
    let mut reader = reader(&front, &access, filter(&query, &access)?, after);
    let mut events = Vec::new();
    let mut ended = false;
    while u32::try_from(events.len()).is_ok_and(|found| found < limit) && reader.scanned() < SCANNED_MAX {
        match reader.step(last).await? {
            Some(event) if reader.wants(&event) => events.push(EventJson::new(&event)),
            Some(_) => {}
            None => {
                ended = true;
                break;
            }
        }
    }
    let more = !ended && reader.position() < last;
    let next = more.then(|| reader.position());
    Reply::ok("Events retrieved", &json!({ "events": events, "hasNextPage": more, "nextAfter": next }))
}

/// Which events are wanted.
pub(super) fn filter(query: &AuditQuery, access: &Access) -> Result<EventFilter, ApiError> {
    let license = query.id("license")?.map(|id| StreamId::new(StreamKind::License, id));
    let stream = query.parsed::<StreamId>("stream")?;
    if license.is_some() && stream.is_some() {
        return Err(ApiError::bad_request("license: a licence is one stream; leave `stream` out"));
    }
    let types = query.text("type").unwrap_or_default().split(',').map(str::trim);
    let types = types.filter(|name| !name.is_empty()).map(known_type).collect::<Result<_, _>>();
    let types = types.map_err(|error| ApiError::bad_request(format!("type: {error}")))?;
    Ok(EventFilter { team: Some(access.team_id), stream: stream.or(license), types })
}

/// Reads a single stream by itself, and everything else from the whole ledger.
fn reader(front: &Front, access: &Access, filter: EventFilter, after: Position) -> Reader {
    let ledger = front.app.ledger.clone();
    match filter.stream {
        Some(stream) => Reader::of_streams(ledger, vec![(access.team_id, vec![stream])], filter, after.next()),
        None => Reader::new(ledger, filter, after.next()),
    }
}

#[utoipa::path(
    get,
    operation_id = "getEvent",
    path = "/api/v1/audit/teams/{teamId}/events/{position}",
    tag = "Audit",
    summary = "Show an event, in words and with what led to it",
    params(EventPath),
    responses((status = 200, description = "Done", body = Envelope<TimelineEntry>), Errors),
    security(("bearer" = []))
)]
pub(super) async fn show(
    Auditor(access): Auditor,
    State(front): State<Front>,
    Path((_, position)): Path<(String, String)>,
) -> Result<Reply, ApiError> {
    let position = query::position(&position, "position")?;
    let found = front.app.ledger.read_at(&[position]).await?;
    // Another team's events are nobody's business here, not even that they are there.
    let ours: Vec<_> = found.into_iter().filter(|event| event.team == access.team_id).collect();
    let entries = Entry::describe(&front.app, &mut Causes::of(access.team_id), &ours).await?;
    match entries.first() {
        Some(entry) => Reply::ok("Event found", entry),
        None => {
            let details = format!("this team has no event at position {position}");
            Err(ApiError::new(StatusCode::NOT_FOUND, "EVENT_NOT_FOUND", details))
        }
    }
}
