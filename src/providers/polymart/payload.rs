//! What Polymart says: the webhook's body, and the request for a placeholder's value.
//!
//! Ids are numbers in one place and text in another; here they are always text.

mod placeholder;
mod webhook;

pub use placeholder::{PLACEHOLDER_TOLERANCE_SECONDS, PlaceholderRequest, parse_placeholder};
pub use webhook::{Envelope, Fact, Sale, parse_envelope, parse_fact};

use crate::providers::json::BadField;

/// Why a body cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// The body is not JSON.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// The body is JSON, but no object.
    #[error("the body is not a JSON object")]
    NotAnObject,
    /// A field is not what it must be.
    #[error("{0}")]
    Malformed(#[from] BadField),
}
