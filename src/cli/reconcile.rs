//! `keyledger reconcile …`

use clap::{Args, Subcommand};

use super::args::TeamArg;
use super::cell;
use super::global::{Global, Reads};
use super::output::note;
use crate::admin::ACTOR_CLI;
use crate::admin::reconcile::{self, DAYS_MAX};

#[derive(Debug, Subcommand)]
pub(super) enum ReconcileCommand {
    /// Ask Stripe for the events that it could not deliver, and take in what is missing. Nothing is doubled.
    Stripe(StripeArgs),
}

#[derive(Debug, Args)]
pub(super) struct StripeArgs {
    #[command(flatten)]
    team: TeamArg,
    /// So many days back, at most 30: Stripe keeps events no longer.
    #[arg(long, value_name = "NUMBER", default_value_t = DAYS_MAX)]
    days: u32,
}

impl ReconcileCommand {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let Self::Stripe(args) = self;
        global
            .with_app(Reads::Views, async |app, output| {
                let report = reconcile::stripe(app, ACTOR_CLI, args.team.team, args.days).await?;
                if output.json {
                    return Ok(output.document(&report)?);
                }
                let mut table = cell::table(&["EVENT", "TYPE"]);
                for event in &report.events {
                    table.add_row([cell::text(&event.provider_event_id), cell::text(&event.event_type)]);
                }
                output.table(&table, "nothing was missing")?;
                let (since, modes) = (cell::time(report.since), report.modes.join(" and "));
                output.line(&format!(
                    "Stripe lists {} undelivered events since {since} ({modes} key): {} taken in, {} opened again, {} \
                     known",
                    report.found, report.taken_in, report.reopened, report.known
                ))?;
                if report.taken_in + report.reopened > 0 {
                    note("a running server interprets them; `keyledger inbox list` shows what became of them");
                }
                Ok(())
            })
            .await
    }
}
