//! `POST /api/v1/integrations/polymart/placeholder?teamId=…`: Polymart asks for a buyer's key while it prepares
//! the download.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, Uri, header as headers_of};
use axum::response::{IntoResponse, Response};
use keyledger_events::event::inbox::Provider;
use keyledger_events::event::integration::SecretKind;
use keyledger_events::event::license::PlaceholderAnswered;
use keyledger_events::sealed::SealContext;
use keyledger_events::{AppendOutcome, AppendRequest, NewEvent, Provenance, StreamId, StreamKind, TeamId, id};
use keyledger_projections::{License, view};
use serde_json::json;

use super::{Caller, header};
use crate::http::{Front, HttpError, address, body, query};
use crate::providers::polymart::payload::{PlaceholderRequest, parse_placeholder};
use crate::providers::polymart::signature;

/// How long an answer that is not there yet is waited for: a download can overtake the purchase's webhook.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// What Polymart's test button gets when there is no licence to show.
const TEST_KEY: &str = "TEST0-TEST0-TEST0-TEST0-TEST0";

pub(in crate::http) async fn answer(
    State(front): State<Front>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, HttpError> {
    let body = body::read(body).await?;
    let (team_id, _) = query::read(&uri)?;
    let address = address::client(peer, &headers, &front.trusted_proxies);
    let caller = Caller { address, team: team_id, provider: Provider::Polymart, kind: SecretKind::Signing };
    let signed = header(&headers, "x-polymart-signature");
    let team = front.verified(&caller, |secrets| signature::verify(signed, &body, secrets)).await?;
    let asked = parse_placeholder(&body).map_err(|error| HttpError::bad_request(error.to_string()))?;
    if !asked.is_fresh(front.app.clock.now()) {
        return Err(HttpError::bad_request("`time` is more than 300 s away from now; check the clocks"));
    }
    if !team.is_enabled(Provider::Polymart) {
        return Err(HttpError::conflict("the polymart integration is switched off"));
    }
    match find(&front, team_id, &asked).await? {
        Some(license) => {
            let key = open_key(&front, team_id, &license).await?;
            record(&front, team_id, &license, &asked).await?;
            Ok(value(&key))
        }
        None if asked.test => Ok(value(TEST_KEY)),
        None => Err(HttpError::not_found("this buyer holds no live licence for this product")),
    }
}

fn value(key: &str) -> Response {
    (StatusCode::OK, [(headers_of::CACHE_CONTROL, "no-store")], Json(json!({ "value": key }))).into_response()
}

/// The buyer's live licence. A denial rests on views that have passed the ledger's head, asked again until the
/// waiting is over.
async fn find(front: &Front, team: TeamId, asked: &PlaceholderRequest) -> Result<Option<License>, HttpError> {
    let deadline = tokio::time::Instant::now() + WAIT_MAX;
    let mut progress = front.app.runner.status();
    loop {
        if let Some(license) = look_up(front, team, asked).await? {
            return Ok(Some(license));
        }
        front.app.catch_up(&[view::PLACEHOLDERS]).await?;
        progress.borrow_and_update();
        if let Some(license) = look_up(front, team, asked).await? {
            return Ok(Some(license));
        }
        let changed = tokio::time::timeout_at(deadline, progress.changed()).await;
        if asked.test || !matches!(changed, Ok(Ok(()))) {
            return Ok(None);
        }
    }
}

/// The licence that the view knows, if it is live by its own stream: a view may not have heard yet that it was
/// revoked.
async fn look_up(front: &Front, team: TeamId, asked: &PlaceholderRequest) -> Result<Option<License>, HttpError> {
    let found = front.app.views.team(team).placeholder_license(&asked.product, &asked.user).await;
    let Some(id) = found.map_err(|error| HttpError::unavailable(&error))? else { return Ok(None) };
    let stream = StreamId::new(StreamKind::License, id);
    let recorded = front.app.ledger.read_streams(team, &[stream]).await;
    let mut license = None;
    for recorded in recorded.map_err(|error| HttpError::unavailable(&error))? {
        let event = recorded.decode().map_err(|error| HttpError::unavailable(&error))?;
        license = License::evolve(license, &recorded, &event);
    }
    let now = front.app.clock.now();
    Ok(license.filter(|license| {
        !license.revoked() && !license.suspended() && license.expires_at().is_none_or(|end| end > now)
    }))
}

async fn open_key(front: &Front, team: TeamId, license: &License) -> Result<String, HttpError> {
    let context = SealContext { team, event_id: license.key_event, field: License::KEY_FIELD };
    let key = front.app.keys.open(context, &license.key).await.map_err(|error| HttpError::unavailable(&error))?;
    String::from_utf8(key).map_err(|error| HttpError::unavailable(&error))
}

/// Each key given out is in the ledger before it leaves: who, what, when, never the key. The same request again
/// is recorded once.
async fn record(front: &Front, team: TeamId, license: &License, asked: &PlaceholderRequest) -> Result<(), HttpError> {
    let event_id =
        id::derived(team, &["placeholder", &asked.nonce, &asked.user, &asked.product, &license.id.to_string()]);
    let event = NewEvent {
        stream: StreamId::new(StreamKind::License, license.id),
        event_id,
        occurred_at: front.app.clock.now(),
        event: PlaceholderAnswered {
            provider: Provider::Polymart,
            user: asked.user.clone(),
            product: asked.product.clone(),
            nonce: Some(asked.nonce.clone()),
        }
        .into(),
    };
    let request = AppendRequest::new(team, Provenance::of(Provider::Polymart.as_str())).event(event);
    match front.app.writer.append(request).await {
        Ok(AppendOutcome::Appended { .. } | AppendOutcome::AlreadyApplied { .. }) => Ok(()),
        Ok(AppendOutcome::Conflict { .. }) => Err(HttpError::unavailable(&"a record without expectations conflicted")),
        Err(error) => Err(HttpError::unavailable(&error)),
    }
}
