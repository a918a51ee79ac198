//! The raw side of a rebuild: read and decode every event, and one upsert for each that is about a licence, 1,000
//! events a transaction. Our side is `keyledger projections rebuild licenses` over the same ledger.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use keyledger_events::Event;
use keyledger_events::event::license::Terms;
use rusqlite::{Connection, params};

use crate::measure::Measure;
use crate::replay::each_event;

/// Events of one transaction.
const TRANSACTION_EVENTS: u64 = 1_000;

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    DROP TABLE IF EXISTS raw_license;
    CREATE TABLE raw_license (stream TEXT PRIMARY KEY, state TEXT NOT NULL) STRICT, WITHOUT ROWID;";
const UPSERT: &str =
    "INSERT INTO raw_license VALUES (?1, ?2) ON CONFLICT (stream) DO UPDATE SET state = excluded.state";

/// `rebuild-raw`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A folder with a filled `ledger.db`; the table goes to `raw.db` beside it.
    #[arg(long)]
    db: PathBuf,
}

/// Rebuilds the table.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let ledger = Connection::open(args.db.join("ledger.db"))?;
    let views = Connection::open(args.db.join("raw.db"))?;
    let start = Instant::now();
    views.execute_batch(SCHEMA)?;
    views.execute_batch("BEGIN")?;
    let mut pending = 0;
    let count = each_event(&ledger, |stream, event| {
        if let Some(terms) = terms(&event) {
            views.prepare_cached(UPSERT)?.execute(params![stream, serde_json::to_string(terms)?])?;
        }
        pending += 1;
        if pending == TRANSACTION_EVENTS {
            views.execute_batch("COMMIT; BEGIN")?;
            pending = 0;
        }
        Ok(())
    })
    .context("reading the ledger")?;
    views.execute_batch("COMMIT")?;
    Measure::of(count, start.elapsed()).print()
}

fn terms(event: &Event) -> Option<&Terms> {
    match event {
        Event::LicenseIssued(issued) => Some(&issued.terms),
        Event::SubscriptionRenewed(renewed) => Some(&renewed.terms),
        _ => None,
    }
}
