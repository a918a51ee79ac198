//! The envelope of an event: all that is needed to record it, read without building the object in memory.

use std::collections::BTreeMap;

use keyledger_events::Timestamp;
use serde_json::Value;
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::PayloadError;
use crate::providers::json::Node;

/// The type that is recorded when the body does not say one.
const UNREADABLE: &str = "unreadable";

/// An event without its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// `evt_…`.
    pub id: String,
    /// Stripe's name for what happened; `unreadable` when the body does not say.
    pub event_type: String,
    /// When it happened; `None` when the body does not say, or not as a time.
    pub created: Option<Timestamp>,
    /// Whether real money moved.
    pub livemode: Option<bool>,
    /// The version that the object was rendered in.
    pub api_version: Option<String>,
}

/// Reads the envelope.
///
/// # Errors
/// When the body is no JSON, or has no event id.
pub fn parse_envelope(body: &[u8]) -> Result<Envelope, PayloadError> {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_slice(body).map_err(|error| match error.classify() {
        Category::Data => PayloadError::NoEventId,
        Category::Io | Category::Syntax | Category::Eof => PayloadError::NotJson(error.to_string()),
    })?;
    let field = |name: &str| -> Value {
        fields.get(name).and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
    };
    Ok(Envelope {
        id: Node::root(&field("id"), "id").label().ok_or(PayloadError::NoEventId)?,
        event_type: Node::root(&field("type"), "type").label().unwrap_or_else(|| UNREADABLE.to_owned()),
        created: Node::root(&field("created"), "created").time().ok().flatten(),
        livemode: field("livemode").as_bool(),
        api_version: Node::root(&field("api_version"), "api_version").label(),
    })
}
