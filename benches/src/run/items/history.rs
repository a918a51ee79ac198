//! Reading history: replay into memory, and the rebuild of a view.

use crate::measure::Measure;
use crate::run::context::Context;
use crate::run::item::{Bar, Row, rates, rounds};
use crate::run::keyledger::Ledger;

/// Events of the history that is replayed.
const REPLAY_EVENTS: u32 = 400_000;

pub(super) fn replay(context: &Context) -> anyhow::Result<Vec<Row>> {
    let folder = context.folder("replay")?;
    let db = folder.to_string_lossy();
    context.measure(&["fill", "--db", &db, "--events", &context.scaled(REPLAY_EVENTS).to_string()])?;
    let cell = |side: &str| context.measure(&["replay", "--side", side, "--db", &db]);
    // The first pass fills the page cache for both.
    cell("raw")?;
    let pairs = rounds(context, |_| cell("ours"), |_| cell("raw"))?;
    Ok(vec![Row::ratio("replay / raw", "events/s", &rates(&pairs), Bar::RatioAtLeast(0.35))])
}

pub(super) fn rebuild(context: &Context) -> anyhow::Result<Vec<Row>> {
    let ledger = Ledger::make(context, "rebuild")?;
    let db = ledger.folder.to_string_lossy();
    let history = ["--events", &context.scaled(REPLAY_EVENTS).to_string()];
    let owner = ["--team", &ledger.team, "--product", &ledger.product];
    let filled = context.measure(&[&["fill", "--db", &db][..], &history, &owner].concat())?;
    let rebuilt = |views: &[&str]| {
        let elapsed = ledger.timed(context, &[&["projections", "rebuild"][..], views].concat())?;
        Ok(Measure::of(filled.count, elapsed))
    };
    let (ours, all) = (|_| rebuilt(&["licenses"]), |_| rebuilt(&[]));
    let raw = |_| context.measure(&["rebuild-raw", "--db", &db]);
    // The first passes bring the other views up to date and fill the page cache.
    ours(0)?;
    raw(0)?;
    let licenses = rates(&rounds(context, ours, raw)?);
    let all = rates(&rounds(context, all, raw)?);
    Ok(vec![
        Row::ratio("rebuild of licences / raw upserts", "events/s", &licenses, Bar::RatioAtLeast(0.6)),
        Row::ratio("rebuild of all views / raw upserts", "events/s", &all, Bar::RatioAtLeast(0.25)),
    ])
}
