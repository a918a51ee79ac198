//! Old payloads lifted to the current schema version, one pure step per version.
//!
//! A step belongs to one type and one version and returns the payload of the next version. The stored bytes
//! stay as they are: lifting happens on reading.

use serde_json::{Value, json};

/// A step from one version of a type's payload to the next.
type Step = fn(Value) -> Value;

/// Every step there is: type, version it reads, what it does.
const STEPS: &[(&str, u16, Step)] = &[
    // Keys had no names.
    ("ApiKeyCreated", 1, |old| old),
    ("MailRequested", 1, mail_carried_keys),
    // Mails had no picture.
    ("TeamUpdated", 1, |old| old),
];

/// The first mails carried licence keys and nothing else.
fn mail_carried_keys(mut old: Value) -> Value {
    if let Some(fields) = old.as_object_mut() {
        fields.insert("content".to_owned(), json!({ "kind": "license_keys" }));
    }
    old
}

/// Applies the steps from `version` on, in order.
pub fn lift(name: &str, version: u16, payload: Value) -> Value {
    lift_with(STEPS, name, version, payload)
}

fn lift_with(steps: &[(&str, u16, Step)], name: &str, version: u16, payload: Value) -> Value {
    let step = steps.iter().find(|(of, from, _)| *of == name && *from == version);
    match step {
        Some((_, _, step)) => lift_with(steps, name, version + 1, step(payload)),
        None => payload,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_run_one_after_the_other_from_the_stored_version() {
        let steps: &[(&str, u16, Step)] = &[
            ("Thing", 1, |old| json!({ "title": old["name"] })),
            ("Thing", 2, |old| json!({ "title": old["title"], "size": 1 })),
            ("Other", 1, |_| json!("wrong type")),
        ];
        assert_eq!(lift_with(steps, "Thing", 1, json!({ "name": "a" })), json!({ "title": "a", "size": 1 }));
        assert_eq!(lift_with(steps, "Thing", 2, json!({ "title": "b" })), json!({ "title": "b", "size": 1 }));
        assert_eq!(lift_with(steps, "Thing", 3, json!({ "title": "c" })), json!({ "title": "c" }));
    }
}
