//! Times as programs written for Lukittu know them: there they have three digits behind the second, always. Some read no
//! others, and some read others wrongly.

use keyledger_events::Timestamp;
use serde_json::Value;

/// The fields of answers that hold a time.
const TIMES: [&str; 10] = [
    "timestamp",
    "at",
    "createdAt",
    "updatedAt",
    "lastActiveAt",
    "lastSeenAt",
    "activatedAt",
    "expirationDate",
    "expiresAt",
    "paidUntil",
];

/// A time, cut down to the millisecond.
pub fn text(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// Writes every time of an answer so.
pub fn in_answer(answer: &mut Value) {
    match answer {
        Value::Array(items) => items.iter_mut().for_each(in_answer),
        Value::Object(fields) => {
            for (name, value) in fields {
                let time = value.as_str().filter(|_| TIMES.contains(&name.as_str()));
                match time.and_then(|time| time.parse().ok()) {
                    Some(time) => *value = text(time).into(),
                    None => in_answer(value),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_time_has_three_digits_and_nothing_else_is_touched() {
        let mut answer = json!({
            "data": [{ "createdAt": "2026-01-31T12:00:00Z", "expirationDate": "2026-01-31T12:00:00.9999Z", "paidUntil": null }],
            "result": { "timestamp": "2026-01-31T12:00:00.123456Z", "details": "2026-01-31T12:00:00Z" },
        });
        in_answer(&mut answer);
        let expected = json!({
            "data": [{ "createdAt": "2026-01-31T12:00:00.000Z", "expirationDate": "2026-01-31T12:00:00.999Z", "paidUntil": null }],
            "result": { "timestamp": "2026-01-31T12:00:00.123Z", "details": "2026-01-31T12:00:00Z" },
        });
        assert_eq!(answer, expected);
    }
}
