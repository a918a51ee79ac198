//! One row a provider event. Rows that are concluded leave the partial index of work, so looking for work costs
//! the same however long the history is.

use keyledger_events::id::StreamKind;
use keyledger_events::{Event, RecordedEvent};

use super::InboxEntry;
use crate::db::Value;
use crate::fold::{Fold, Key, from_json, to_json};
use crate::table::{Column, Index, Table};

/// The view `inbox`.
pub struct InboxFold;

impl Fold for InboxFold {
    const NAME: &'static str = "inbox";
    const VERSION: u32 = 4;
    const TABLE: &'static Table = &Table {
        columns: &[
            Column::bytes("team"),
            Column::bytes("id"),
            Column::text("provider"),
            Column::text("provider_event_id"),
            Column::text("outcome"),
            Column::int("received_position"),
            // When it may be worked on, in microseconds, 0 at once; NULL when it is concluded.
            Column::int("ready_at").or_null(),
            Column::text("event_type"),
            Column::int("received_at"),
            Column::text("reason").or_null(),
            Column::text("doc"),
        ],
        key_columns: 2,
        indexes: &[
            Index { name: "listed", columns: "team, provider, received_position", only: None },
            // Nearly all are applied: a few others are not looked for among them.
            Index {
                name: "unlike_most",
                columns: "team, provider, outcome, received_position",
                only: Some("outcome <> 'applied'"),
            },
            Index { name: "provider_event", columns: "team, provider, provider_event_id", only: None },
            Index { name: "pending", columns: "received_position, ready_at", only: Some("ready_at IS NOT NULL") },
        ],
    };
    const STREAMS: &'static [StreamKind] = &[StreamKind::Inbox];
    type State = InboxEntry;

    fn key(recorded: &RecordedEvent, _: &Event) -> Option<Key> {
        Some(Key::Item(recorded.team, recorded.stream.id))
    }

    fn evolve(
        state: Option<InboxEntry>,
        recorded: &RecordedEvent,
        event: &Event,
    ) -> Result<Option<InboxEntry>, String> {
        Ok(InboxEntry::evolve(state, recorded, event))
    }

    fn encode(entry: &InboxEntry) -> Result<Vec<Value>, String> {
        Ok(vec![
            Value::text(entry.provider.as_str()),
            Value::lookup(&entry.provider_event_id),
            Value::text(entry.outcome.as_str()),
            entry.received_position.into(),
            Value::Int(entry.ready_at_microseconds()),
            Value::text(entry.event_type.as_str()),
            entry.received_at.into(),
            Value::text_or_null(entry.reason.as_deref()),
            to_json(entry)?,
        ])
    }

    fn decode(stored: &Value) -> Result<InboxEntry, String> {
        from_json(stored)
    }
}
