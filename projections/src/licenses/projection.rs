//! One row a licence: its state as a document, with the columns that lists and timers ask for.

use keyledger_events::id::StreamKind;
use keyledger_events::{Event, RecordedEvent};
use uuid::Uuid;

use super::License;
use super::standing::Class;
use crate::db::Value;
use crate::fold::{Fold, Key, from_json, to_json};
use crate::table::{Column, Index, Table};

/// The view `licenses`.
pub struct LicensesFold;

impl Fold for LicensesFold {
    const NAME: &'static str = "licenses";
    const VERSION: u32 = 6;
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
            // From when a LicenseExpired is owed.
            Column::int("due_at").or_null(),
            // The end that a LicenseExpiringSoon is owed for, and how long the licence lasts until then, in
            // microseconds; NULL when none is owed.
            Column::int("remind_end").or_null(),
            Column::int("remind_term").or_null(),
            // How it stands as far as no clock is needed to know, and when it ends.
            Column::int("class"),
            Column::int("ends_at").or_null(),
            Column::text("doc"),
        ],
        key_columns: 2,
        indexes: &[
            Index { name: "listed", columns: "team, created_position", only: None },
            Index { name: "purchase", columns: "team, purchase, created_position", only: None },
            Index { name: "updated", columns: "team, updated_position", only: None },
            // A bundle may name more products than an index takes.
            Index { name: "product", columns: "team, products, created_position", only: Some("bundle = 0") },
            Index { name: "bundle", columns: "team, created_position", only: Some("bundle = 1") },
            Index { name: "due", columns: "due_at", only: Some("due_at IS NOT NULL") },
            Index { name: "remind", columns: "team, remind_end", only: Some("remind_end IS NOT NULL") },
            Index { name: "class", columns: "team, class, created_position", only: None },
            // "What runs out next?" and "what ran out last?", with the place in lists to tell equal ends apart.
            Index {
                name: "ends",
                columns: "team, class, ends_at, created_position",
                only: Some("ends_at IS NOT NULL"),
            },
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
        let end = license.reminder_owed();
        let term = end.map(|end| end.as_microsecond().saturating_sub(license.term_began().as_microsecond()));
        Ok(vec![
            license.created_position.into(),
            license.updated_position.into(),
            Value::text(license.purchase.to_string()),
            Value::text(ids(license.customer_ids())),
            Value::text(ids(license.product_ids())),
            i64::from(license.product_ids().len() > 1).into(),
            Value::text(license.provider.as_str()),
            Value::time_or_null(license.expiration_owed()),
            Value::time_or_null(end),
            Value::Int(term),
            Class::of(license).number().into(),
            Value::time_or_null(license.expires_at()),
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
