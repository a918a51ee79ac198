//! What a client program asks, checked field by field. A field that we do not know is an error: it is misspelt.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::activity::RequestKind;

/// Groups of five characters that a licence key has, as the pattern `^[A-Z0-9]{5}(-[A-Z0-9]{5}){4}$` says.
const KEY_GROUPS: usize = 5;
const KEY_GROUP_CHARS: usize = 5;
/// Characters of a hardware identifier.
const DEVICE_CHARS: RangeInclusive<usize> = 10..=1_000;
/// What the field of a device was called before.
const OLD_DEVICE_FIELD: &str = "deviceIdentifier";
const DEVICE_FIELD: &str = "hardwareIdentifier";

/// A well-formed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Verification or heartbeat.
    pub kind: RequestKind,
    /// The licence key.
    pub license_key: String,
    /// The customer who is said to hold it.
    pub customer_id: Option<Uuid>,
    /// The product that it is to open.
    pub product_id: Option<Uuid>,
    /// What to sign.
    pub challenge: Option<String>,
    /// The program's version.
    pub version: Option<String>,
    /// The program's branch.
    pub branch: Option<String>,
    /// The device.
    pub hardware_identifier: Option<String>,
}

/// A request that is not well-formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadField {
    /// Which field, and what is wrong with it.
    pub details: String,
    /// The challenge, where it is a text, a good one or not: this answer is signed too.
    pub challenge: Option<String>,
}

impl Asked {
    /// Reads a request.
    ///
    /// # Errors
    /// Names the field and what it must be.
    pub fn parse(kind: RequestKind, body: &[u8]) -> Result<Self, BadField> {
        let fields: Map<String, Value> = match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) => return Err(BadField { details: "the body is not a JSON object".to_owned(), challenge: None }),
            Err(error) => return Err(BadField { details: format!("the body is not JSON: {error}"), challenge: None }),
        };
        let challenge = fields.get("challenge").and_then(Value::as_str).map(str::to_owned);
        Self::read(kind, fields).map_err(|details| BadField { details, challenge })
    }

    fn read(kind: RequestKind, fields: Map<String, Value>) -> Result<Self, String> {
        if let Some(unknown) = fields.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            return Err(format!("{unknown}: there is no such field; the fields are {}", KNOWN.join(", ")));
        }
        let license_key = match fields.get("licenseKey") {
            Some(Value::String(key)) if is_license_key(key) => key.clone(),
            Some(_) => return Err("licenseKey: must be a text of the form XXXXX-XXXXX-XXXXX-XXXXX-XXXXX".to_owned()),
            None => return Err("licenseKey: is required".to_owned()),
        };
        // Programs that have none say so with a null, too.
        let is_given = |name: &&str| fields.get(*name).is_some_and(|value| !value.is_null());
        let device_field = [DEVICE_FIELD, OLD_DEVICE_FIELD].into_iter().find(is_given);
        let hardware_identifier = match device_field {
            Some(name) => text(&fields, name, DEVICE_CHARS, false)?,
            None => None,
        };
        if kind == RequestKind::Heartbeat && hardware_identifier.is_none() {
            return Err("hardwareIdentifier: is required for a heartbeat".to_owned());
        }
        Ok(Self {
            kind,
            license_key,
            customer_id: id(&fields, "customerId")?,
            product_id: id(&fields, "productId")?,
            challenge: text(&fields, "challenge", 1..=1_000, false)?,
            version: text(&fields, "version", 3..=255, false)?,
            branch: text(&fields, "branch", 2..=255, true)?,
            hardware_identifier,
        })
    }
}

/// All fields.
const KNOWN: [&str; 8] =
    ["licenseKey", "customerId", "productId", "challenge", "version", "branch", DEVICE_FIELD, OLD_DEVICE_FIELD];

/// Whether a text has the form of a licence key.
pub fn is_license_key(text: &str) -> bool {
    let groups = || text.split('-');
    groups().count() == KEY_GROUPS
        && groups().all(|group| {
            group.len() == KEY_GROUP_CHARS
                && group.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        })
}

/// Whether a text has the form of a hardware identifier: 10 to 1,000 characters without white space.
pub fn is_hardware_identifier(text: &str) -> bool {
    check_text(text, &DEVICE_CHARS, false).is_ok()
}

fn text(
    fields: &Map<String, Value>,
    name: &str,
    length: RangeInclusive<usize>,
    spaces: bool,
) -> Result<Option<String>, String> {
    let value = match fields.get(name) {
        None => return Ok(None),
        Some(Value::String(value)) => value,
        Some(_) => return Err(format!("{name}: must be a text")),
    };
    check_text(value, &length, spaces).map_err(|rule| format!("{name}: {rule}"))?;
    Ok(Some(value.clone()))
}

/// Checks a text against its rules; the error is the rule that it breaks.
fn check_text(text: &str, length: &RangeInclusive<usize>, spaces: bool) -> Result<(), String> {
    if !length.contains(&text.chars().count()) {
        return Err(format!("must have {} to {} characters", length.start(), length.end()));
    }
    if !spaces && text.chars().any(char::is_whitespace) {
        return Err("must not contain white space".to_owned());
    }
    Ok(())
}

/// Characters of an id with its hyphens.
const ID_CHARS: usize = 36;

fn id(fields: &Map<String, Value>, name: &str) -> Result<Option<Uuid>, String> {
    let bad = || format!("{name}: must be a UUID");
    match fields.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if text.len() == ID_CHARS => Uuid::parse_str(text).map(Some).map_err(|_| bad()),
        Some(_) => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KEY: &str = "AAAAA-BBBBB-CCCCC-DDDDD-EEE99";

    fn check(kind: RequestKind, body: &Value) -> Result<Asked, String> {
        Asked::parse(kind, body.to_string().as_bytes()).map_err(|bad| bad.details)
    }

    #[test]
    fn a_whole_request_is_read() -> Result<(), String> {
        let (customer, product) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let body = json!({
            "licenseKey": KEY, "customerId": customer, "productId": product, "challenge": "c", "version": "1.0",
            "branch": "my branch", "hardwareIdentifier": "0123456789",
        });
        let asked = check(RequestKind::Heartbeat, &body)?;
        assert_eq!((asked.customer_id, asked.product_id), (Some(customer), Some(product)));
        assert_eq!(asked.hardware_identifier.as_deref(), Some("0123456789"));
        let old = check(RequestKind::Heartbeat, &json!({ "licenseKey": KEY, "deviceIdentifier": "0123456789" }))?;
        assert_eq!(old.hardware_identifier.as_deref(), Some("0123456789"));
        check(RequestKind::Verify, &json!({ "licenseKey": KEY })).map(drop)
    }

    #[test]
    fn a_device_that_is_null_is_none() -> Result<(), String> {
        let mut body = json!({ "licenseKey": KEY, "hardwareIdentifier": null });
        assert_eq!(check(RequestKind::Verify, &body)?.hardware_identifier, None);
        assert!(check(RequestKind::Heartbeat, &body).is_err_and(|error| error.starts_with("hardwareIdentifier")));
        body["deviceIdentifier"] = json!("0123456789");
        let asked = check(RequestKind::Heartbeat, &body)?;
        assert_eq!(asked.hardware_identifier.as_deref(), Some("0123456789"));
        Ok(())
    }

    #[test]
    fn what_is_wrong_is_named() {
        let long = "x".repeat(1_001);
        for (field, value) in [
            ("licenseKey", json!("aaaaa-BBBBB-CCCCC-DDDDD-EEE99")),
            ("licenseKey", json!("AAAAA-BBBBB-CCCCC-DDDDD")),
            ("licenseKey", json!(5)),
            ("customerId", json!("7")),
            ("customerId", json!(null)),
            ("productId", json!("00000000000000000000000000000000")),
            ("challenge", json!("")),
            ("challenge", json!("two words")),
            ("challenge", json!(long)),
            ("version", json!("1")),
            ("branch", json!("b")),
            ("hardwareIdentifier", json!("")),
            ("hardwareIdentifier", json!("short")),
            ("hardwareIdentifier", json!("0123456789 0")),
            ("seats", json!(1)),
        ] {
            let mut body = json!({ "licenseKey": KEY });
            body[field] = value.clone();
            let refused = check(RequestKind::Verify, &body);
            assert!(refused.as_ref().is_err_and(|error| error.starts_with(field)), "{field} {value}: {refused:?}");
        }
        assert!(check(RequestKind::Verify, &json!({})).is_err_and(|error| error.starts_with("licenseKey")));
        let without = check(RequestKind::Heartbeat, &json!({ "licenseKey": KEY }));
        assert!(without.is_err_and(|error| error.starts_with("hardwareIdentifier")));
        assert!(check(RequestKind::Verify, &json!([])).is_err());
    }

    #[test]
    fn a_challenge_is_kept_for_the_signature_of_a_bad_request_whatever_is_bad_in_it() {
        for challenge in ["sign-me", "two words", ""] {
            let body = json!({ "licenseKey": "bad", "challenge": challenge }).to_string();
            let bad = Asked::parse(RequestKind::Verify, body.as_bytes());
            assert_eq!(bad.err().and_then(|bad| bad.challenge).as_deref(), Some(challenge));
        }
    }
}
