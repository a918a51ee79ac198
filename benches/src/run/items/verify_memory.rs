//! Memory: the most that `serve` ever held, from its start on a million licences through verifications of more of them
//! than it keeps in memory.

use super::memory::KIB_PER_MIB;
use super::webhooks::failures;
use crate::run::context::Context;
use crate::run::item::{Bar, Row};
use crate::run::keyledger::Disk;
use crate::run::verified;

/// Licences of the ledger.
const LICENSES: u32 = 1_000_000;
/// Those that are asked about; the server keeps a little over 100,000.
const ASKED: u32 = 150_000;

pub(super) fn measure(context: &Context) -> anyhow::Result<Vec<Row>> {
    let licenses = context.scaled(LICENSES);
    let ledger = verified::ledger(context, "verify-memory", licenses)?;
    let server = ledger.serve(context, Disk::Native)?;
    let ready = f64::from(server.memory_kib("VmRSS")?) / KIB_PER_MIB;
    let load = ledger.load(context, &server, &verified::pass(context.scaled(ASKED), licenses))?;
    let most = f64::from(server.memory_kib("VmHWM")?) / KIB_PER_MIB;
    Ok(vec![
        Row::value("memory when ready, 1M licences", "MiB", vec![ready], Bar::None),
        Row::value("memory at most, views built and verified", "MiB", vec![most], Bar::Below(400.0)).noting([&load]),
        failures("verify with 1M licences failed", [&load].into_iter()),
    ])
}
