//! An export as a table: RFC 4180, a row an event, and no cell that a spreadsheet takes for a formula.

use std::fmt::Display;
use std::io::Write as _;

use keyledger_events::RecordedEvent;
use uuid::Uuid;

/// What begins a formula in one spreadsheet or another (OWASP, CSV injection).
const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\n'];
/// What stands before such a cell: spreadsheets then show it as text.
const TEXT: char = '\'';

/// The names of the columns.
pub(super) fn header(out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"position,type,version,stream,streamVersion,teamId,eventId,occurredAt,recordedAt,actor,causation,correlation,\
        leafHash,data\r\n",
    );
}

/// An event's row.
pub(super) fn row(event: &RecordedEvent, out: &mut Vec<u8>) {
    let optional = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    number(out, event.position);
    cell(out, &event.event_type);
    number(out, event.schema_version);
    cell(out, &event.stream.to_string());
    number(out, event.stream_version);
    cell(out, &event.team.to_string());
    cell(out, &event.event_id.to_string());
    cell(out, &event.occurred_at.to_string());
    cell(out, &event.recorded_at.to_string());
    cell(out, &event.provenance.actor);
    cell(out, &optional(event.provenance.causation));
    cell(out, &optional(event.provenance.correlation));
    cell(out, &hex::encode(event.leaf_hash));
    cell(out, &String::from_utf8_lossy(&event.payload));
    out.pop();
    out.extend_from_slice(b"\r\n");
}

fn number(out: &mut Vec<u8>, number: impl Display) {
    // Writing to memory does not fail.
    let _ = write!(out, "{number},");
}

/// A text, always in quotes.
fn cell(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    if text.starts_with(FORMULA) {
        let _ = write!(out, "{TEXT}");
    }
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.extend_from_slice(b"\",");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        let check = |text: &str, expected: &str| {
            let mut out = Vec::new();
            cell(&mut out, text);
            assert_eq!(String::from_utf8_lossy(&out), format!("{expected},"));
        };
        check("plain", r#""plain""#);
        check(r#"say "so", then"#, r#""say ""so"", then""#);
        check("", r#""""#);
        for first in ["=", "+", "-", "@", "\t", "\r", "\n"] {
            check(&format!("{first}cmd|'/c calc'!A0"), &format!("\"'{first}cmd|'/c calc'!A0\""));
        }
        check("a=b", r#""a=b""#);
    }
}
