//! One row a licence: its state as a document, with the columns that lists ask for.

use keyledger_events::id::StreamKind;
use keyledger_events::{Event, RecordedEvent};
use uuid::Uuid;

use super::License;
use crate::db::Value;
use crate::fold::{Fold, Key, from_json, to_json};
use crate::table::{Column, Index, Table};

/// The view `licenses`.
pub struct LicensesFold;

impl Fold for LicensesFold {
    const NAME: &'static str = "licenses";
    const VERSION: u32 = 4;
    const TABLE: &'static Table = &Table {
        columns: &[
            Column::bytes("team"),
            Column::bytes("id"),
            Column::int("created_position"),
            Column::int("updated_position"),
            Column::text("purchase"),
            Column::text("customers"),
            Column::text("products"),
            // Whether it opens several products: then their ids are written one behind the other, and an index of them
            // finds none.
            Column::int("bundle"),
            Column::text("provider"),
            Column::text("doc"),
        ],
        key_columns: 2,
        indexes: &[
            Index { name: "listed", columns: "team, created_position", only: None },
            Index { name: "purchase", columns: "team, purchase, created_position", only: None },
            Index { name: "updated", columns: "team, updated_position", only: None },
            Index { name: "product", columns: "team, products, created_position", only: None },
            Index { name: "bundle", columns: "team, created_position", only: Some("bundle = 1") },
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
            license.updated_position.into(),
            Value::text(license.purchase.to_string()),
            Value::text(ids(license.customer_ids())),
            Value::text(ids(license.product_ids())),
            i64::from(license.product_ids().len() > 1).into(),
            Value::text(license.provider.as_str()),
            to_json(license)?,
        ])
    }

    fn decode(stored: &Value) -> Result<License, String> {
        from_json(stored)
    }
}

/// Ids as lists look for them.
fn ids(ids: &[Uuid]) -> String {
    ids.iter().map(Uuid::to_string).collect::<Vec<_>>().join(" ")
}
