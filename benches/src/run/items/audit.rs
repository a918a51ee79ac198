//! Verification of a million events, the whole command with every check, beside reading the rows and hashing them bare.

use crate::measure::Measure;
use crate::run::context::Context;
use crate::run::item::{Bar, Row, rates, rounds};
use crate::run::keyledger::Ledger;

/// Events of the history.
const EVENTS: u32 = 1_000_000;

pub(super) fn measure(context: &Context) -> anyhow::Result<Vec<Row>> {
    let ledger = Ledger::make(context, "audit")?;
    let db = ledger.folder.to_string_lossy();
    let history = ["--events", &context.scaled(EVENTS).to_string()];
    let owner = ["--team", &ledger.team, "--product", &ledger.product];
    let filled = context.measure(&[&["fill", "--db", &db][..], &history, &owner].concat())?;
    // As in a ledger that was served: its checkpoints and tiles are verified, too.
    ledger.timed(context, &["audit", "checkpoint", "--sign"])?;
    let ours = |_| Ok(Measure::of(filled.count, ledger.timed(context, &["audit", "verify", "--json"])?));
    let raw = |_| context.measure(&["audit-raw", "--db", &db]);
    // The first pass fills the page cache for both.
    raw(0)?;
    let pairs = rounds(context, ours, raw)?;
    Ok(vec![Row::ratio("audit verify / rows hashed bare", "events/s", &rates(&pairs), Bar::RatioAtLeast(0.4))])
}
