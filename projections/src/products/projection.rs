//! One row a product.

use keyledger_events::event::metadata::MetadataEntry;
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
    /// Its address on the web.
    pub url: Option<String>,
    /// The seller's notes.
    pub metadata: Vec<MetadataEntry>,
    /// Whether it is no longer sold.
    pub removed: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its place in the ledger; products are listed by it.
    pub created_position: Position,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// The number of events in its stream.
    pub version: i64,
}

impl Product {
    fn apply(&mut self, event: &Event) {
        match event {
            Event::ProductUpdated(update) => {
                if let Some(name) = &update.name {
                    self.name.clone_from(name);
                }
                if let Some(url) = &update.url {
                    self.url = Some(url.clone()).filter(|url| !url.is_empty());
                }
                if let Some(metadata) = &update.metadata {
                    self.metadata.clone_from(metadata);
                }
            }
            Event::ProductRemoved(_) => self.removed = true,
            _ => {}
        }
    }
}

/// The view `products`.
pub struct ProductsFold;

impl Fold for ProductsFold {
    const NAME: &'static str = "products";
    const VERSION: u32 = 2;
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
                url: None,
                metadata: Vec::new(),
                removed: false,
                created_at: recorded.recorded_at,
                created_position: recorded.position,
                updated_at: recorded.recorded_at,
                version: recorded.stream_version,
            }),
            (None, _) => None,
            (Some(mut product), event) => {
                product.apply(event);
                product.updated_at = recorded.recorded_at;
                product.version = recorded.stream_version;
                Some(product)
            }
        })
    }

    fn encode(product: &Product) -> Result<Vec<Value>, String> {
        Ok(vec![product.created_position.into(), to_json(product)?])
    }

    fn decode(stored: &Value) -> Result<Product, String> {
        from_json(stored)
    }
}
