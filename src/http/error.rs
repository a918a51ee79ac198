//! The one error of the edge: a status and a sentence for the client; what is for the operator is logged here,
//! once.

use std::any::Any;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use keyledger_events::LedgerError;
use serde_json::json;

use crate::app::FreshError;
use crate::directory::DirectoryError;
use crate::providers::interpreter::InterpretError;

/// When to come back after the ledger could not store something.
const RETRY_AFTER_STORE: Duration = Duration::from_secs(5);

/// An answer that is not what was asked for.
#[derive(Debug)]
pub struct HttpError {
    status: StatusCode,
    message: String,
    retry_after: Option<Duration>,
}

impl HttpError {
    /// An answer with a status and a sentence.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), retry_after: None }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The sentence for the client.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 404.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 409.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// 429, with the time after which it is worth trying again.
    pub fn too_many(message: impl Into<String>, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(StatusCode::TOO_MANY_REQUESTS, message) }
    }

    /// 503: nothing was lost, and the sender must try again. The cause is for the log.
    pub fn unavailable(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request could not be served");
        let message = "the ledger cannot store or read this now; try again";
        Self { retry_after: Some(RETRY_AFTER_STORE), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, message) }
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({ "message": self.message }))).into_response();
        if let Some(retry_after) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, retry_after.as_secs().max(1).into());
        }
        response
    }
}

impl From<InterpretError> for HttpError {
    fn from(error: InterpretError) -> Self {
        Self::unavailable(&error)
    }
}

impl From<FreshError> for HttpError {
    fn from(error: FreshError) -> Self {
        Self::unavailable(&error)
    }
}

impl From<LedgerError> for HttpError {
    fn from(error: LedgerError) -> Self {
        Self::unavailable(&error)
    }
}

impl From<DirectoryError> for HttpError {
    fn from(error: DirectoryError) -> Self {
        Self::unavailable(&error)
    }
}

/// A page for people, JSON for programs.
pub(super) async fn not_found(headers: HeaderMap, uri: Uri) -> Response {
    let error = || HttpError::not_found(format!("there is nothing at {}", uri.path())).into_response();
    super::dashboard::not_found_page(&headers, uri.path()).unwrap_or_else(error)
}

pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> HttpError {
    HttpError::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} does not take {method}", uri.path()))
}

/// A bug of ours must not look like an answer: the sender tries again.
pub(super) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a handler panicked");
    HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, "an internal error; nothing was stored, try again")
        .into_response()
}
