//! From events to endpoints and hooks. One event may owe a hook to several endpoints, so this is no plain fold.

use async_trait::async_trait;
use keyledger_events::id::StreamKind;

use super::kind;
use super::rows::Rows;
use crate::db::{TableName, Tx};
use crate::error::ApplyError;
use crate::projection::{Applied, Decoded, Projection};
use crate::table::{Column, Index, Table};

/// The view `webhooks`.
#[derive(Debug, Default)]
pub struct WebhooksProjection;

impl WebhooksProjection {
    /// Its name.
    pub const NAME: &'static str = "webhooks";
    /// Endpoints and hooks lie in one table, because which hooks are owed depends on the endpoints as they were at
    /// that place in the ledger.
    pub(super) const TABLE: &'static Table = &Table {
        columns: &[
            Column::bytes("team"),
            // 0 for an endpoint, 1 for a hook. Every batch reads its teams' endpoints: they begin a team's rows in the
            // key, which a build that has no indexes yet has too.
            Column::int("row"),
            Column::bytes("id"),
            // Where a hook goes; NULL for an endpoint itself.
            Column::bytes("endpoint").or_null(),
            Column::text("state"),
            // The place of what the hook tells of, or of the endpoint's registration.
            Column::int("position"),
            // When a hook may be sent, in microseconds, 0 at once; NULL when that is over.
            Column::int("ready_at").or_null(),
            Column::text("doc"),
        ],
        key_columns: 3,
        indexes: &[
            Index { name: "listed", columns: "endpoint, position", only: Some("endpoint IS NOT NULL") },
            Index { name: "ready", columns: "endpoint, ready_at, position", only: Some("ready_at IS NOT NULL") },
        ],
    };
}

#[async_trait]
impl Projection for WebhooksProjection {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        2
    }

    fn table(&self) -> &'static Table {
        Self::TABLE
    }

    fn concerns(&self, kind: StreamKind) -> bool {
        matches!(kind, StreamKind::License | StreamKind::Webhook | StreamKind::Hook)
    }

    async fn apply(&self, tx: &mut Tx, table: &TableName, events: &[&Decoded]) -> Result<Applied, ApplyError> {
        let told: Vec<&Decoded> = events.iter().copied().filter(|item| matters(item)).collect();
        let Some(first) = told.first().map(|(recorded, _)| recorded.position) else { return Ok(Applied::default()) };
        let mut rows = Rows::load(tx, table, &told, first).await?;
        let mut changed = None;
        for (recorded, event) in told {
            if rows.take(recorded, event) {
                changed = Some(recorded.position);
            }
        }
        rows.store(tx, table, changed.unwrap_or(first)).await?;
        Ok(Applied { changed })
    }
}

fn matters((recorded, event): &Decoded) -> bool {
    recorded.stream.kind != StreamKind::License || kind::of(event).is_some()
}
