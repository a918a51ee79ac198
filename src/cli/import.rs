//! `keyledger import …`

use std::collections::BTreeMap;

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use keyledger_events::TeamId;
use secrecy::ExposeSecret as _;

use super::cell;
use super::global::{Global, Reads};
use super::output::Output;
use super::secret::{SecretSource, read_all};
use crate::app::App;
use crate::config::{DatabaseUrl, PostgresAddress};
use crate::import::lukittu::{Counts, EncryptionKey, Options, Report, import};

#[derive(Debug, Subcommand)]
pub(super) enum ImportCommand {
    /// Import a Lukittu database: teams, products, customers, and licences with their keys. It may run again: what is
    /// here already stays as it is.
    Lukittu(LukittuArgs),
}

#[derive(Debug, Args)]
pub(super) struct LukittuArgs {
    /// Lukittu's database, which is only read: postgres://USER:PASSWORD@HOST/DATABASE, @FILE, or `-` for standard input.
    #[arg(long, value_name = "URL")]
    from: SecretSource,
    /// The value of ENCRYPTION_KEY of the Lukittu server, given likewise.
    #[arg(long, value_name = "KEY")]
    encryption_key: SecretSource,
    /// Only the team with this id in Lukittu. May be repeated.
    #[arg(long, value_name = "ID")]
    team: Vec<String>,
    /// Put the things of a Lukittu team into a team that is here, which keeps its name, settings and key pair: Lukittu's
    /// id, an equals sign, and the id here. May be repeated.
    #[arg(long, value_name = "ID=ID", value_parser = pair)]
    team_map: Vec<(String, TeamId)>,
    /// Only count and check.
    #[arg(long)]
    dry_run: bool,
}

fn pair(text: &str) -> Result<(String, TeamId), String> {
    let (from, to) = text.split_once('=').ok_or("expected Lukittu's id of a team, `=`, and the id here")?;
    Ok((from.to_owned(), to.parse().map_err(|error| format!("{to}: {error}"))?))
}

impl ImportCommand {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let Self::Lukittu(args) = self;
        let (from, key) = args.secrets()?;
        let team_map: BTreeMap<_, _> = args.team_map.into_iter().collect();
        let options = Options { teams: args.team, team_map, dry_run: args.dry_run };
        global
            .with_app_or_new(Reads::NoViews, async |app, output| run_lukittu(app, &from, &key, &options, output).await)
            .await
    }
}

impl LukittuArgs {
    fn secrets(&self) -> anyhow::Result<(PostgresAddress, EncryptionKey)> {
        let secrets = read_all(&[self.from.clone(), self.encryption_key.clone()])?;
        let [from, key] = secrets.as_slice() else { bail!("two secrets are needed") };
        let DatabaseUrl::Postgres(address) = from.expose_secret().parse().context("--from")? else {
            bail!("--from names no PostgreSQL database: expected postgres://user:password@host/database");
        };
        Ok((address, EncryptionKey::new(key)?))
    }
}

async fn run_lukittu(
    app: &App,
    from: &PostgresAddress,
    key: &EncryptionKey,
    options: &Options,
    output: &mut Output,
) -> anyhow::Result<()> {
    let bar = ProgressBar::new_spinner();
    let report = import(app, from, key, options, |progress| {
        bar.set_message(format!("{}: {} rows", progress.table, progress.done));
        bar.tick();
    })
    .await;
    bar.finish_and_clear();
    let report = report?;
    say(&report, output)?;
    output.flush()?;
    match (report.problem_count, report.dry_run) {
        (0, _) => Ok(()),
        (count, true) => Err(anyhow!("{count} rows have problems and would not be imported")),
        (count, false) => Err(anyhow!("{count} rows have problems and were not imported; everything else was")),
    }
}

fn say(report: &Report, output: &mut Output) -> anyhow::Result<()> {
    if output.json {
        return Ok(output.document(report)?);
    }
    let mut table =
        cell::table(&["", "FOUND", if report.dry_run { "WOULD BE IMPORTED" } else { "IMPORTED" }, "HERE", "SKIPPED"]);
    for (name, counts) in [
        ("teams", report.teams),
        ("products", report.products),
        ("customers", report.customers),
        ("licences", report.licenses),
        ("connections", report.integrations),
    ] {
        let Counts { found, imported, present, skipped } = counts;
        let numbers = [found, imported, present, skipped].map(|number| number.to_string());
        table.add_row([vec![name.to_owned()], numbers.to_vec()].concat());
    }
    output.table(&table, "nothing")?;
    for problem in &report.problems {
        output.line(&format!("{} {}: {}", problem.table, cell::text(&problem.id), cell::text(&problem.problem)))?;
    }
    Ok(())
}
