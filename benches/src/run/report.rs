//! The table for people and the JSON for programs.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use comfy_table::Table;
use serde::Serialize;

use super::context::Args;
use super::item::{Bar, Row};
use crate::measure::median;

/// Everything that a run found.
#[derive(Serialize)]
pub(crate) struct Report {
    rounds: u32,
    seconds: f64,
    scale: f64,
    cores: usize,
    pub(crate) rows: Vec<Row>,
}

impl Report {
    pub(crate) fn new(args: &Args) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        Self { rounds: args.rounds, seconds: args.seconds, scale: args.scale, cores, rows: Vec::new() }
    }

    /// Writes the JSON.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, serde_json::to_vec_pretty(self)?).with_context(|| format!("writing {}", path.display()))
    }

    /// Prints the table, and the notes below it.
    pub(crate) fn print(&self) -> anyhow::Result<()> {
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_header(["item", "ours", "reference", "", "ratio", "bar", ""]);
        for row in &self.rows {
            table.add_row([
                row.name.clone(),
                median(&row.ours).map(figure).unwrap_or_default(),
                median(&row.reference).map(figure).unwrap_or_default(),
                row.unit.to_owned(),
                row.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
                bar(row),
                verdict(row).to_owned(),
            ]);
        }
        let mut out = std::io::stdout().lock();
        writeln!(out, "{table}")?;
        for row in &self.rows {
            if let Some(note) = &row.note {
                writeln!(out, "\n{}: {note}", row.name)?;
            }
        }
        Ok(())
    }
}

fn verdict(row: &Row) -> &'static str {
    match (row.ours.is_empty(), row.ok, row.bar) {
        (true, ..) => "not measured",
        (_, _, Bar::None) => "",
        (_, true, _) => "ok",
        (_, false, _) => "below",
    }
}

fn bar(row: &Row) -> String {
    match row.bar {
        Bar::None => String::new(),
        Bar::RatioAtLeast(ratio) => format!("≥ {ratio}"),
        Bar::Below(value) => format!("< {value} {}", row.unit),
        Bar::AtMost(value) => format!("≤ {value} {}", row.unit),
    }
}

fn figure(value: f64) -> String {
    if value >= 1_000.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}
