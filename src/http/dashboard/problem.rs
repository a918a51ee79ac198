//! Errors as pages: what happened in a sentence, and the way on. What is for the operator is logged here, once.

use askama::Template;
use axum::Extension;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use keyledger_events::LedgerError;
use keyledger_projections::QueryError;

use super::shell::Shell;
use crate::activity::ActivityError;
use crate::admin::AdminError;
use crate::app::FreshError;
use crate::http::HttpError;
use crate::http::envelope::ApiError;

/// Something other than the page that was asked for.
#[derive(Debug)]
pub(super) enum Problem {
    /// A page that says what went wrong.
    Error {
        /// The status.
        status: StatusCode,
        /// What happened and what to do, in sentences.
        message: String,
    },
    /// Another answer: the sign-in, the question for the password.
    Instead(Box<Response>),
}

#[derive(Template)]
#[template(path = "dashboard/problem.html")]
struct Page<'a> {
    shell: Shell,
    message: &'a str,
    back: bool,
}

/// What a problem's page says. It goes along with the answer, for [`framed`](super::frame::framed).
#[derive(Debug, Clone)]
pub(super) struct Told {
    /// The status.
    pub(super) status: StatusCode,
    /// The sentence.
    pub(super) message: String,
}

impl Told {
    /// What the page is called.
    pub(super) fn heading(&self) -> &'static str {
        match self.status {
            StatusCode::NOT_FOUND => "Nothing here",
            StatusCode::FORBIDDEN => "Not for you",
            StatusCode::TOO_MANY_REQUESTS => "Too many attempts",
            StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST => "That cannot be used",
            StatusCode::CONFLICT => "Not as things stand",
            _ => "That did not work",
        }
    }

    /// The page, in a frame.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn page(&self, shell: Shell) -> askama::Result<String> {
        let back = self.status.is_client_error() && self.status != StatusCode::NOT_FOUND;
        Page { shell, message: &self.message, back }.render()
    }
}

impl Problem {
    /// An error with a sentence.
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self::Error { status, message: message.into() }
    }

    /// 404.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 403.
    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// 422: what was filled in cannot be used.
    pub(super) fn unusable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    /// 500. The cause is for the log.
    pub(super) fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a page could not be served");
        let message = "The ledger cannot store or read this now. Nothing was changed; try again in a moment.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// Another answer in place of the page.
    pub(super) fn instead(response: Response) -> Self {
        Self::Instead(Box::new(response))
    }

    /// The sentence, where it belongs beside the form that was sent: what was filled in cannot be used, or not as things
    /// stand.
    pub(super) fn beside_form(&self) -> Option<&str> {
        match self {
            Self::Error { status: StatusCode::CONFLICT, message } => Some(message),
            _ => self.about_input(),
        }
    }

    /// What the page that was asked for can say itself, because it lies in what was asked.
    ///
    /// # Errors
    /// The problem, where that is not so.
    pub(super) fn told(self) -> Result<Told, Self> {
        match self {
            Self::Error { status, message } if status.is_client_error() => Ok(Told { status, message }),
            other => Err(other),
        }
    }

    /// The sentence, where what was filled in cannot be used.
    pub(super) fn about_input(&self) -> Option<&str> {
        match self {
            Self::Error { status, message } if *status == StatusCode::UNPROCESSABLE_ENTITY => Some(message),
            _ => None,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        match self {
            Self::Instead(response) => *response,
            Self::Error { status, message } => {
                let told = Told { status, message };
                match told.page(Shell::bare(told.heading(), None)) {
                    Ok(html) => (status, Extension(told), Html(html)).into_response(),
                    Err(error) => {
                        tracing::error!(%error, "the page of an error could not be made");
                        (status, told.message).into_response()
                    }
                }
            }
        }
    }
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        match &error {
            // Commands are for the command line: here the list is a click away.
            AdminError::NoTeam(team) => Self::not_found(format!("There is no team {team}.")),
            AdminError::NotFound { what, id, .. } => Self::not_found(format!("There is no {what} {id}.")),
            AdminError::Invalid(message) => Self::unusable(sentence(message)),
            AdminError::Refused(message) | AdminError::Provider(message) => {
                Self::new(StatusCode::CONFLICT, sentence(message))
            }
            AdminError::License(refusal) => Self::new(StatusCode::CONFLICT, sentence(&refusal.to_string())),
            AdminError::Contended => Self::new(StatusCode::CONFLICT, sentence(&error.to_string())),
            AdminError::Explain(error) => Self::unusable(sentence(&error.to_string())),
            AdminError::Rebuild(error) => Self::new(StatusCode::CONFLICT, sentence(&error.to_string())),
            _ => Self::internal(&error),
        }
    }
}

/// As people write one: with a capital and a full stop.
fn sentence(message: &str) -> String {
    let mut characters = message.trim_end_matches('.').chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", characters.as_str())
}

macro_rules! internal {
    ($($error:ty),+) => {
        $(impl From<$error> for Problem {
            fn from(error: $error) -> Self {
                Self::internal(&error)
            }
        })+
    };
}
internal!(ActivityError, FreshError, LedgerError, QueryError, tower_sessions::session::Error);

impl From<HttpError> for Problem {
    fn from(error: HttpError) -> Self {
        Self::new(error.status(), sentence(error.message()))
    }
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        Self::new(error.status(), sentence(error.details()))
    }
}

/// The answer to an address that nothing serves, for a browser; `None` for programs, which want JSON.
pub(in crate::http) fn not_found_page(headers: &HeaderMap, path: &str) -> Option<Response> {
    let accepts = headers.get(header::ACCEPT)?.to_str().ok()?;
    accepts.contains("text/html").then(|| Problem::not_found(format!("There is no page at {path}.")).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_sentences() {
        assert_eq!(sentence("the name is empty"), "The name is empty.");
        assert_eq!(sentence("Try again."), "Try again.");
        assert_eq!(sentence(""), ".");
    }
}
