//! Deliveries under load, beside the durable reference, which gets the very same requests.

use std::time::{Duration, Instant};

use anyhow::ensure;

use super::references::{CONNECTIONS, reference};
use crate::measure::{Measure, as_f64};
use crate::run::context::Context;
use crate::run::item::{Bar, Row, rates, rounds};
use crate::run::keyledger::{Disk, Ledger, Load};
use crate::run::process::Running;

/// Deliveries a second that we prepare for.
const OURS_PER_SECOND: u32 = 40_000;
/// What tells whether any delivery is pending.
const PENDING: [&str; 7] = ["--json", "inbox", "list", "--outcome", "pending", "--limit", "1"];
/// How long it may take until all deliveries are concluded …
const CONCLUDED_MAX: Duration = Duration::from_secs(120);
/// … and how often it is looked.
const LOOK: Duration = Duration::from_millis(250);

pub(super) fn stripe(context: &Context) -> anyhow::Result<Vec<Row>> {
    let template = Ledger::make(context, "template-stripe")?;
    let fake = context.serve(&["fake-stripe", "--product", &template.product])?;
    template.connect_stripe(context, &fake.url)?;
    let mut concluded = Vec::new();
    let pairs = rounds(
        context,
        |_| {
            let cell = Cell::serve(context, &template, Disk::Native)?;
            let measure = cell.load(context, "stripe", CONNECTIONS)?;
            let whole = Duration::from_secs_f64(measure.seconds) + cell.until_concluded(context)?;
            concluded.push(as_f64(measure.count) / whole.as_secs_f64());
            Ok(measure)
        },
        |_| reference(context, "durable", "stripe", CONNECTIONS),
    )?;
    let mine = || pairs.iter().map(|(ours, _)| ours);
    Ok(vec![
        Row::ratio("stripe deliveries / durable", "req/s", &rates(&pairs), Bar::RatioAtLeast(0.30)).noting(mine()),
        failures("stripe deliveries failed", mine()),
        // Those that are answered go before those that are interpreted: what both take together is told as well.
        Row::value("stripe deliveries concluded", "per s", concluded, Bar::None),
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
    Cell::serve(context, template, disk)?.load(context, kind, connections)
}

/// A server with a ledger of its own.
struct Cell {
    ledger: Ledger,
    server: Running,
}

impl Cell {
    fn serve(context: &Context, template: &Ledger, disk: Disk) -> anyhow::Result<Self> {
        let ledger = template.copy(context, "ours")?;
        let server = ledger.serve(context, disk)?;
        Ok(Self { ledger, server })
    }

    fn load(&self, context: &Context, kind: &str, connections: u32) -> anyhow::Result<Measure> {
        let (count, seconds) = (context.requests(OURS_PER_SECOND), context.seconds);
        let load = Load { kind, connections, count, seconds, first: 0, buyers: 1, rate: None };
        self.ledger.load(context, &self.server, &load)
    }

    /// How long it takes from now until no delivery is pending.
    fn until_concluded(&self, context: &Context) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        while self.ledger.cli(context, &PENDING)?.trim() != "[]" {
            ensure!(begun.elapsed() < CONCLUDED_MAX, "deliveries are still pending after {CONCLUDED_MAX:?}");
            std::thread::sleep(LOOK);
        }
        Ok(begun.elapsed())
    }
}

/// All that failed, over all rounds: one is too many.
pub(super) fn failures<'a>(name: &str, measures: impl Iterator<Item = &'a Measure> + Clone) -> Row {
    let failed: u64 = measures.clone().map(|measure| measure.failed).sum();
    Row::value(name, "requests", vec![as_f64(failed)], Bar::AtMost(0.0)).noting(measures)
}
