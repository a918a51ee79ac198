//! `keyledger license …`

mod diff;
mod explain;
mod seats;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use clap::{Args, Subcommand};
use keyledger_events::{TeamId, Timestamp};
use keyledger_projections::LicenseStatus;
use uuid::Uuid;

use super::args::{AnyTeamArg, LimitArg, time};
use super::cell;
use super::global::{Global, Reads};
use super::list::List;
use super::output::{Output, note};
use crate::admin::ACTOR_CLI;
use crate::admin::as_of::AsOf;
use crate::admin::licenses::{self, LicenseJson, describe, describe_as_of, describe_used};
use crate::app::App;
use crate::licensing::commands::{Command, EXTENSION_DAYS_MAX, Extension};

#[derive(Debug, Subcommand)]
pub(super) enum LicenseCommand {
    /// List licences, the newest first.
    List {
        #[command(flatten)]
        team: AnyTeamArg,
        #[command(flatten)]
        limit: LimitArg,
        #[command(flatten)]
        as_of: AsOfArg,
    },
    /// Show a licence.
    Show {
        /// The licence's id or its key.
        id_or_key: String,
        #[command(flatten)]
        team: AnyTeamArg,
        #[command(flatten)]
        as_of: AsOfArg,
    },
    /// Compare a licence at two moments: what is different, and what happened in between.
    Diff(diff::DiffArgs),
    /// Say what a verification of a key would be answered, and why, check by check. It changes nothing.
    Explain(explain::ExplainArgs),
    /// Show the devices and addresses that hold a licence's seats, and when they were last seen.
    Seats(OneArgs),
    /// Free the seat of a device or an address.
    Forget {
        #[command(flatten)]
        one: OneArgs,
        /// The seat's id, as `license seats` shows it.
        seat: Uuid,
    },
    /// Start the days of an ACTIVATION licence.
    Activate(OneArgs),
    /// Put off a licence's end. It lasts until then at least; a subscription's renewals count beyond it.
    Extend(ExtendArgs),
    /// Make a licence invalid until it is reinstated, whatever a provider says.
    Suspend(DecisionArgs),
    /// Lift a suspension of yours.
    Reinstate(DecisionArgs),
    /// Make a licence void for good.
    Revoke(DecisionArgs),
}

#[derive(Debug, Args)]
pub(super) struct AsOfArg {
    /// As it was: at a time like 2026-01-31T12:00:00Z, or when the ledger ended at a position.
    #[arg(long, value_name = "TIME|POSITION")]
    as_of: Option<AsOf>,
}

#[derive(Debug, Args)]
pub(super) struct OneArgs {
    /// The licence's id.
    id: Uuid,
    #[command(flatten)]
    team: AnyTeamArg,
}

#[derive(Debug, Args)]
pub(super) struct DecisionArgs {
    #[command(flatten)]
    one: OneArgs,
    /// Why; it stands in the ledger.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ExtendArgs {
    #[command(flatten)]
    one: OneArgs,
    #[command(flatten)]
    extension: ExtensionArgs,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct ExtensionArgs {
    /// By so many days, from its end, or from now where that has passed.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(EXTENSION_DAYS_MAX)))]
    days: Option<u32>,
    /// To a time like 2027-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
}

impl ExtensionArgs {
    fn extension(&self) -> Extension {
        match self.until {
            Some(until) => Extension::Until(until),
            None => Extension::Days(self.days.unwrap_or_default()),
        }
    }
}

impl LicenseCommand {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        global
            .with_app(Reads::Views, async |app, output| match self {
                Self::List { team, limit, as_of } => list(app, team.team, limit.limit, as_of.as_of, output).await,
                Self::Show { id_or_key, team, as_of } => {
                    let (team, license, now) = match as_of.as_of {
                        Some(as_of) => licenses::show_as_of(app, team.team, &id_or_key, as_of).await?,
                        None => {
                            let (team, license) = licenses::find(app, team.team, &id_or_key).await?;
                            (team, license, app.clock.now())
                        }
                    };
                    show(&describe_as_of(app, team, &license, now).await?, output)
                }
                Self::Diff(args) => args.run(app, output).await,
                Self::Explain(args) => args.run(app, output).await,
                Self::Seats(one) => seats::list(app, one.team.team, one.id, output).await,
                Self::Forget { one, seat } => seats::forget(app, one.team.team, one.id, seat, output).await,
                Self::Activate(one) => change(app, &one, Command::Activate, output).await,
                Self::Extend(args) => change(app, &args.one, Command::Extend(args.extension.extension()), output).await,
                Self::Suspend(args) => change(app, &args.one, Command::Suspend { reason: args.reason }, output).await,
                Self::Reinstate(args) => {
                    change(app, &args.one, Command::Reinstate { reason: args.reason }, output).await
                }
                Self::Revoke(args) => change(app, &args.one, Command::Revoke { reason: args.reason }, output).await,
            })
            .await
    }
}

async fn change(app: &App, one: &OneArgs, command: Command, output: &mut Output) -> anyhow::Result<()> {
    let done = licenses::change(app, ACTOR_CLI, one.team.team, one.id, &command).await?;
    let license = describe(app, done.team, &done.license, app.clock.now()).await?;
    if output.json {
        return Ok(output.document(&license)?);
    }
    let word = license.status_word();
    note(&match done.changed {
        true => format!("done: the licence is {word}"),
        false => format!("nothing to do: the licence is {word}"),
    });
    Ok(())
}

async fn list(
    app: &App,
    team: Option<TeamId>,
    limit: Option<u32>,
    as_of: Option<AsOf>,
    output: &mut Output,
) -> anyhow::Result<()> {
    let mut used = LastUsed::default();
    let mut rows = List::begin(output, ["KEY", "STATUS", "PROVIDER", "EXPIRES", "BOUGHT", "ID"]);
    if let Some(as_of) = as_of {
        let past = licenses::list_as_of(app, team, as_of, limit).await?;
        for (team, license) in &past.licenses {
            let used = used.of(app, *team, license.id).await?;
            let license = describe_used(app, *team, license, past.time, used).await?.as_of(past.time);
            rows.push(&license, || row(&license))?;
        }
        return Ok(rows.finish("no licences")?);
    }
    let now = app.clock.now();
    let mut listing = licenses::list(app, team, limit).await?;
    while let Some((team, license)) = listing.next().await? {
        let used = used.of(app, team, license.id).await?;
        let license = describe_used(app, team, &license, now, used).await?;
        rows.push(&license, || row(&license))?;
    }
    Ok(rows.finish("no licences")?)
}

/// When licences were last used, read once for each team: one question for each row would take longer than the rows.
#[derive(Default)]
struct LastUsed(HashMap<TeamId, HashMap<Uuid, Timestamp>>);

impl LastUsed {
    async fn of(&mut self, app: &App, team: TeamId, id: Uuid) -> anyhow::Result<Option<Timestamp>> {
        let of_team = match self.0.entry(team) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => free.insert(app.activity.last_used(team, None).await?),
        };
        Ok(of_team.get(&id).copied())
    }
}

fn row(license: &LicenseJson) -> [String; 6] {
    [
        key(license),
        license.status_word().to_owned(),
        license.provider.to_string(),
        expires(license),
        cell::time(license.purchased_at),
        license.id.to_string(),
    ]
}

/// An `ACTIVATION` licence whose days have not begun has an end, which nobody knows yet.
fn expires(license: &LicenseJson) -> String {
    match (license.expires_at, license.status) {
        (Some(end), _) => cell::time(end),
        (None, LicenseStatus::Upcoming) => "not begun".to_owned(),
        (None, _) => "never".to_owned(),
    }
}

fn key(license: &LicenseJson) -> String {
    license.key.clone().unwrap_or_else(|| "(its data key is gone)".to_owned())
}

fn show(license: &LicenseJson, output: &mut Output) -> anyhow::Result<()> {
    if output.json {
        return Ok(output.document(license)?);
    }
    let limit = |limit: Option<u32>| limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
    let mut lines = vec![
        ("key", key(license)),
        ("status", license.status_word().to_owned()),
        ("id", license.id.to_string()),
        ("team", license.team_id.to_string()),
    ];
    lines.extend(license.product_ids.iter().map(|id| ("product", id.to_string())));
    lines.push(("address limit", limit(license.ip_limit)));
    lines.push(("device limit", limit(license.hwid_limit)));
    if let Some(days) = license.expiration_days {
        let start = serde_json::to_value(license.expiration_start)?;
        lines.push(("days", format!("{days} from {}", start.as_str().unwrap_or_default())));
        lines.push(("activated", cell::maybe_time(license.activated_at)));
    }
    if let Some(paid_until) = license.paid_until {
        lines.push(("paid until", cell::time(paid_until)));
    }
    lines.push(("expires", expires(license)));
    lines.push(("bought", cell::time(license.purchased_at)));
    lines.push(("issued", cell::time(license.created_at)));
    let mode = license.livemode.map_or("", |live| if live { ", live mode" } else { ", test mode" });
    lines.push(("provider", format!("{}{mode}", license.provider)));
    lines.extend(license.references.iter().map(|(name, id)| (name.as_str(), cell::text(id))));
    for (name, value) in lines {
        output.line(&format!("{name:<22}  {value}"))?;
    }
    Ok(())
}
