//! Growth: purchases and placeholders with 100,000 licences in the team, beside the same with 1,000. Both histories
//! are bought through the front door.

use anyhow::ensure;

use super::references::CONNECTIONS;
use crate::run::context::Context;
use crate::run::item::{Bar, Row, rates, rounds};
use crate::run::keyledger::{Disk, Ledger, Load};
use crate::run::process::Running;

/// Purchases of one cell: few enough that the small ledger stays small.
const CELL_PURCHASES: u64 = 3_000;
/// Buyers of the cells begin here, beyond those who bought before.
const CELL_FIRST: u64 = 10_000_000;
/// How long it may take to buy the large history, in seconds.
const SEED_SECONDS: f64 = 240.0;

pub(super) fn measure(context: &Context) -> anyhow::Result<Vec<Row>> {
    let (many, few) = (context.scaled(100_000), context.scaled(1_000));
    let small = Ledger::make(context, "flat-small")?;
    let large = small.copy(context, "flat-large")?;
    drop(bought(context, &small, few)?);
    let large_server = bought(context, &large, many)?;
    let copy = || small.copy(context, "flat-cell");

    let load = Load {
        kind: "polymart",
        connections: CONNECTIONS,
        count: CELL_PURCHASES,
        seconds: 10.0,
        first: 0,
        buyers: 1,
        rate: None,
    };
    let purchases = |round: u32| Load { first: CELL_FIRST + u64::from(round) * CELL_PURCHASES, ..load };
    let bought = rounds(
        context,
        |round| large.load(context, &large_server, &purchases(round)),
        |round| {
            let cell = copy()?;
            cell.load(context, &cell.serve(context, Disk::Native)?, &purchases(round))
        },
    )?;

    let (seconds, count) = (context.seconds, context.requests(40_000));
    let load = Load { kind: "placeholder", count, seconds, ..load };
    let cell = copy()?;
    let small_server = cell.serve(context, Disk::Native)?;
    // The number of the request is its nonce; every round asks anew.
    let questions = |round: u32, buyers| Load { first: u64::from(round) * count, buyers, ..load };
    let asked = rounds(
        context,
        |round| large.load(context, &large_server, &questions(round, many)),
        |round| cell.load(context, &small_server, &questions(round, few)),
    )?;
    let all = || bought.iter().chain(&asked).flat_map(|(ours, reference)| [ours, reference]);
    Ok(vec![
        Row::ratio("purchase, 100k / 1k licences", "req/s", &rates(&bought), Bar::RatioAtLeast(0.8)).noting(all()),
        Row::ratio("placeholder, 100k / 1k licences", "req/s", &rates(&asked), Bar::RatioAtLeast(0.8)),
    ])
}

/// A server whose ledger has seen so many purchases.
fn bought(context: &Context, ledger: &Ledger, count: u64) -> anyhow::Result<Running> {
    let server = ledger.serve(context, Disk::Native)?;
    let load = Load {
        kind: "polymart",
        connections: CONNECTIONS,
        count,
        seconds: SEED_SECONDS,
        first: 0,
        buyers: 1,
        rate: None,
    };
    let measure = ledger.load(context, &server, &load)?;
    ensure!(
        measure.count == count,
        "only {} of {count} purchases were made in {SEED_SECONDS} s; {}",
        measure.count,
        measure.first_failure.unwrap_or_default()
    );
    server.wait_ready()?;
    Ok(server)
}
