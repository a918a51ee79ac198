//! Appends: our Writer beside raw inserts into the same tables.
//!
//! On SQLite one caller appends batch after batch. On PostgreSQL 16 callers append single events, beside 16
//! connections that insert single rows. The tables are those of our own migrations, so the indexes are the same; the
//! raw side hashes each leaf as well, and on SQLite keeps head and Merkle frontier too. It looks nothing up: which
//! version each stream has, and which ids are known, is a cost of ours alone.

mod ours;
mod raw_postgres;
mod raw_sqlite;
mod throwaway;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use keyledger_events::{NewEvent, Position, Provenance, RecordedEvent, SharedLedger, TeamId};
use uuid::Uuid;

use crate::Side;
use crate::story::{Author, STORY_EVENTS};

/// Callers or connections on PostgreSQL.
const POSTGRES_CALLERS: usize = 16;

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Engine {
    /// A file in `--db`.
    Sqlite,
    /// A database of its own on the server `--postgres`.
    Postgres,
}

/// `append`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which database.
    #[arg(long)]
    engine: Engine,
    /// Which side.
    #[arg(long)]
    side: Side,
    /// An empty folder (SQLite).
    #[arg(long, default_value = "target/bench/append")]
    db: PathBuf,
    /// The server's URL (PostgreSQL).
    #[arg(long, env = "KEYLEDGER_BENCH_POSTGRES")]
    postgres: Option<String>,
    /// Events of one append (SQLite).
    #[arg(long, default_value_t = 100)]
    batch: usize,
    /// Events at most; all are made before the clock starts.
    #[arg(long, default_value_t = 200_000)]
    count: u64,
    /// Seconds at most.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
}

/// Runs one side.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let team = TeamId(Uuid::max());
    let author = Author::new(team, Uuid::max());
    let stories = 0..args.count.div_ceil(STORY_EVENTS);
    let events: Vec<NewEvent> = stories.flat_map(|number| author.story(number)).collect();
    let limit = Duration::from_secs_f64(args.seconds);
    let measure = match args.engine {
        Engine::Sqlite => {
            let ledger = crate::ours::sqlite_ledger(&args.db).await?;
            match args.side {
                Side::Ours => ours::batches(ledger, &args.db, team, events, args.batch, limit).await?,
                Side::Raw => raw_sqlite::batches(ledger, &args.db, &recorded(team, events)?, args.batch, limit)?,
            }
        }
        Engine::Postgres => {
            let server = args.postgres.as_deref().context("--postgres: the URL of a server is missing")?;
            let database = throwaway::Database::make(server).await?;
            let ledger: SharedLedger = std::sync::Arc::new(database.ledger().await?);
            let measure = match args.side {
                Side::Ours => ours::singles(ledger, &args.db, team, events, POSTGRES_CALLERS, limit).await?,
                Side::Raw => raw_postgres::singles(&database, recorded(team, events)?, POSTGRES_CALLERS, limit).await?,
            };
            database.drop().await?;
            measure
        }
    };
    measure.print()
}

/// The events as the Writer would record them, but for the leaf hash, which the raw side computes on the clock.
fn recorded(team: TeamId, events: Vec<NewEvent>) -> anyhow::Result<Vec<RecordedEvent>> {
    let mut versions = std::collections::HashMap::new();
    let mut position = Position::START;
    let mut recorded = Vec::with_capacity(events.len());
    for event in events {
        position = position.next();
        let version = versions.entry(event.stream).or_insert(0_i64);
        *version += 1;
        recorded.push(RecordedEvent {
            position,
            team,
            stream: event.stream,
            stream_version: *version,
            event_id: event.event_id,
            event_type: event.event.name().to_owned(),
            schema_version: event.event.schema_version(),
            occurred_at: event.occurred_at,
            recorded_at: event.occurred_at,
            provenance: Provenance::of("bench"),
            payload: event.event.encode()?,
            leaf_hash: [0; 32],
        });
    }
    Ok(recorded)
}
