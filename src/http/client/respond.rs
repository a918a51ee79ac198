//! The answer to a client program: the envelope, and the signature that lets it trust the verdict.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use serde::Serialize;

use crate::http::Front;
use crate::milliseconds;
use crate::verification::Code;
use crate::verification::answer::Data;

/// The header that signs the whole answer.
const SIGNATURE: &str = "keyledger-signature";

#[derive(Serialize)]
struct Envelope<'a> {
    data: Option<&'a Data>,
    result: Outcome<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome<'a> {
    timestamp: String,
    valid: bool,
    details: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge_response: Option<&'a str>,
}

/// What is to be said.
#[derive(Debug)]
pub(super) struct Reply<'a> {
    pub(super) code: Code,
    pub(super) details: &'a str,
    pub(super) data: Option<Data>,
    pub(super) challenge_response: Option<String>,
    pub(super) retry_after: Option<Duration>,
}

impl<'a> Reply<'a> {
    /// A refusal.
    pub(super) fn refusal(code: Code, details: &'a str) -> Self {
        Self { code, details, data: None, challenge_response: None, retry_after: None }
    }
}

/// The response, signed where there is a challenge.
pub(super) fn respond(front: &Front, reply: &Reply<'_>, challenge: Option<&str>) -> Response {
    let now = front.app.clock.now();
    let result = Outcome {
        timestamp: milliseconds::text(now),
        valid: reply.code == Code::Valid,
        details: reply.details,
        code: reply.code.as_str(),
        challenge_response: reply.challenge_response.as_deref(),
    };
    // A struct of texts and numbers always has a JSON form.
    let body = serde_json::to_vec(&Envelope { data: reply.data.as_ref(), result }).unwrap_or_default();
    let signature = challenge.and_then(|challenge| front.server_keys.header(now, challenge, &body));
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = reply.code.status();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(Ok(signature)) = signature.map(|signature| HeaderValue::from_str(&signature)) {
        headers.insert(SIGNATURE, signature);
    }
    if let Some(wait) = reply.retry_after {
        headers.insert(header::RETRY_AFTER, wait.as_secs().max(1).into());
    }
    response
}
