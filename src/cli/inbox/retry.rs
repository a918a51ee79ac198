//! `keyledger inbox retry`

use clap::Args;
use keyledger_events::event::inbox::Provider;
use keyledger_projections::{InboxEntry, InboxFilter, Outcome};

use super::filter::{FilterArgs, Query, parse_query};
use super::{COLUMNS, row};
use crate::admin::inbox::{self, InboxJson};
use crate::admin::{ACTOR_CLI, AdminError};
use crate::app::App;
use crate::cli::args::AnyTeamArg;
use crate::cli::cell;
use crate::cli::list::List;
use crate::cli::output::{Output, note};

#[derive(Debug, Args)]
pub(in crate::cli) struct RetryArgs {
    /// The delivery: our id, or the provider's (evt_…).
    #[arg(required_unless_present = "all")]
    id: Option<String>,
    #[command(flatten)]
    team: AnyTeamArg,
    /// For Polymart: the settings to use instead of those in the address, all of them: 'productId=…&ipLimit=2'.
    #[arg(long, value_name = "QUERY", value_parser = parse_query)]
    query: Option<Query>,
    /// Everything that is rejected, the oldest first, as far as the options below do not narrow it down.
    #[arg(long, visible_alias = "all-rejected", conflicts_with_all = ["id", "query"])]
    all: bool,
    #[command(flatten)]
    filter: FilterArgs,
}

impl RetryArgs {
    pub(super) async fn run(self, app: &App, output: &mut Output) -> anyhow::Result<()> {
        if self.all {
            return self.retry_all(app, output).await;
        }
        if self.filter.filter(Vec::new()) != InboxFilter::default() {
            anyhow::bail!("options that narrow deliveries down go with --all, not with one delivery");
        }
        let entry = inbox::find(app, self.team.team, self.id.as_deref().unwrap_or_default()).await?;
        let query = self.query.as_ref().map(|Query(query)| query);
        if query.is_some() && entry.provider != Provider::Polymart {
            anyhow::bail!("--query is for Polymart; what {} sells is told by its own products", entry.provider);
        }
        let entry = inbox::retry(app, ACTOR_CLI, &entry, query).await?;
        if output.json {
            return Ok(output.document(&InboxJson::from(entry))?);
        }
        tell(&entry);
        Ok(())
    }

    async fn retry_all(self, app: &App, output: &mut Output) -> anyhow::Result<()> {
        let filter = self.filter.filter(vec![Outcome::Rejected]);
        let mut listing = inbox::list(app, self.team.team, filter, None).await?;
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
}

/// Says how a delivery stands.
pub(super) fn tell(entry: &InboxEntry) {
    let reason = entry.reason.as_deref().map(cell::text).unwrap_or_default();
    note(&format!("{}: {}: {reason}", entry.provider_event_id, entry.outcome.as_str()));
    for warning in &entry.warnings {
        note(&format!("note: {}", cell::text(warning)));
    }
    if entry.outcome == Outcome::Pending {
        note("it stays pending: a running server goes on trying");
    }
}
