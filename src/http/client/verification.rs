//! `POST /api/v1/client/teams/{teamId}/verification/verify` and `…/heartbeat`.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Instant;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use keyledger_events::{TeamId, Timestamp};
use keyledger_projections::SeatKind;

use super::respond::{Reply, respond};
use crate::activity::{LoggedRequest, RequestKind, Seen};
use crate::http::openapi::{TeamPath, Verification, VerificationAnswer, VerificationErrors};
use crate::http::{Front, address, body};
use crate::verification::answer;
use crate::verification::{Asked, BadField, Caller, Code, Holder, Verified};

#[utoipa::path(
    post,
    operation_id = "verifyLicense",
    path = "/api/v1/client/teams/{teamId}/verification/verify",
    tag = "Client programs",
    summary = "Verify a licence key",
    params(TeamPath),
    request_body = Verification,
    responses((status = 200, description = "Done", body = VerificationAnswer), VerificationErrors)
)]
pub(super) async fn verify(
    State(front): State<Front>,
    team: Result<Path<String>, PathRejection>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    handle(RequestKind::Verify, &front, team, peer, &headers, body).await
}

#[utoipa::path(
    post,
    operation_id = "licenseHeartbeat",
    path = "/api/v1/client/teams/{teamId}/verification/heartbeat",
    tag = "Client programs",
    summary = "Verify a key from a device that is in use",
    params(TeamPath),
    request_body = Verification,
    responses((status = 200, description = "Done", body = VerificationAnswer), VerificationErrors)
)]
pub(super) async fn heartbeat(
    State(front): State<Front>,
    team: Result<Path<String>, PathRejection>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    handle(RequestKind::Heartbeat, &front, team, peer, &headers, body).await
}

async fn handle(
    kind: RequestKind,
    front: &Front,
    team: Result<Path<String>, PathRejection>,
    peer: SocketAddr,
    headers: &HeaderMap,
    body: Body,
) -> Response {
    let begun = Instant::now();
    let bytes = match body::read(body).await {
        Ok(bytes) => bytes,
        Err(error) => return respond(front, &Reply::refusal(Code::BadRequest, error.message()), None),
    };
    let caller = caller(front, peer, headers);
    let parsed = Asked::parse(kind, &bytes);
    let Some(team) = team.ok().and_then(|Path(team)| team.parse::<TeamId>().ok()) else {
        let challenge = challenge(&parsed);
        return respond(front, &Reply::refusal(Code::BadRequest, "teamId: must be a UUID"), challenge);
    };
    let asked = match parsed {
        Ok(asked) => asked,
        Err(bad) => {
            let reply = Reply::refusal(Code::BadRequest, &bad.details);
            Box::pin(tell(front, team, kind, None, &caller, reply.code, begun)).await;
            return respond(front, &reply, bad.challenge.as_deref());
        }
    };
    if let Err(wait) = front.verify_limits.count(caller.address, team, &asked.license_key) {
        let reply = Reply { retry_after: Some(wait), ..Reply::refusal(Code::RateLimit, "Rate limited") };
        Box::pin(tell(front, team, kind, Some(&asked), &caller, reply.code, begun)).await;
        return respond(front, &reply, asked.challenge.as_deref());
    }
    match front.verifier.verify(team, &asked, &caller).await {
        Ok(verified) => conclude(front, team, &asked, &caller, &verified, begun).await,
        Err(error) => failed(front, &error, &asked),
    }
}

fn challenge(parsed: &Result<Asked, BadField>) -> Option<&str> {
    match parsed {
        Ok(asked) => asked.challenge.as_deref(),
        Err(bad) => bad.challenge.as_deref(),
    }
}

/// Who asks. A country is believed from a trusted proxy only.
fn caller(front: &Front, peer: SocketAddr, headers: &HeaderMap) -> Caller {
    let address = address::client(peer, headers, &front.trusted_proxies);
    let trusted = address::is_trusted(peer.ip(), &front.trusted_proxies);
    let country = front.country_header.as_deref().filter(|_| trusted).and_then(|name| headers.get(name));
    let country = country.and_then(|value| value.to_str().ok()).map(str::trim);
    let country = country.filter(|text| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic()));
    Caller { address, country: country.map(str::to_ascii_uppercase) }
}

/// Our fault: nothing is said about the licence.
fn failed(front: &Front, error: &dyn std::fmt::Display, asked: &Asked) -> Response {
    tracing::error!(%error, "a verification could not be answered");
    metrics::counter!("keyledger_verifications_total", "code" => Code::InternalServerError.as_str()).increment(1);
    let reply = Reply::refusal(Code::InternalServerError, "Internal server error");
    respond(front, &reply, asked.challenge.as_deref())
}

async fn conclude(
    front: &Front,
    team: TeamId,
    asked: &Asked,
    caller: &Caller,
    verified: &Verified,
    begun: Instant,
) -> Response {
    let reply = match &verified.verdict {
        Ok(()) => match accepted(front, asked, verified).await {
            Ok(reply) => reply,
            Err(error) => return failed(front, &error, asked),
        },
        Err(refusal) => Reply::refusal(refusal.code, &refusal.details),
    };
    let response = respond(front, &reply, asked.challenge.as_deref());
    metrics::counter!("keyledger_verifications_total", "code" => reply.code.as_str()).increment(1);
    note(front, team, asked, caller, verified, reply.code, begun);
    response
}

/// What cannot be said although the licence is good.
#[derive(Debug, thiserror::Error)]
enum AcceptError {
    #[error(transparent)]
    Answer(#[from] answer::AnswerError),
    #[error(transparent)]
    Signer(#[from] crate::verification::SignerError),
    #[error("an accepted verification has no licence")]
    NoLicense,
}

async fn accepted(front: &Front, asked: &Asked, verified: &Verified) -> Result<Reply<'static>, AcceptError> {
    let (Some(team), Some(license)) = (&verified.team, verified.license()) else { return Err(AcceptError::NoLicense) };
    let data = answer::data(&front.app, team, license).await?;
    let challenge_response = match &asked.challenge {
        Some(challenge) => Some(Box::pin(front.team_signers.answer(&team.config, challenge)).await?),
        None => None,
    };
    let details = match asked.kind {
        RequestKind::Verify => "License is valid",
        RequestKind::Heartbeat => "Heartbeat successful",
    };
    Ok(Reply { code: Code::Valid, details, data, challenge_response, retry_after: None })
}

/// Notes a refusal that comes before the licence is looked for.
async fn tell(
    front: &Front,
    team: TeamId,
    kind: RequestKind,
    asked: Option<&Asked>,
    caller: &Caller,
    code: Code,
    begun: Instant,
) {
    metrics::counter!("keyledger_verifications_total", "code" => code.as_str()).increment(1);
    // The log is the team's, if there is one.
    if front.verify_limits.is_told(caller.address, code) && matches!(front.app.directory.team(team).await, Ok(Some(_)))
    {
        let (at, address) = (front.app.clock.now(), caller.address.to_string());
        front.app.activity.log(logged(team, kind, asked, (caller, &address), code, None, at, begun));
    }
}

/// Notes who was seen and what was asked, in memory; it is written down in batches.
fn note(front: &Front, team: TeamId, asked: &Asked, caller: &Caller, verified: &Verified, code: Code, begun: Instant) {
    let Some(of) = &verified.team else { return };
    let (activity, at, settings) = (&front.app.activity, front.app.clock.now(), &of.config.verification);
    let timeout = |kind| match kind {
        SeatKind::Address => settings.ip_timeout_minutes,
        SeatKind::Device => settings.hwid_timeout_minutes,
    };
    let license_id = verified.license().map(|license| license.id);
    let full = match code {
        Code::HwidLimitReached => Some(SeatKind::Device),
        Code::IpLimitReached => Some(SeatKind::Address),
        _ => None,
    };
    if let (Some(kind), Some(license_id)) = (full, license_id) {
        front.limit_notices.reached(team, license_id, kind, at);
    }
    let address = verified.address.as_ref().map(|holder| Cow::Borrowed(holder.identifier.as_str()));
    let address = address.unwrap_or_else(|| caller.address.to_string().into());
    let request = logged(team, asked.kind, Some(asked), (caller, &address), code, license_id, at, begun);
    let (Code::Valid, Some(license_id)) = (code, license_id) else { return activity.log(request) };
    let seats = [(SeatKind::Address, &verified.address), (SeatKind::Device, &verified.device)];
    let seen = seats.into_iter().filter_map(|(kind, holder)| {
        let Holder { id, identifier, .. } = holder.as_ref()?;
        let country = caller.country.as_deref().filter(|_| kind == SeatKind::Address);
        // What frees seats is written down every time: another server may be the one who is asked for a seat.
        let exact = timeout(kind).is_some();
        Some(Seen { team, license_id, kind, seat_id: *id, identifier, country, at, exact })
    });
    activity.verified(license_id, seen, request);
}

/// Characters of a program's texts in an entry about no licence: a stranger must not fill the disk with them.
const STRANGERS_TEXT_CHARS_MAX: usize = 100;

/// As much of a text as an entry keeps.
fn kept(text: &str, license_id: Option<uuid::Uuid>) -> &str {
    let end = text.char_indices().nth(STRANGERS_TEXT_CHARS_MAX).filter(|_| license_id.is_none());
    end.map_or(text, |(end, _)| &text[..end])
}

#[expect(clippy::too_many_arguments, reason = "an entry has many columns")]
fn logged<'a>(
    team: TeamId,
    kind: RequestKind,
    asked: Option<&'a Asked>,
    (caller, address): (&'a Caller, &'a str),
    code: Code,
    license_id: Option<uuid::Uuid>,
    at: Timestamp,
    begun: Instant,
) -> LoggedRequest<&'a str> {
    let text = |text: fn(&Asked) -> Option<&str>| asked.and_then(text).map(|text| kept(text, license_id));
    LoggedRequest {
        at,
        team,
        kind,
        code: code.as_str().into(),
        license_id,
        product_id: asked.and_then(|asked| asked.product_id),
        customer_id: asked.and_then(|asked| asked.customer_id),
        device: text(|asked| asked.hardware_identifier.as_deref()),
        address: Some(address),
        country: caller.country.as_deref(),
        version: text(|asked| asked.version.as_deref()),
        branch: text(|asked| asked.branch.as_deref()),
        latency_us: i64::try_from(begun.elapsed().as_micros()).unwrap_or(i64::MAX),
    }
}
