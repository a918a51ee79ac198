//! Why Stripe's API gave no answer. Messages are for the admin; none of them shows a key.

use std::fmt::Display;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::connections::CallError;

/// Foreign text in a message is cut after so many characters.
const REASON_CHARS_MAX: usize = 300;

/// Why a question was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// There is no such thing.
    #[error("Stripe did not find {what}: {reason}")]
    NotFound {
        /// What was asked for.
        what: String,
        /// What Stripe said.
        reason: String,
    },
    /// The key is wrong, expired, or may not read this.
    #[error(
        "Stripe refused the API key when asked for {what} ({status}): {reason}; \
         give the integration a restricted key that may read it"
    )]
    Unauthorized {
        /// What was asked for.
        what: String,
        /// 401 or 403.
        status: u16,
        /// What Stripe said.
        reason: String,
    },
    /// We ask too often.
    #[error("Stripe limits how often it may be asked (429); it was asked for {what}")]
    RateLimited {
        /// What was asked for.
        what: String,
    },
    /// Stripe, or the way there, is not working.
    #[error("Stripe could not be asked for {what}: {reason}")]
    Unavailable {
        /// What was asked for.
        what: String,
        /// What happened.
        reason: String,
    },
    /// Stripe answered, but not in a way that we understand.
    #[error("Stripe's answer about {what} cannot be used: {reason}")]
    Unexpected {
        /// What was asked for.
        what: String,
        /// The HTTP status, where the answer was an error.
        status: Option<u16>,
        /// What is wrong with it.
        reason: String,
    },
    /// A list has more pages than anything we sell has.
    #[error("{what} fill more than {pages_max} pages of 100")]
    TooMany {
        /// What was asked for.
        what: String,
        /// Pages that were read.
        pages_max: usize,
    },
    /// The key or the base URL cannot be used.
    #[error("{0}")]
    Configuration(String),
}

/// How Stripe says no (<https://docs.stripe.com/api/errors>).
#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorSaid,
}

#[derive(Deserialize)]
struct ErrorSaid {
    message: Option<String>,
}

impl ApiError {
    /// Whether asking the same again later may help.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unauthorized { .. } | Self::RateLimited { .. } | Self::Unavailable { .. } => true,
            // An answer of 200 that makes no sense comes from somebody in between.
            Self::Unexpected { status, .. } => status.is_none(),
            Self::NotFound { .. } | Self::TooMany { .. } | Self::Configuration(_) => false,
        }
    }

    pub(super) fn unreadable(what: &str, reason: &dyn Display) -> Self {
        Self::Unexpected { what: what.to_owned(), status: None, reason: reason.to_string() }
    }

    pub(super) fn from_call(what: &str, error: &CallError, key: &str) -> Self {
        let reason = fit(&error.to_string(), key);
        match error {
            CallError::Connection(_) => Self::Unavailable { what: what.to_owned(), reason },
            CallError::TooLarge => Self::unreadable(what, &reason),
            CallError::Request(_) => Self::Configuration(reason),
        }
    }

    /// An answer that is no success.
    pub(super) fn from_answer(what: &str, status: u16, body: &[u8], key: &str) -> Self {
        let what = what.to_owned();
        match serde_json::from_slice::<ErrorBody>(body) {
            Ok(ErrorBody { error: said }) => {
                let said = said.message.unwrap_or_else(|| format!("it answered {status} without a reason"));
                Self::from_status(what, status, fit(&said, key))
            }
            // Emulators of Stripe have forms of their own.
            Err(_) if matches!(status, 401 | 403) || (status == 404 && is_json_or_nothing(body)) => {
                Self::from_status(what, status, format!("it answered {status} without a reason"))
            }
            // It comes from something in between, a gateway as a rule, whose 404 says nothing about what is at Stripe.
            Err(_) => Self::Unavailable {
                what,
                reason: format!(
                    "the answer is an error ({status}) that is not in Stripe's form; \
                     if that lasts, look at the integration's base URL and at proxies"
                ),
            },
        }
    }

    fn from_status(what: String, status: u16, reason: String) -> Self {
        match status {
            401 | 403 => Self::Unauthorized { what, status, reason },
            404 => Self::NotFound { what, reason },
            429 => Self::RateLimited { what },
            // 409 and 424 are Stripe's own words for "try again" (https://docs.stripe.com/error-low-level).
            408 | 409 | 424 | 500..=599 => {
                Self::Unavailable { what, reason: format!("it answered {status}: {reason}") }
            }
            _ => Self::Unexpected { what, status: Some(status), reason: format!("it answered {status}: {reason}") },
        }
    }
}

fn is_json_or_nothing(body: &[u8]) -> bool {
    body.trim_ascii().is_empty() || serde_json::from_slice::<IgnoredAny>(body).is_ok()
}

/// What a server said, without the key, should it echo it, and not too much of it.
fn fit(text: &str, key: &str) -> String {
    text.replace(key, "[key]").chars().take(REASON_CHARS_MAX).collect()
}
