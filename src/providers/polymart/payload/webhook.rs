//! The webhook's body: `{"event", "time", "nonce", "payload"}`.

use keyledger_events::Timestamp;
use serde_json::Value;

use super::PayloadError;
use crate::providers::json::{BadField, Node};
use crate::providers::mac::body_id;

/// The type that is recorded when the body does not say one.
const UNREADABLE: &str = "unreadable";

/// All that is needed to record a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The nonce, or `sha256:…` of the body where there is none: the same id is the same delivery.
    pub delivery_id: String,
    /// Polymart's name for what happened; `unreadable` when the body does not say.
    pub event: String,
    /// When it happened; `None` when the body does not say, or not as a time.
    pub time: Option<Timestamp>,
}

/// Something that happened on Polymart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A user bought a product.
    Purchase(Sale),
    /// A user lost a product: the purchase was removed or refunded.
    Removal(Sale),
    /// Polymart tried whether we are there.
    Ping,
    /// Something we have no use for.
    Other,
}

/// Who bought or lost what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sale {
    /// Polymart's id of its product.
    pub product: String,
    /// What Polymart calls the product.
    pub product_title: Option<String>,
    /// Polymart's id of the buyer.
    pub user: String,
    /// When.
    pub time: Timestamp,
}

/// Reads what is needed to record a delivery.
///
/// # Errors
/// When the body is no JSON object. It can be recorded all the same, under the id of its bytes.
pub fn parse_envelope(body: &[u8]) -> Result<Envelope, PayloadError> {
    let value = object(body)?;
    let delivery = Node::root(&value, "");
    Ok(Envelope {
        delivery_id: delivery.get("nonce").id().unwrap_or_else(|_| body_id(body)),
        event: delivery.get("event").label().unwrap_or_else(|| UNREADABLE.to_owned()),
        time: delivery.get("time").time().ok().flatten(),
    })
}

/// Reads what a delivery says.
///
/// # Errors
/// When the body is no JSON object, or lacks what its event must have: names the field.
pub fn parse_fact(body: &[u8]) -> Result<Fact, PayloadError> {
    let value = object(body)?;
    let delivery = Node::root(&value, "");
    Ok(match delivery.get("event").text()?.as_str() {
        "product.user.purchase" => Fact::Purchase(Sale::read(&delivery)?),
        "product.user.purchaseRemoved" | "product.user.refund" => Fact::Removal(Sale::read(&delivery)?),
        "ping" => Fact::Ping,
        _ => Fact::Other,
    })
}

impl Sale {
    fn read(delivery: &Node<'_>) -> Result<Self, BadField> {
        let payload = delivery.get("payload");
        let (product, user) = (payload.get("product"), payload.get("user"));
        Ok(Self {
            product: product.get("id").id()?,
            product_title: product.get("title").label(),
            user: user.get("id").id()?,
            time: delivery.get("time").required_time()?,
        })
    }
}

pub(super) fn object(body: &[u8]) -> Result<Value, PayloadError> {
    let value: Value = serde_json::from_slice(body).map_err(|error| PayloadError::NotJson(error.to_string()))?;
    if value.is_object() { Ok(value) } else { Err(PayloadError::NotAnObject) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn sale() -> Value {
        json!({
            "event": "product.user.purchase", "time": 1_740_000_000, "nonce": "n-1",
            "payload": {
                "product": { "id": "323", "title": "Plugin", "subtitle": "", "url": "https://example.test/323" },
                "user": { "id": 1234 },
            },
        })
    }

    fn fact(body: &Value) -> Result<Fact, String> {
        parse_fact(body.to_string().as_bytes()).map_err(|error| error.to_string())
    }

    fn with(pointer: &str, value: Value) -> Value {
        let mut body = sale();
        if let Some(place) = body.pointer_mut(pointer) {
            *place = value;
        }
        body
    }

    #[test]
    fn a_purchase_whether_ids_are_numbers_or_text() -> Result<(), Box<dyn std::error::Error>> {
        let expected = Sale {
            product: "323".to_owned(),
            product_title: Some("Plugin".to_owned()),
            user: "1234".to_owned(),
            time: Timestamp::from_second(1_740_000_000)?,
        };
        for body in [
            sale(),
            with("/payload/product/id", json!(323)),
            with("/payload/user/id", json!("1234")),
            with("/time", json!("1740000000")),
        ] {
            assert_eq!(fact(&body), Ok(Fact::Purchase(expected.clone())));
        }
        for word in ["product.user.purchaseRemoved", "product.user.refund"] {
            assert_eq!(fact(&with("/event", json!(word))), Ok(Fact::Removal(expected.clone())));
        }
        Ok(())
    }

    #[test]
    fn what_is_no_sale_needs_no_payload() {
        assert_eq!(fact(&json!({ "event": "ping" })), Ok(Fact::Ping));
        assert_eq!(fact(&json!({ "event": "product.update", "payload": 5 })), Ok(Fact::Other));
    }

    #[test]
    fn a_malformed_sale_names_the_field() {
        for (pointer, value, message) in [
            ("/event", json!(null), "`event` is missing"),
            ("/time", json!(null), "`time` is missing"),
            ("/time", json!("today"), "`time` is \"today\", not a whole number"),
            ("/time", json!(i64::MAX), "`time` is 9223372036854775807, not a time in seconds since 1970"),
            ("/payload", json!([]), "`payload.product.id` is missing"),
            ("/payload/user/id", json!(""), "`payload.user.id` is empty"),
            ("/payload/product/id", json!(1.5), "`payload.product.id` is neither a whole number nor text"),
        ] {
            assert_eq!(fact(&with(pointer, value)), Err(message.to_owned()));
        }
        assert_eq!(parse_fact(b"[]"), Err(PayloadError::NotAnObject));
        assert!(matches!(parse_fact(b"{"), Err(PayloadError::NotJson(_))));
    }

    #[test]
    fn a_delivery_is_known_by_its_nonce_or_else_by_its_bytes() {
        let id = |body: &Value| parse_envelope(body.to_string().as_bytes()).map(|envelope| envelope.delivery_id);
        assert_eq!(id(&sale()), Ok("n-1".to_owned()));
        assert_eq!(id(&with("/nonce", json!(77))), Ok("77".to_owned()));
        for none in [json!(null), json!(""), json!({})] {
            let body = with("/nonce", none);
            assert_eq!(id(&body), Ok(body_id(body.to_string().as_bytes())));
        }
    }

    #[test]
    fn the_envelope_of_an_unreadable_delivery_can_still_be_recorded() {
        let body = br#"{"event":7,"time":"soon"}"#;
        let expected = Envelope { delivery_id: body_id(body), event: "unreadable".to_owned(), time: None };
        assert_eq!(parse_envelope(body), Ok(expected));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (parse_envelope(&body), parse_fact(&body), super::super::parse_placeholder(&body));
        }
    }
}
