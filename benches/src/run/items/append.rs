//! Appends beside raw inserts.

use crate::run::context::Context;
use crate::run::item::{Bar, Row, rates, rounds};

/// Events a second that are made before the clock starts.
const EVENTS_PER_SECOND: u32 = 100_000;

pub(super) fn sqlite(context: &Context) -> anyhow::Result<Vec<Row>> {
    row(context, "sqlite", "append by 100 / raw, SQLite", Bar::RatioAtLeast(0.5))
}

pub(super) fn postgres(context: &Context) -> anyhow::Result<Vec<Row>> {
    row(context, "postgres", "append, 16 tasks / raw, PostgreSQL", Bar::RatioAtLeast(0.3))
}

fn row(context: &Context, engine: &str, name: &str, bar: Bar) -> anyhow::Result<Vec<Row>> {
    let count = context.requests(EVENTS_PER_SECOND).to_string();
    let seconds = context.seconds.to_string();
    let cell = |side: &str| {
        let folder = context.folder("append")?;
        let db = folder.to_string_lossy();
        let limits = ["--db", &db, "--count", &count, "--seconds", &seconds];
        context.measure(&[&["append", "--engine", engine, "--side", side][..], &limits].concat())
    };
    let pairs = rounds(context, |_| cell("ours"), |_| cell("raw"))?;
    Ok(vec![Row::ratio(name, "events/s", &rates(&pairs), bar)])
}
