//! `/api/v1/audit/teams/{teamId}/events/stream`: events as they are recorded, as server-sent events. Each has its position
//! as its id, so that whoever comes back with `Last-Event-ID` misses nothing and sees nothing twice.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::stream::{self, Stream, StreamExt as _};
use keyledger_events::{
    Event, LedgerError, Position, RecordedEvent, SharedClock, SharedLedger, StreamId, StreamKind, TeamId, Timestamp,
};
use keyledger_projections::RunnerStatus;
use tokio::sync::{OwnedSemaphorePermit, watch};
use uuid::Uuid;

use super::described::StreamParams;
use super::events::filter;
use super::query::{AuditQuery, position};
use crate::admin::events::{EventJson, Reader};
use crate::http::Front;
use crate::http::access::{Access, Auditor};
use crate::http::envelope::ApiError;
use crate::http::openapi::{Errors, TeamPath};
use crate::stop::Stopping;

/// How often a silent stream says that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How often a silent stream looks by itself: at the clock, whether its key has expired, and at the ledger, in case that
/// the views, which say how far the ledger is, cannot follow it.
const LOOKED: Duration = Duration::from_secs(1);
/// When a client that lost the stream should come back.
const COME_BACK: Duration = Duration::from_secs(2);

#[utoipa::path(
    get,
    operation_id = "streamEvents",
    path = "/api/v1/audit/teams/{teamId}/events/stream",
    tag = "Audit",
    summary = "Follow events as they are recorded, as server-sent events",
    params(TeamPath, StreamParams),
    responses(
        (status = 200, description = "One message an event, its id the position", content_type = "text/event-stream"),
        (status = 429, description = "Too many streams are open"),
        Errors
    ),
    security(("bearer" = []))
)]
pub(super) async fn follow(
    Auditor(access): Auditor,
    State(front): State<Front>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, ApiError> {
    let query = AuditQuery::read(&uri, &["type", "stream", "license", "after"])?;
    let filter = filter(&query, &access)?;
    let head = front.app.ledger.head().await?.position;
    let after = match last_seen(&headers, &query)? {
        None => head,
        Some(seen) if seen <= head => seen,
        Some(seen) => {
            let details = format!("Last-Event-ID: the ledger ends at position {head}, before {seen}");
            return Err(ApiError::bad_request(details));
        }
    };
    let (place, stopping) = front.audit.stream()?;
    if revoked_since(&front, &access).await? {
        return Err(ApiError::unauthorized("this key was revoked"));
    }
    let follower = Follower {
        reader: Reader::new(front.app.ledger.clone(), filter, after.next()),
        ledger: front.app.ledger.clone(),
        head,
        status: front.app.runner.status(),
        clock: front.app.clock.clone(),
        stopping,
        team: access.team_id,
        key_id: access.key_id,
        expires_at: expiry(&access),
        _place: place,
    };
    // The head of the answer goes out with this, before anything has happened.
    let begin = Message::default().retry(COME_BACK).comment(format!("events after position {after}"));
    let messages = stream::once(std::future::ready(Ok(begin))).chain(follower.messages());
    let alive = KeepAlive::new().interval(HEARTBEAT).text("alive");
    let mut response = Sse::new(messages).keep_alive(alive).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A proxy that gathers what it passes on would hold events back.
    response.headers_mut().insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

/// The position that the client has seen last: what its browser remembers outranks where it once began.
fn last_seen(headers: &HeaderMap, query: &AuditQuery) -> Result<Option<Position>, ApiError> {
    match headers.get("last-event-id").map(HeaderValue::to_str) {
        Some(Ok(text)) => position(text, "Last-Event-ID").map(Some),
        Some(Err(_)) => Err(ApiError::bad_request("Last-Event-ID: must be a position in the ledger")),
        None => query.text("after").map(|text| position(text, "after")).transpose(),
    }
}

fn expiry(access: &Access) -> Option<Timestamp> {
    access.team.config.api_keys.iter().find(|key| key.key_id == access.key_id)?.expires_at
}

/// Whether the key was revoked after it was looked at; what happens from now on the stream itself sees.
async fn revoked_since(front: &Front, access: &Access) -> Result<bool, ApiError> {
    let stream = StreamId::new(StreamKind::Team, access.team_id.0);
    let known = access.team.config.version;
    let since = front.app.ledger.read_stream_after(access.team_id, stream, known).await?;
    Ok(since.iter().any(|event| revokes(event, access.team_id, access.key_id)))
}

/// Whether an event ends what a key may do.
fn revokes(event: &RecordedEvent, team: TeamId, key_id: Uuid) -> bool {
    let of_team = event.team == team && event.stream.kind == StreamKind::Team;
    of_team && matches!(event.decode(), Ok(Event::ApiKeyRevoked(revoked)) if revoked.key_id == key_id)
}

/// Follows the ledger for one client.
struct Follower {
    reader: Reader,
    ledger: SharedLedger,
    /// How far the ledger is, as far as is known.
    head: Position,
    /// Says so, too: one look at the ledger serves all streams.
    status: watch::Receiver<RunnerStatus>,
    clock: SharedClock,
    stopping: Stopping,
    team: TeamId,
    key_id: Uuid,
    expires_at: Option<Timestamp>,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    fn messages(self) -> impl Stream<Item = Result<Message, Infallible>> + Send {
        stream::unfold(self, |mut follower| async move {
            let message = follower.next().await?;
            Some((Ok(message), follower))
        })
    }

    /// The next message; `None` ends the stream, and a client that may come back does.
    async fn next(&mut self) -> Option<Message> {
        loop {
            let expired = self.expires_at.is_some_and(|end| end <= self.clock.now());
            if expired || self.stopping.is_requested() {
                return None;
            }
            self.head = self.head.max(self.status.borrow_and_update().head);
            match self.reader.step(self.head).await {
                Ok(Some(event)) if revokes(&event, self.team, self.key_id) => return None,
                Ok(Some(event)) if self.reader.wants(&event) => return message(&event),
                Ok(Some(_)) => {}
                Ok(None) => self.wait().await?,
                Err(error) => return unreadable(&error),
            }
        }
    }

    /// Waits until something may have happened; `None` when it is time to stop.
    async fn wait(&mut self) -> Option<()> {
        tokio::select! {
            changed = self.status.changed() => return changed.ok(),
            () = self.stopping.requested() => return None,
            () = tokio::time::sleep(LOOKED) => {}
        }
        match self.ledger.head().await {
            Ok(head) => self.head = self.head.max(head.position),
            Err(error) => return unreadable(&error),
        }
        Some(())
    }
}

/// Ends the stream: the client comes back with what it has seen last.
fn unreadable<T>(error: &LedgerError) -> Option<T> {
    tracing::warn!(%error, "a stream of events ends: the ledger cannot be read now");
    None
}

fn message(event: &RecordedEvent) -> Option<Message> {
    match Message::default().id(event.position.to_string()).json_data(EventJson::new(event)) {
        Ok(message) => Some(message),
        Err(error) => {
            tracing::error!(%error, position = event.position.0, "a stream of events ends: an event has no JSON form");
            None
        }
    }
}
