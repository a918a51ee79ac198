//! Memory: the most that `serve` ever held, from its start on a million events through a burst of deliveries.

use super::references::CONNECTIONS;
use crate::run::context::Context;
use crate::run::item::{Bar, Row};
use crate::run::keyledger::{Disk, Ledger, Load};

/// Events of the history.
const EVENTS: u32 = 1_000_000;
pub(super) const KIB_PER_MIB: f64 = 1_024.0;

pub(super) fn measure(context: &Context) -> anyhow::Result<Vec<Row>> {
    let ledger = Ledger::make(context, "memory")?;
    let db = ledger.folder.to_string_lossy();
    let events = context.scaled(EVENTS).to_string();
    let owner = ["--team", &ledger.team, "--product", &ledger.product];
    context.measure(&[&["fill", "--db", &db, "--events", &events][..], &owner].concat())?;
    let server = ledger.serve(context, Disk::Native)?;
    let ready = f64::from(server.memory_kib("VmRSS")?) / KIB_PER_MIB;
    let (seconds, count) = (context.seconds, context.requests(20_000));
    let load = Load { kind: "polymart", connections: CONNECTIONS, count, seconds, first: 0, buyers: 1, rate: None };
    let burst = ledger.load(context, &server, &load)?;
    let most = f64::from(server.memory_kib("VmHWM")?) / KIB_PER_MIB;
    Ok(vec![
        Row::value("memory when ready", "MiB", vec![ready], Bar::None),
        Row::value("memory at most, views built and load", "MiB", vec![most], Bar::Below(80.0)).noting([&burst]),
    ])
}
