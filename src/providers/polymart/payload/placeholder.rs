//! The request for a placeholder's value: `{"user", "product", "nonce", "license", "placeholder", "time", "test"}`.

use keyledger_events::Timestamp;

use super::PayloadError;
use super::webhook::object;
use crate::providers::json::{BadField, Node};

/// How far a placeholder request's time may be from ours, in seconds, either way.
pub const PLACEHOLDER_TOLERANCE_SECONDS: u64 = 300;

/// Polymart wants to write a buyer's licence key into a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceholderRequest {
    /// Polymart's id of the buyer.
    pub user: String,
    /// Polymart's id of its product.
    pub product: String,
    /// Tells this request from others.
    pub nonce: String,
    /// Polymart's own licence text for the download.
    pub license: Option<String>,
    /// The placeholder's name.
    pub placeholder: Option<String>,
    /// When it was asked.
    pub time: Timestamp,
    /// Whether a seller is only trying it out.
    pub test: bool,
}

impl PlaceholderRequest {
    /// Whether it was asked at about `now`; what is older or newer may be a replay.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now.as_second().abs_diff(self.time.as_second()) <= PLACEHOLDER_TOLERANCE_SECONDS
    }
}

/// Reads a request.
///
/// # Errors
/// When the body is no JSON object, or a field is missing or is not what it must be: names the field.
pub fn parse_placeholder(body: &[u8]) -> Result<PlaceholderRequest, PayloadError> {
    let value = object(body)?;
    let request = Node::root(&value, "");
    Ok(PlaceholderRequest {
        user: request.get("user").id()?,
        product: request.get("product").id()?,
        nonce: request.get("nonce").id()?,
        license: optional_text(&request.get("license"))?,
        placeholder: optional_text(&request.get("placeholder"))?,
        time: request.get("time").required_time()?,
        test: flag(&request.get("test"))?,
    })
}

fn optional_text(field: &Node<'_>) -> Result<Option<String>, BadField> {
    match field.label() {
        None if !field.is_absent() && !field.is_empty_text() => Err(field.bad("is not text")),
        text => Ok(text),
    }
}

fn flag(field: &Node<'_>) -> Result<bool, BadField> {
    match field.flag() {
        None if !field.is_absent() => Err(field.bad("is neither true nor false")),
        flag => Ok(flag.unwrap_or(false)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn request() -> Value {
        json!({
            "user": 1234, "product": 323, "nonce": "n-1", "license": "", "placeholder": "%%KEY%%",
            "time": 1_740_000_000,
        })
    }

    fn parse(change: &Value) -> Result<PlaceholderRequest, String> {
        let mut body = request();
        for (key, value) in change.as_object().into_iter().flatten() {
            body[key] = value.clone();
        }
        parse_placeholder(body.to_string().as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn ids_and_time_may_be_numbers_or_text() -> Result<(), Box<dyn std::error::Error>> {
        let expected = PlaceholderRequest {
            user: "1234".to_owned(),
            product: "323".to_owned(),
            nonce: "n-1".to_owned(),
            license: None,
            placeholder: Some("%%KEY%%".to_owned()),
            time: Timestamp::from_second(1_740_000_000)?,
            test: false,
        };
        assert_eq!(parse(&json!({})), Ok(expected.clone()));
        assert_eq!(parse(&json!({ "user": "1234", "product": "323", "time": "1740000000" })), Ok(expected.clone()));
        assert_eq!(parse(&json!({ "test": null, "more": 1 })), Ok(expected.clone()));
        assert_eq!(parse(&json!({ "test": true })), Ok(PlaceholderRequest { test: true, ..expected }));
        Ok(())
    }

    #[test]
    fn a_malformed_request_names_the_field() {
        for (change, message) in [
            (json!({ "user": null }), "`user` is missing"),
            (json!({ "product": {} }), "`product` is neither a whole number nor text"),
            (json!({ "nonce": null }), "`nonce` is missing"),
            (json!({ "time": null }), "`time` is missing"),
            (json!({ "time": true }), "`time` is true, not a whole number"),
            (json!({ "license": 5 }), "`license` is not text"),
            (json!({ "placeholder": [] }), "`placeholder` is not text"),
            (json!({ "test": "yes" }), "`test` is neither true nor false"),
        ] {
            assert_eq!(parse(&change), Err(message.to_owned()));
        }
    }

    #[test]
    fn a_request_is_fresh_for_five_minutes_either_way() -> Result<(), Box<dyn std::error::Error>> {
        let asked = parse(&json!({}))?;
        for (away, fresh) in [(0, true), (300, true), (-300, true), (301, false), (-301, false)] {
            assert_eq!(asked.is_fresh(Timestamp::from_second(1_740_000_000 + away)?), fresh, "{away}");
        }
        Ok(())
    }
}
