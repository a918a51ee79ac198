//! Views made for stories: one that counts, so that an event applied twice shows; and two that fail on command.

use std::sync::Arc;

use async_trait::async_trait;
use keyledger_events::id::StreamKind;
use keyledger_events::{Event, RecordedEvent};

use crate::db::{TableName, Tx, Value};
use crate::error::ApplyError;
use crate::fold::{Fold, Folded, Key};
use crate::projection::{Applied, Decoded, Projection};
use crate::table::{Column, Table};
use crate::teams::TeamsFold;

/// Counts the product events of each team. Folding the same event twice gives another row.
pub(crate) struct Counter;

const COUNTED: &Table =
    &Table { columns: &[Column::bytes("team"), Column::int("events").or_null()], key_columns: 1, indexes: &[] };

impl Fold for Counter {
    const NAME: &'static str = "counter";
    const VERSION: u32 = 1;
    const TABLE: &'static Table = COUNTED;
    const STREAMS: &'static [StreamKind] = &[StreamKind::Product];
    type State = i64;

    fn key(recorded: &RecordedEvent, _: &Event) -> Option<Key> {
        Some(Key::Team(recorded.team))
    }

    fn begins(_: &RecordedEvent) -> bool {
        false
    }

    fn evolve(state: Option<i64>, _: &RecordedEvent, _: &Event) -> Result<Option<i64>, String> {
        Ok(Some(state.unwrap_or(0) + 1))
    }

    fn encode(events: &i64) -> Result<Vec<Value>, String> {
        Ok(vec![(*events).into()])
    }

    fn decode(stored: &Value) -> Result<i64, String> {
        match stored {
            Value::Int(Some(events)) => Ok(*events),
            other => Err(format!("not a count: {other:?}")),
        }
    }
}

pub(crate) fn counter() -> Arc<dyn Projection> {
    Arc::new(Folded::<Counter>::default())
}

/// The real view of teams.
pub(crate) fn teams() -> Arc<dyn Projection> {
    Arc::new(Folded::<TeamsFold>::default())
}

/// How a [`Fragile`] view fails on a product called `poison`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weakness {
    /// It has no answer to the event.
    NoAnswer,
    /// The database refuses what it writes.
    BadData,
    /// Not at all: the mended release.
    None,
}

/// Counts like [`Counter`], until it meets its poison.
pub(crate) struct Fragile(pub(crate) Weakness);

#[async_trait]
impl Projection for Fragile {
    fn name(&self) -> &'static str {
        "fragile"
    }

    fn version(&self) -> u32 {
        1
    }

    fn table(&self) -> &'static Table {
        COUNTED
    }

    fn concerns(&self, kind: StreamKind) -> bool {
        kind == StreamKind::Product
    }

    async fn apply(&self, tx: &mut Tx, table: &TableName, events: &[&Decoded]) -> Result<Applied, ApplyError> {
        let applied = Folded::<Counter>::default().apply(tx, table, events).await?;
        for (recorded, event) in events.iter().copied() {
            let poison = matches!(event, Event::ProductRegistered(product) if product.name == "poison");
            match self.0 {
                Weakness::NoAnswer if poison => {
                    let (position, message) = (recorded.position, "poison".to_owned());
                    return Err(ApplyError::Event { position, message });
                }
                Weakness::BadData if poison => {
                    let sql = format!("INSERT INTO {table} (team) VALUES ($1)");
                    tx.execute(sql, vec![Value::Bytes(None)]).await?;
                }
                _ => {}
            }
        }
        Ok(applied)
    }
}
