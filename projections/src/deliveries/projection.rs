//! One row a mail. What is sent or abandoned leaves the partial index of work.

use keyledger_events::id::StreamKind;
use keyledger_events::{Event, RecordedEvent};

use super::Delivery;
use crate::db::Value;
use crate::fold::{Fold, Key, from_json, to_json};
use crate::table::{Column, Index, Table};

/// The view `deliveries`.
pub struct DeliveriesFold;

impl Fold for DeliveriesFold {
    const NAME: &'static str = "deliveries";
    const VERSION: u32 = 3;
    const TABLE: &'static Table = &Table {
        columns: &[
            Column::bytes("team"),
            Column::bytes("id"),
            Column::text("purchase"),
            Column::bytes("customer_id"),
            Column::text("state"),
            Column::int("requested_position"),
            // When it may be sent, in microseconds, 0 at once; NULL when that is over.
            Column::int("ready_at").or_null(),
            Column::text("doc"),
        ],
        key_columns: 2,
        indexes: &[
            Index { name: "listed", columns: "team, requested_position", only: None },
            // Nearly all are sent: a few others are not looked for among them.
            Index { name: "unlike_most", columns: "team, state, requested_position", only: Some("state <> 'sent'") },
            Index { name: "purchase", columns: "team, purchase", only: None },
            Index { name: "customer", columns: "team, customer_id", only: None },
            Index { name: "pending", columns: "requested_position, ready_at", only: Some("ready_at IS NOT NULL") },
        ],
    };
    const STREAMS: &'static [StreamKind] = &[StreamKind::Delivery];
    type State = Delivery;

    fn key(recorded: &RecordedEvent, _: &Event) -> Option<Key> {
        Some(Key::Item(recorded.team, recorded.stream.id))
    }

    fn evolve(state: Option<Delivery>, recorded: &RecordedEvent, event: &Event) -> Result<Option<Delivery>, String> {
        Ok(Delivery::evolve(state, recorded, event))
    }

    fn encode(delivery: &Delivery) -> Result<Vec<Value>, String> {
        Ok(vec![
            Value::text(delivery.purchase.to_string()),
            delivery.customer_id.into(),
            Value::text(delivery.state.as_str()),
            delivery.requested_position.into(),
            Value::Int(delivery.ready_at_microseconds()),
            to_json(delivery)?,
        ])
    }

    fn decode(stored: &Value) -> Result<Delivery, String> {
        from_json(stored)
    }
}
