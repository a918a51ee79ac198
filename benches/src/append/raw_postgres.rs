//! The raw side on PostgreSQL: connections that insert one row a transaction, with no head row between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use keyledger_events::RecordedEvent;
use sqlx::PgConnection;

use super::throwaway::Database;
use crate::measure::Measure;

const INSERT: &str = "INSERT INTO ledger.event VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";

/// `connections` at once, each taking the next row when its last one is committed.
pub(super) async fn singles(
    database: &Database,
    events: Vec<RecordedEvent>,
    connections: usize,
    limit: Duration,
) -> anyhow::Result<Measure> {
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(database.connect().await?);
    }
    let rows = Arc::new((events, AtomicUsize::new(0)));
    let start = Instant::now();
    let tasks: Vec<_> = open
        .into_iter()
        .map(|mut connection| {
            let rows = Arc::clone(&rows);
            tokio::spawn(async move {
                let (events, next) = &*rows;
                let mut count = 0_u64;
                while start.elapsed() < limit
                    && let Some(event) = events.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    insert(&mut connection, event).await?;
                    count += 1;
                }
                Ok::<_, anyhow::Error>(count)
            })
        })
        .collect();
    let mut count = 0;
    for task in tasks {
        count += task.await??;
    }
    Ok(Measure::of(count, start.elapsed()))
}

async fn insert(connection: &mut PgConnection, event: &RecordedEvent) -> anyhow::Result<()> {
    let insert = sqlx::query(INSERT)
        .bind(event.position.0)
        .bind(event.team.0)
        .bind(event.stream.to_string())
        .bind(event.stream_version)
        .bind(event.event_id)
        .bind(&event.event_type)
        .bind(i16::try_from(event.schema_version)?)
        .bind(event.occurred_at.as_microsecond())
        .bind(event.recorded_at.as_microsecond())
        .bind(event.provenance.causation)
        .bind(event.provenance.correlation)
        .bind(&event.provenance.actor)
        .bind(&event.payload)
        .bind(event.expected_leaf_hash().to_vec());
    insert.execute(connection).await?;
    Ok(())
}
