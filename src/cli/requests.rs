//! `keyledger requests …`

use clap::{Args, Subcommand};
use keyledger_events::{Position, TeamId, Timestamp};
use keyledger_projections::Page;
use uuid::Uuid;

use super::args::{AnyTeamArg, LimitArg, time};
use super::cell;
use super::global::{Global, Reads};
use super::list::List;
use crate::activity::{RequestFilter, StoredRequest};
use crate::admin::{AdminError, Listing, teams, verifications};
use crate::app::App;

#[derive(Debug, Subcommand)]
pub(super) enum RequestsCommand {
    /// List verifications and how they were answered, the newest first.
    List(ListArgs),
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    team: AnyTeamArg,
    /// Only about this licence.
    #[arg(long, value_name = "ID")]
    license: Option<Uuid>,
    /// Only those answered so: VALID, LICENSE_EXPIRED, HWID_LIMIT_REACHED, …
    #[arg(long)]
    code: Option<String>,
    /// Only from this device.
    #[arg(long, value_name = "TEXT")]
    device: Option<String>,
    /// Only from this address.
    #[arg(long)]
    address: Option<String>,
    /// Only from this time on.
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Only before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    #[command(flatten)]
    limit: LimitArg,
}

impl RequestsCommand {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let Self::List(args) = self;
        let filter = RequestFilter {
            license_id: args.license,
            code: args.code.map(|code| code.to_uppercase()),
            device: args.device,
            address: args.address,
            kind: None,
            from: args.since,
            until: args.until,
        };
        global
            .with_app(Reads::Views, async |app, output| {
                let columns = ["TIME", "KIND", "ANSWER", "LICENCE", "DEVICE", "ADDRESS", "MS"];
                let mut rows = List::begin(output, columns);
                let teams = teams::ids(app, args.team.team).await?;
                // An entry's place in the log, which all teams share.
                let place = |entry: &StoredRequest| Position(entry.id);
                let fetch = async |team, page| entries(app, team, &filter, page).await;
                let mut listing = Listing::new(teams, args.limit.limit, place, fetch);
                while let Some((_, entry)) = listing.next().await? {
                    rows.push(&entry, || row(&entry))?;
                }
                Ok(rows.finish("no requests")?)
            })
            .await
    }
}

async fn entries(
    app: &App,
    team: TeamId,
    filter: &RequestFilter,
    page: Page,
) -> Result<Vec<StoredRequest>, AdminError> {
    let before = page.before.map(|before| before.0);
    verifications::requests(app, team, filter, before, page.limit.unwrap_or(u32::MAX)).await
}

fn row(entry: &StoredRequest) -> [String; 7] {
    let request = &entry.request;
    let text = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), cell::text);
    [
        cell::time(request.at),
        request.kind.as_upper().to_lowercase(),
        request.code.to_string(),
        request.license_id.map_or_else(|| "-".to_owned(), |id| id.to_string()),
        text(&request.device),
        text(&request.address),
        format!("{}.{:03}", request.latency_us / 1_000, request.latency_us % 1_000),
    ]
}
