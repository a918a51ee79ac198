//! One row a product.

use keyledger_events::id::StreamKind;
use keyledger_events::{Event, Position, RecordedEvent, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::db::Value;
use crate::fold::{Fold, Key, from_json, to_json};
use crate::table::{Column, Index, Table};

/// A product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Its id.
    pub id: Uuid,
    /// What buyers see in mails.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its place in the ledger; products are listed by it.
    pub created_position: Position,
    /// The number of events in its stream.
    pub version: i64,
}

/// The view `products`.
pub struct ProductsFold;

impl Fold for ProductsFold {
    const NAME: &'static str = "products";
    const VERSION: u32 = 1;
    const TABLE: &'static Table = &Table {
        columns: &[Column::bytes("team"), Column::bytes("id"), Column::int("created_position"), Column::text("doc")],
        key_columns: 2,
        indexes: &[Index { name: "listed", columns: "team, created_position", only: None }],
    };
    const STREAMS: &'static [StreamKind] = &[StreamKind::Product];
    type State = Product;

    fn key(recorded: &RecordedEvent, _: &Event) -> Option<Key> {
        Some(Key::Item(recorded.team, recorded.stream.id))
    }

    fn evolve(state: Option<Product>, recorded: &RecordedEvent, event: &Event) -> Result<Option<Product>, String> {
        Ok(match (state, event) {
            (None, Event::ProductRegistered(product)) => Some(Product {
                id: recorded.stream.id,
                name: product.name.clone(),
                created_at: recorded.recorded_at,
                created_position: recorded.position,
                version: recorded.stream_version,
            }),
            (None, _) => None,
            (Some(product), _) => Some(Product { version: recorded.stream_version, ..product }),
        })
    }

    fn encode(product: &Product) -> Result<Vec<Value>, String> {
        Ok(vec![product.created_position.into(), to_json(product)?])
    }

    fn decode(stored: &Value) -> Result<Product, String> {
        from_json(stored)
    }
}
