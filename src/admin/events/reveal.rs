//! Opening the sealed values of an event.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::future::{BoxFuture, FutureExt as _};
use keyledger_events::keys::{KeyRing, KeyRingError};
use keyledger_events::sealed::SealContext;
use keyledger_events::{RecordedEvent, Sealed};
use serde_json::{Map, Value};

use crate::admin::AdminError;

/// Replaces every sealed value by what it holds: text as text, anything else in base64. A value whose key is gone
/// stays and says so.
pub(super) async fn reveal(keys: &KeyRing, event: &RecordedEvent, data: &mut Value) -> Result<(), AdminError> {
    walk(keys, event, "", data).await
}

/// `field` is the name that the value stands under, which is what it was sealed for.
fn walk<'a>(
    keys: &'a KeyRing,
    event: &'a RecordedEvent,
    field: &'a str,
    value: &'a mut Value,
) -> BoxFuture<'a, Result<(), AdminError>> {
    async move {
        if let Some(sealed) = sealed(value) {
            return open(keys, event, field, value, &sealed).await;
        }
        match value {
            Value::Object(fields) => {
                for (name, value) in fields.iter_mut() {
                    walk(keys, event, name, value).await?;
                }
            }
            Value::Array(elements) => {
                for value in elements {
                    walk(keys, event, field, value).await?;
                }
            }
            _ => {}
        }
        Ok(())
    }
    .boxed()
}

/// The sealed value that this JSON is the form of.
fn sealed(value: &Value) -> Option<Sealed> {
    let form = value.as_object().filter(|fields| fields.len() == 1 && fields.contains_key("sealed"))?;
    serde_json::from_value(Value::Object(form.clone())).ok()
}

async fn open(
    keys: &KeyRing,
    event: &RecordedEvent,
    field: &str,
    value: &mut Value,
    sealed: &Sealed,
) -> Result<(), AdminError> {
    let context = SealContext { team: event.team, event_id: event.event_id, field };
    match keys.open(context, sealed).await {
        Ok(bytes) => *value = shown(bytes),
        Err(KeyRingError::Gone(_)) => mark(value, "gone"),
        Err(KeyRingError::Open(_)) => mark(value, "unreadable"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn shown(bytes: Vec<u8>) -> Value {
    match String::from_utf8(bytes) {
        Ok(text) => Value::String(text),
        Err(error) => Value::String(BASE64.encode(error.as_bytes())),
    }
}

fn mark(value: &mut Value, why: &str) {
    if let Value::Object(form) = value {
        let form: &mut Map<String, Value> = form;
        form.insert(why.to_owned(), Value::Bool(true));
    }
}
