//! `keyledger inbox …`

use std::collections::BTreeMap;

use clap::{Args, Subcommand, ValueEnum};
use keyledger_projections::{InboxEntry, Outcome};

use super::args::{AnyTeamArg, LimitArg};
use super::cell;
use super::global::{Global, Reads};
use super::list::List;
use super::output::{Output, note};
use crate::admin::inbox::{self, InboxJson};
use crate::admin::{ACTOR_CLI, AdminError};
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
        limit: LimitArg,
    },
    /// Interpret a delivery again, after the cause of its rejection was mended.
    Retry(RetryArgs),
}

#[derive(Debug, Args)]
pub(super) struct RetryArgs {
    /// The delivery: our id, or the provider's (evt_…).
    #[arg(required_unless_present = "all_rejected")]
    id: Option<String>,
    #[command(flatten)]
    team: AnyTeamArg,
    /// For Polymart: the settings to use instead of those in the address, all of them: 'productId=…&ipLimit=2'.
    #[arg(long, value_name = "QUERY", value_parser = parse_query)]
    query: Option<Query>,
    /// Everything that is rejected, the oldest first.
    #[arg(long, conflicts_with_all = ["id", "query"])]
    all_rejected: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum OutcomeArg {
    /// Not concluded yet.
    Pending,
    /// It had its effect.
    Applied,
    /// We have no use for it.
    Ignored,
    /// It cannot be honoured, or not all of it.
    Rejected,
}

impl From<OutcomeArg> for Outcome {
    fn from(outcome: OutcomeArg) -> Self {
        match outcome {
            OutcomeArg::Pending => Self::Pending,
            OutcomeArg::Applied => Self::Applied,
            OutcomeArg::Ignored => Self::Ignored,
            OutcomeArg::Rejected => Self::Rejected,
        }
    }
}

/// Settings as an address carries them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Query(BTreeMap<String, String>);

/// Reads a query; `teamId` stays what it is.
fn parse_query(text: &str) -> Result<Query, String> {
    let uri = format!("/?{}", text.trim_start_matches(['?', '&']));
    let bad = || format!("`{text}` is no query like 'productId=…&ipLimit=2'");
    let uri: axum::http::Uri = uri.parse().map_err(|_| bad())?;
    let axum::extract::Query(mut pairs) =
        axum::extract::Query::<BTreeMap<String, String>>::try_from_uri(&uri).map_err(|_| bad())?;
    pairs.remove("teamId");
    if pairs.is_empty() { Err(bad()) } else { Ok(Query(pairs)) }
}

impl InboxCommand {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        global
            .with_app(Reads::Views, async |app, output| match self {
                Self::List { team, outcome, limit } => {
                    let outcomes: Vec<Outcome> = outcome.into_iter().map(Outcome::from).collect();
                    let mut listing = inbox::list(app, team.team, outcomes, limit.limit).await?;
                    let mut rows = List::begin(output, COLUMNS);
                    while let Some((_, entry)) = listing.next().await? {
                        let entry = InboxJson::from(entry);
                        rows.push(&entry, || row(&entry))?;
                    }
                    Ok(rows.finish("no deliveries")?)
                }
                Self::Retry(args) if args.all_rejected => retry_all(app, &args, output).await,
                Self::Retry(args) => {
                    let entry = inbox::find(app, args.team.team, args.id.as_deref().unwrap_or_default()).await?;
                    let query = args.query.as_ref().map(|Query(query)| query);
                    let entry = inbox::retry(app, ACTOR_CLI, &entry, query).await?;
                    if output.json {
                        return Ok(output.document(&InboxJson::from(entry))?);
                    }
                    tell(&entry);
                    Ok(())
                }
            })
            .await
    }
}

async fn retry_all(app: &App, args: &RetryArgs, output: &mut Output) -> anyhow::Result<()> {
    let mut listing = inbox::list(app, args.team.team, vec![Outcome::Rejected], None).await?;
    let mut rejected = Vec::new();
    while let Some((_, entry)) = listing.next().await? {
        rejected.push(entry);
    }
    let mut rows = List::begin(output, COLUMNS);
    for entry in rejected.iter().rev() {
        match inbox::retry(app, ACTOR_CLI, entry, None).await.map(InboxJson::from) {
            Ok(entry) => rows.push(&entry, || row(&entry))?,
            // Its provider has delivered it again meanwhile, and it was applied.
            Err(AdminError::Refused(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(rows.finish("nothing is rejected")?)
}

fn tell(entry: &InboxEntry) {
    let reason = entry.reason.as_deref().map(cell::text).unwrap_or_default();
    note(&format!("{}: {}: {reason}", entry.provider_event_id, entry.outcome.as_str()));
    for warning in &entry.warnings {
        note(&format!("note: {}", cell::text(warning)));
    }
    if entry.outcome == Outcome::Pending {
        note("it stays pending: a running server goes on trying");
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_as_an_address_carries_it() {
        let pairs = |pairs: &[(&str, &str)]| {
            Ok(Query(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()))
        };
        assert_eq!(parse_query("productId=1&ipLimit=2"), pairs(&[("productId", "1"), ("ipLimit", "2")]));
        assert_eq!(parse_query("?a=b%20c&teamId=7"), pairs(&[("a", "b c")]));
        for bad in ["", "?", "teamId=7", "a b"] {
            assert!(parse_query(bad).is_err(), "{bad}");
        }
    }
}
