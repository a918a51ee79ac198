//! `keyledger inbox …`

mod dry_run;
mod filter;
mod retry;

use clap::Subcommand;
use keyledger_projections::Outcome;

use self::dry_run::DryRunArgs;
use self::filter::{FilterArgs, OutcomeArg};
use self::retry::{RetryArgs, tell};
use super::args::{AnyTeamArg, LimitArg};
use super::cell;
use super::global::{Global, Reads};
use super::list::List;
use super::output::Output;
use crate::admin::ACTOR_CLI;
use crate::admin::inbox::{self, InboxDetails, InboxJson};
use crate::app::App;

#[derive(Debug, Subcommand)]
pub(super) enum InboxCommand {
    /// List what providers delivered, the newest first, with what became of it and why.
    List {
        #[command(flatten)]
        team: AnyTeamArg,
        /// Only what is so. May be repeated.
        #[arg(long)]
        outcome: Vec<OutcomeArg>,
        #[command(flatten)]
        filter: FilterArgs,
        #[command(flatten)]
        limit: LimitArg,
    },
    /// Show a delivery with its history.
    Show {
        /// The delivery: our id, or the provider's (evt_…).
        id: String,
        #[command(flatten)]
        team: AnyTeamArg,
        /// What the provider sent, too. It may name a buyer.
        #[arg(long)]
        payload: bool,
    },
    /// Interpret a delivery again, after the cause of its rejection was mended.
    Retry(RetryArgs),
    /// Conclude a delivery that is rejected or pending: nothing shall come of it.
    Ignore {
        /// The delivery: our id, or the provider's (evt_…).
        id: String,
        #[command(flatten)]
        team: AnyTeamArg,
        /// Why. It stays in the ledger.
        #[arg(long)]
        reason: String,
    },
    /// Say what a delivery would come to. Nothing is recorded, and no signature is needed.
    DryRun(DryRunArgs),
}

impl InboxCommand {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        global
            .with_app(Reads::Views, async |app, output| match self {
                Self::List { team, outcome, filter, limit } => {
                    let outcomes: Vec<Outcome> = outcome.into_iter().map(Outcome::from).collect();
                    let mut listing = inbox::list(app, team.team, filter.filter(outcomes), limit.limit).await?;
                    let mut rows = List::begin(output, COLUMNS);
                    while let Some((_, entry)) = listing.next().await? {
                        let entry = InboxJson::from(entry);
                        rows.push(&entry, || row(&entry))?;
                    }
                    Ok(rows.finish("no deliveries")?)
                }
                Self::Show { id, team, payload } => show(app, &id, team, payload, output).await,
                Self::Retry(args) => args.run(app, output).await,
                Self::Ignore { id, team, reason } => {
                    let entry = inbox::find(app, team.team, &id).await?;
                    let entry = inbox::ignore(app, ACTOR_CLI, &entry, &reason).await?;
                    if output.json {
                        return Ok(output.document(&InboxJson::from(entry))?);
                    }
                    tell(&entry);
                    Ok(())
                }
                Self::DryRun(args) => args.run(app, output).await,
            })
            .await
    }
}

async fn show(app: &App, id: &str, team: AnyTeamArg, payload: bool, output: &mut Output) -> anyhow::Result<()> {
    let entry = inbox::find(app, team.team, id).await?;
    let body = if payload { Some(inbox::payload(app, ACTOR_CLI, &entry).await?.payload) } else { None };
    let details = inbox::details(app, entry).await?;
    if output.json {
        let mut document = serde_json::to_value(&details)?;
        if let Some(body) = body {
            document["payload"] = body;
        }
        return Ok(output.document(&document)?);
    }
    tell_details(&details, output)?;
    if let Some(body) = body {
        output.line("")?;
        output.document(&body)?;
    }
    Ok(())
}

fn tell_details(details: &InboxDetails, output: &mut Output) -> anyhow::Result<()> {
    let InboxDetails { entry, body_sha256, history } = details;
    let (name, kind) = (cell::text(&entry.provider_event_id), cell::text(&entry.event_type));
    output.line(&format!("{} {name} ({kind}) is {}", entry.provider, entry.outcome.as_str()))?;
    if let Some(reason) = &entry.reason {
        output.line(&format!("because: {}", reason.replace(char::is_control, " ")))?;
    }
    for warning in &entry.warnings {
        output.line(&format!("note: {}", warning.replace(char::is_control, " ")))?;
    }
    for (name, value) in &entry.query {
        output.line(&format!("{} = {}", cell::text(name), cell::text(value)))?;
    }
    output.line(&format!("id {}, SHA-256 of the body {body_sha256}", entry.id))?;
    let mut table = cell::table(&["POSITION", "RECORDED", "BY", "WHAT", "WHY"]);
    for event in history {
        let said = ["reason", "summary"].iter().find_map(|name| event.data[name].as_str()).unwrap_or_default();
        table.add_row([
            event.position.to_string(),
            cell::time(event.recorded_at),
            event.actor.clone(),
            event.event_type.clone(),
            cell::text(said),
        ]);
    }
    Ok(output.table(&table, "no history")?)
}

const COLUMNS: [&str; 6] = ["RECEIVED", "PROVIDER", "TYPE", "OUTCOME", "REASON", "ID"];

fn row(entry: &InboxJson) -> [String; 6] {
    [
        cell::time(entry.received_at),
        entry.provider.to_string(),
        cell::text(&entry.event_type),
        entry.outcome.as_str().to_owned(),
        entry.reason.as_deref().map(cell::text).unwrap_or_default(),
        entry.id.to_string(),
    ]
}
