//! One row a link. Rows are only ever added, each once however often it is found.

use std::collections::BTreeSet;

use async_trait::async_trait;
use keyledger_events::StreamKind;

use super::links::links;
use crate::db::{TableName, Tx, Value};
use crate::error::ApplyError;
use crate::fold::chunks;
use crate::projection::{Applied, Decoded, Projection};
use crate::table::{Column, Table};

/// The view `timeline`.
pub struct TimelineProjection;

const TABLE: &Table = &Table {
    columns: &[Column::bytes("team"), Column::bytes("subject"), Column::bytes("related")],
    key_columns: 3,
    indexes: &[],
};

impl TimelineProjection {
    /// The view's name.
    pub const NAME: &'static str = "timeline";
}

#[async_trait]
impl Projection for TimelineProjection {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        2
    }

    fn table(&self) -> &'static Table {
        TABLE
    }

    fn concerns(&self, _: StreamKind) -> bool {
        true
    }

    async fn apply(&self, tx: &mut Tx, table: &TableName, events: &[&Decoded]) -> Result<Applied, ApplyError> {
        let mut rows = BTreeSet::new();
        let mut changed = None;
        for (recorded, event) in events {
            for (subject, related) in links(recorded, event) {
                if let Some(related) = related.to_bytes() {
                    let (subject, related) = (Value::Bytes(Some(subject.to_bytes())), Value::Bytes(Some(related)));
                    rows.insert(vec![recorded.team.into(), subject, related]);
                    changed = Some(recorded.position);
                }
            }
        }
        // In order of key, so that pages are filled one after the other and two nodes never lock rows crosswise.
        let rows: Vec<Vec<Value>> = rows.into_iter().collect();
        let sizes: Vec<usize> = chunks(&rows).map(<[_]>::len).collect();
        let mut rows = rows.into_iter();
        for size in sizes {
            let args = rows.by_ref().take(size).flatten().collect();
            tx.execute(TABLE.upsert(table, size), args).await?;
        }
        Ok(Applied { changed })
    }
}
