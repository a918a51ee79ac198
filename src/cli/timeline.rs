//! `keyledger timeline …`

use clap::{Args, Subcommand};
use keyledger_events::{Position, TeamId};
use keyledger_projections::Day;
use uuid::Uuid;

use super::args::{AnyTeamArg, LimitArg};
use super::cell;
use super::global::{Global, Reads};
use super::list::List;
use super::output::Output;
use crate::admin::teams;
use crate::admin::timeline::{About, Causes, ENTRIES_MAX, Entry, page};
use crate::app::App;

#[derive(Debug, Subcommand)]
pub(super) enum TimelineCommand {
    /// A licence: its own events, those of its purchase, and its mails.
    License {
        /// The licence's id or its key.
        id_or_key: String,
        #[command(flatten)]
        part: PartArgs,
    },
    /// A customer: who they are, what they bought, their licences and mails.
    Customer {
        /// The customer's id.
        id: Uuid,
        #[command(flatten)]
        part: PartArgs,
    },
    /// A provider event: its arrival, everything it led to, its conclusion.
    ProviderEvent {
        /// The provider's id (evt_…), or ours.
        id: String,
        #[command(flatten)]
        part: PartArgs,
    },
    /// A day: what happened or was recorded on it (UTC).
    Day {
        /// The day, as 2026-01-31.
        day: Day,
        #[command(flatten)]
        part: PartArgs,
    },
    /// A team's settings, products and connections.
    Settings {
        #[command(flatten)]
        part: PartArgs,
    },
}

/// Which part of a timeline.
#[derive(Debug, Args)]
pub(super) struct PartArgs {
    #[command(flatten)]
    team: AnyTeamArg,
    /// Only what is behind this position.
    #[arg(long, value_name = "POSITION", value_parser = clap::value_parser!(i64).range(0..))]
    after: Option<i64>,
    #[command(flatten)]
    limit: LimitArg,
}

impl TimelineCommand {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        global
            .with_app(Reads::Views, async |app, output| {
                let ((team, about), part) = match self {
                    Self::License { id_or_key, part } => (About::license(app, part.team.team, &id_or_key).await?, part),
                    Self::Customer { id, part } => (About::customer(app, part.team.team, id).await?, part),
                    Self::ProviderEvent { id, part } => (About::provider_event(app, part.team.team, &id).await?, part),
                    Self::Day { day, part } => ((teams::one(app, part.team.team).await?, About::Day(day)), part),
                    Self::Settings { part } => ((teams::one(app, part.team.team).await?, About::Settings), part),
                };
                tell(app, team, about, &part, output).await
            })
            .await
    }
}

async fn tell(app: &App, team: TeamId, about: About, part: &PartArgs, output: &mut Output) -> anyhow::Result<()> {
    let mut causes = Causes::of(team);
    let mut after = Position(part.after.unwrap_or(0));
    let mut left = part.limit.limit.unwrap_or(u32::MAX);
    let mut rows = List::begin(output, ["POSITION", "HAPPENED", "RECORDED", "WHAT", "WHO", "BECAUSE OF"]);
    while left > 0 {
        let page = page(app, &mut causes, team, about, after, left.min(ENTRIES_MAX)).await?;
        for entry in &page.entries {
            rows.push(entry, || row(entry))?;
            left -= 1;
        }
        match page.next_after {
            Some(next) => after = next,
            None => break,
        }
    }
    Ok(rows.finish("nothing has happened")?)
}

fn row(entry: &Entry) -> [String; 6] {
    let because = entry.because.as_ref();
    [
        entry.event.position.to_string(),
        cell::time(entry.event.occurred_at),
        cell::time(entry.event.recorded_at),
        cell::text(&entry.what),
        cell::text(&entry.who),
        because.map(|it| cell::text(&format!("{} {}", it.provider_event_id, it.body_sha256))).unwrap_or_default(),
    ]
}
