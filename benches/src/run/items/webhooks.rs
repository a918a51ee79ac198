//! Deliveries under load, beside the durable reference, which gets the very same requests.

use super::references::{CONNECTIONS, reference};
use crate::measure::{Measure, as_f64};
use crate::run::context::Context;
use crate::run::item::{Bar, Row, rates, rounds};
use crate::run::keyledger::{Disk, Ledger, Load};

/// Deliveries a second that we prepare for.
const OURS_PER_SECOND: u32 = 40_000;

pub(super) fn stripe(context: &Context) -> anyhow::Result<Vec<Row>> {
    let template = Ledger::make(context, "template-stripe")?;
    let fake = context.serve(&["fake-stripe", "--product", &template.product])?;
    template.connect_stripe(context, &fake.url)?;
    let pairs = rounds(
        context,
        |_| ours(context, &template, "stripe", CONNECTIONS, Disk::Native),
        |_| reference(context, "durable", "stripe", CONNECTIONS),
    )?;
    let mine = || pairs.iter().map(|(ours, _)| ours);
    Ok(vec![
        Row::ratio("stripe deliveries / durable", "req/s", &rates(&pairs), Bar::RatioAtLeast(0.30)).noting(mine()),
        failures("stripe deliveries failed", mine()),
    ])
}

pub(super) fn polymart(context: &Context) -> anyhow::Result<Vec<Row>> {
    let template = Ledger::make(context, "template-polymart")?;
    let pairs = rounds(
        context,
        |_| ours(context, &template, "polymart", CONNECTIONS, Disk::Native),
        |_| reference(context, "durable", "polymart", CONNECTIONS),
    )?;
    let mine = || pairs.iter().map(|(ours, _)| ours);
    let p99 = mine().filter_map(|measure| measure.p99_ms).collect();
    Ok(vec![
        Row::ratio("polymart purchases / durable", "req/s", &rates(&pairs), Bar::RatioAtLeast(0.10)).noting(mine()),
        failures("polymart purchases failed", mine()),
        Row::value("polymart purchases p99", "ms", p99, Bar::Below(50.0)),
    ])
}

/// One cell of ours, on a server and a ledger of its own.
pub(super) fn ours(
    context: &Context,
    template: &Ledger,
    kind: &str,
    connections: u32,
    disk: Disk,
) -> anyhow::Result<Measure> {
    let ledger = template.copy(context, "ours")?;
    let server = ledger.serve(context, disk)?;
    let (count, seconds) = (context.requests(OURS_PER_SECOND), context.seconds);
    ledger.load(context, &server, &Load { kind, connections, count, seconds, first: 0, buyers: 1, rate: None })
}

/// All that failed, over all rounds: one is too many.
pub(super) fn failures<'a>(name: &str, measures: impl Iterator<Item = &'a Measure> + Clone) -> Row {
    let failed: u64 = measures.clone().map(|measure| measure.failed).sum();
    Row::value(name, "requests", vec![as_f64(failed)], Bar::AtMost(0.0)).noting(measures)
}
