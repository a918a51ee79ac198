//! One row a licence: its state as a document, with the columns that lists ask for.

use keyledger_events::id::StreamKind;
use keyledger_events::{Event, RecordedEvent};

use super::License;
use crate::db::Value;
use crate::fold::{Fold, Key, from_json, to_json};
use crate::table::{Column, Index, Table};

/// The view `licenses`.
pub struct LicensesFold;

impl Fold for LicensesFold {
    const NAME: &'static str = "licenses";
    const VERSION: u32 = 1;
    const TABLE: &'static Table = &Table {
        columns: &[
            Column::bytes("team"),
            Column::bytes("id"),
            Column::int("created_position"),
            Column::text("purchase"),
            Column::bytes("customer_id").or_null(),
            Column::text("provider"),
            Column::text("doc"),
        ],
        key_columns: 2,
        indexes: &[
            Index { name: "listed", columns: "team, created_position", only: None },
            Index { name: "purchase", columns: "team, purchase, created_position", only: None },
            Index { name: "customer", columns: "team, customer_id, created_position", only: None },
        ],
    };
    const STREAMS: &'static [StreamKind] = &[StreamKind::License];
    type State = License;

    fn key(recorded: &RecordedEvent, _: &Event) -> Option<Key> {
        Some(Key::Item(recorded.team, recorded.stream.id))
    }

    fn evolve(state: Option<License>, recorded: &RecordedEvent, event: &Event) -> Result<Option<License>, String> {
        Ok(License::evolve(state, recorded, event))
    }

    fn encode(license: &License) -> Result<Vec<Value>, String> {
        Ok(vec![
            license.created_position.into(),
            Value::text(license.purchase.to_string()),
            Value::uuid_or_null(license.customer_id),
            Value::text(license.provider.as_str()),
            to_json(license)?,
        ])
    }

    fn decode(stored: &Value) -> Result<License, String> {
        from_json(stored)
    }
}
