//! The envelope of the answers to API keys, `{"data": …, "result": {…}}`, for good answers and for errors alike.
//!
//! Handlers say what they have to say; a layer around them puts it into the envelope, with the time.

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use keyledger_events::LedgerError;
use keyledger_events::envelope::HashMismatch;
use keyledger_projections::RebuildError;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Front, HttpError};
use crate::admin::AdminError;
use crate::licensing::commands::Refusal;
use crate::milliseconds;

/// What is to be put into the envelope.
#[derive(Debug, Clone)]
struct Content {
    data: Value,
    valid: bool,
    details: String,
    code: &'static str,
}

/// A good answer.
#[derive(Debug)]
pub(super) struct Reply {
    status: StatusCode,
    data: Value,
    details: &'static str,
}

impl Reply {
    /// 200.
    pub(super) fn ok(details: &'static str, data: &impl Serialize) -> Result<Self, ApiError> {
        Self::new(StatusCode::OK, details, data)
    }

    /// 201.
    pub(super) fn created(details: &'static str, data: &impl Serialize) -> Result<Self, ApiError> {
        Self::new(StatusCode::CREATED, details, data)
    }

    /// Another status that tells of success.
    pub(super) fn new(status: StatusCode, details: &'static str, data: &impl Serialize) -> Result<Self, ApiError> {
        let data = serde_json::to_value(data).map_err(|error| ApiError::internal(&error))?;
        Ok(Self { status, data, details })
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let content = Content { data: self.data, valid: true, details: self.details.to_owned(), code: "VALID" };
        with(self.status, content)
    }
}

/// An answer that is not what was asked for.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    details: String,
}

impl ApiError {
    /// An error with a code and a sentence.
    pub(super) fn new(status: StatusCode, code: &'static str, details: impl Into<String>) -> Self {
        Self { status, code, details: details.into() }
    }

    /// 400.
    pub(super) fn bad_request(details: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", details)
    }

    /// 401.
    pub(super) fn unauthorized(details: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", details)
    }

    /// 403.
    pub(super) fn forbidden(details: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "FORBIDDEN", details)
    }

    /// The status.
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// The sentence for the client.
    pub(super) fn details(&self) -> &str {
        &self.details
    }

    /// 500: somebody changed an event from outside. To try again does not mend it, and whoever audits the ledger looks
    /// for nothing else.
    pub(super) fn changed(found: &HashMismatch) -> Self {
        tracing::error!(cause = %found, "a request with an API key could not be served");
        let details = format!("{found}; run `keyledger audit verify`");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "LEDGER_CHANGED", details)
    }

    /// 500. The cause is for the log.
    pub(super) fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request with an API key could not be served");
        let details = "the ledger cannot store or read this now; nothing was changed, try again";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_SERVER_ERROR", details)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let content = Content { data: Value::Null, valid: false, details: self.details, code: self.code };
        let mut response = with(self.status, content);
        if self.status == StatusCode::UNAUTHORIZED {
            let bearer = axum::http::HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}

impl From<HttpError> for ApiError {
    fn from(error: HttpError) -> Self {
        let code = match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => "PAYLOAD_TOO_LARGE",
            StatusCode::REQUEST_TIMEOUT => "REQUEST_TIMEOUT",
            _ => "BAD_REQUEST",
        };
        Self::new(error.status(), code, error.message())
    }
}

impl From<LedgerError> for ApiError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Hash(found) => Self::changed(&found),
            error => Self::internal(&error),
        }
    }
}

impl From<AdminError> for ApiError {
    fn from(error: AdminError) -> Self {
        let details = error.to_string();
        match &error {
            AdminError::Ledger(LedgerError::Hash(found)) => Self::changed(found),
            AdminError::NoTeam(_) => Self::new(StatusCode::NOT_FOUND, "TEAM_NOT_FOUND", "Team not found"),
            AdminError::NotFound { what, id, .. } => {
                let code = match *what {
                    "licence" => "LICENSE_NOT_FOUND",
                    "customer" => "CUSTOMER_NOT_FOUND",
                    "product" => "PRODUCT_NOT_FOUND",
                    _ => "NOT_FOUND",
                };
                Self::new(StatusCode::NOT_FOUND, code, format!("there is no {what} {id}"))
            }
            AdminError::Invalid(_) => Self::bad_request(details),
            AdminError::Rebuild(RebuildError::Unknown(_)) => Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", details),
            AdminError::Rebuild(
                RebuildError::UnderWay(_)
                | RebuildError::NoEarlierBuild(_)
                | RebuildError::Misfit { .. }
                | RebuildError::Read { .. },
            ) => Self::new(StatusCode::CONFLICT, "CONFLICT", details),
            AdminError::Provider(_) => Self::new(StatusCode::BAD_GATEWAY, "PROVIDER_ERROR", details),
            AdminError::Refused(_) | AdminError::Contended => Self::new(StatusCode::CONFLICT, "CONFLICT", details),
            AdminError::License(Refusal::Revoked | Refusal::Suspended | Refusal::Disputed) => {
                Self::new(StatusCode::CONFLICT, "CONFLICT", details)
            }
            _ => Self::internal(&error),
        }
    }
}

fn with(status: StatusCode, content: Content) -> Response {
    let mut response = status.into_response();
    response.extensions_mut().insert(content);
    response
}

/// The layer that writes the envelope.
pub(super) async fn seal(State(front): State<Front>, response: Response) -> Response {
    sealed(&front, response, |_| {})
}

/// The same with times as programs written for Lukittu know them.
pub(super) async fn seal_in_milliseconds(State(front): State<Front>, response: Response) -> Response {
    sealed(&front, response, milliseconds::in_answer)
}

fn sealed(front: &Front, mut response: Response, write: fn(&mut Value)) -> Response {
    let Some(Content { data, valid, details, code }) = response.extensions_mut().remove::<Content>() else {
        return response;
    };
    let timestamp = front.app.clock.now();
    let result = json!({ "timestamp": timestamp, "valid": valid, "details": details, "code": code });
    let mut answer = json!({ "data": data, "result": result });
    write(&mut answer);
    let mut sealed = (response.status(), Json(answer)).into_response();
    for (name, value) in response.headers() {
        if name != header::CONTENT_LENGTH && name != header::CONTENT_TYPE {
            sealed.headers_mut().insert(name, value.clone());
        }
    }
    let no_store = axum::http::HeaderValue::from_static("no-store");
    sealed.headers_mut().insert(header::CACHE_CONTROL, no_store);
    sealed
}

/// What a group of routes with API keys answers where it has no route.
pub(super) async fn not_found(OriginalUri(uri): OriginalUri) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "NOT_FOUND", format!("there is nothing at {}", uri.path()))
}

/// What a group of routes with API keys answers where it has a route, but not for this method.
pub(super) async fn method_not_allowed(method: Method, OriginalUri(uri): OriginalUri) -> ApiError {
    let details = format!("{} does not take {method}", uri.path());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", details)
}
