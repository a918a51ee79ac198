//! The rounds: every item measures ours beside its reference, taking turns, and judges the median of the ratios of
//! each round. On a shared machine two figures compare only when they were taken within seconds of each other.

mod context;
mod item;
mod items;
mod keyledger;
mod process;
mod report;
mod verified;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::ensure;

pub(crate) use context::Args;
use context::Context;
use item::Row;
use report::Report;

/// Runs the items and reports. Fails softly: an item that cannot be measured says so and the others go on.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let chosen: Vec<_> =
        items::ALL.iter().filter(|item| args.items.is_empty() || args.items.contains(&item.name.to_owned())).collect();
    let names = || items::ALL.iter().map(|item| item.name).collect::<Vec<_>>().join(", ");
    ensure!(args.items.len() <= chosen.len(), "no such item; there are: {}", names());
    let context = Context::new(args)?;
    let mut report = Report::new(args);
    for item in chosen {
        writeln!(std::io::stderr(), "{}: {}", item.name, item.about)?;
        match (item.measure)(&context) {
            Ok(rows) => report.rows.extend(rows),
            Err(error) => report.rows.push(Row::failed(item.name, &error)),
        }
        // After every item, so that a run cut short leaves what it found.
        report.write(&args.out)?;
    }
    report.print()?;
    Ok(if report.rows.iter().all(Row::is_ok) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
