//! Payloads composed by us in both layouts, sample deliveries where a folder of them is at hand, and noise.

mod facts;
mod invoices;
mod noise;
mod samples;
mod subscriptions;

use std::error::Error;

use keyledger_events::Timestamp;
use serde_json::{Value, json};

use super::*;

const CREATED: i64 = 1_740_000_000;
const START: i64 = 1_740_000_000;
const END: i64 = 1_742_592_000;

fn time(seconds: i64) -> Result<Timestamp, Box<dyn Error>> {
    Ok(Timestamp::from_second(seconds)?)
}

fn event(event_type: &str, object: Value) -> Value {
    json!({
        "id": "evt_1", "object": "event", "type": event_type, "created": CREATED, "livemode": false,
        "api_version": "2025-02-24.acacia", "data": { "object": object },
    })
}

fn read(event_type: &str, object: Value) -> Result<StripeObject, PayloadError> {
    parse_object(event(event_type, object).to_string().as_bytes())
}

/// The message about a payload that must not be readable.
fn complaint(event_type: &str, object: Value) -> String {
    read(event_type, object).map_or_else(|error| error.to_string(), |read| format!("was read as {read:?}"))
}

/// The same object with one place, given as a JSON pointer, set to another value.
fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    match pointer.rsplit_once('/').map(|(parent, key)| (object.pointer_mut(parent), key)) {
        Some((Some(Value::Object(fields)), key)) => drop(fields.insert(key.to_owned(), value)),
        Some((Some(Value::Array(values)), key)) => {
            if let Some(place) = key.parse::<usize>().ok().and_then(|index| values.get_mut(index)) {
                *place = value;
            }
        }
        _ => {}
    }
    object
}

#[test]
fn the_envelope_is_read_without_the_object() -> Result<(), Box<dyn Error>> {
    let body = event("invoice.paid", json!("not an object")).to_string();
    let expected = Envelope {
        id: "evt_1".to_owned(),
        event_type: "invoice.paid".to_owned(),
        created: Some(time(CREATED)?),
        livemode: Some(false),
        api_version: Some("2025-02-24.acacia".to_owned()),
    };
    assert_eq!(parse_envelope(body.as_bytes()), Ok(expected));
    assert!(matches!(parse(body.as_bytes()), Err(PayloadError::Malformed { .. })));
    Ok(())
}

#[test]
fn an_envelope_may_lack_everything_but_its_id() {
    let bare = Envelope {
        id: "evt_1".to_owned(),
        event_type: "unreadable".to_owned(),
        created: None,
        livemode: None,
        api_version: None,
    };
    assert_eq!(parse_envelope(br#"{"id":"evt_1"}"#), Ok(bare.clone()));
    let odd = br#"{"id":"evt_1","type":5,"created":"soon","livemode":"no","api_version":{},"id2":[]}"#;
    assert_eq!(parse_envelope(odd), Ok(bare));
}

#[test]
fn no_id_and_no_json_are_told_apart() {
    for body in [r#"{"type":"checkout.session.completed","data":{}}"#, r#"{"id":""}"#, r#"{"id":7}"#, "[]", "null", "7"]
    {
        assert_eq!(parse_envelope(body.as_bytes()), Err(PayloadError::NoEventId), "{body}");
    }
    for body in ["", "{", "{\"id\":\"evt_1\"", "{\"id\":\"evt_1\"} x", "id=evt_1"] {
        assert!(matches!(parse_envelope(body.as_bytes()), Err(PayloadError::NotJson(_))), "{body}");
    }
    assert!(matches!(parse_envelope(b"{\"id\":\"\xff\"}"), Err(PayloadError::NotJson(_))));
}

#[test]
fn a_body_nested_too_deeply_has_an_envelope_but_no_object() {
    let body = format!(r#"{{"id":"evt_1","data":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(parse_envelope(body.as_bytes()), Ok(Envelope { id, .. }) if id == "evt_1"));
    assert!(matches!(parse_object(body.as_bytes()), Err(PayloadError::NotJson(_))));
}

#[test]
fn types_that_we_do_not_handle_are_read_as_other() {
    for event_type in ["customer.created", "invoice.created", "charge.dispute.updated", ""] {
        assert_eq!(read(event_type, json!(null)), Ok(StripeObject::Other));
    }
}

#[test]
fn a_bad_date_is_told_for_a_handled_type() {
    let mut body = event("charge.dispute.closed", json!({ "id": "dp_1", "amount": 1, "status": "won" }));
    body["created"] = json!(i64::MAX);
    let error = parse_object(body.to_string().as_bytes()).map_err(|error| error.to_string());
    assert_eq!(
        error,
        Err("the `charge.dispute.closed` event cannot be read: \
             `created` is 9223372036854775807, not a time in seconds since 1970"
            .to_owned())
    );
}
