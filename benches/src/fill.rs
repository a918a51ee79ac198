//! Fills a ledger through the Writer, for what is measured over much history: with stories, or with licences alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::bail;
use keyledger_events::keys::{KeyRing, MasterKey, SqliteKeys};
use keyledger_events::{AppendOutcome, AppendRequest, NewEvent, Provenance, TeamId};
use uuid::Uuid;

use crate::licenses::Issuer;
use crate::measure::Measure;
use crate::ours;
use crate::shop::{self, Shop};
use crate::story::{Author, STORY_EVENTS};

/// Events of one request: as many as a batch takes.
const REQUEST_EVENTS: u64 = 2_000;

/// `fill`
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["events", "licenses"])))]
pub(crate) struct Args {
    /// The SQLite folder.
    #[arg(long)]
    db: PathBuf,
    /// Whose history.
    #[arg(long, default_value_t)]
    team: Uuid,
    /// What was sold.
    #[arg(long, default_value_t)]
    product: Uuid,
    /// Events, rounded up to whole stories.
    #[arg(long)]
    events: Option<u64>,
    /// Licences instead of stories, with keys that the load generator knows. The team must exist in the folder.
    #[arg(long)]
    licenses: Option<u64>,
    /// A second product, and with it customers, deliveries and mails around the licences.
    #[arg(long, requires = "licenses")]
    rare_product: Option<Uuid>,
}

/// Appends the events.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let team = TeamId(args.team);
    if let Some(licenses) = args.licenses {
        let issuer = Issuer::new(ring(&args.db).await?, team, args.product).await?;
        if let Some(rare_product) = args.rare_product {
            let shop = Shop::new(issuer, Author::new(team, args.product), rare_product);
            return append(&args.db, team, licenses, shop::EVENTS_MAX, |number| shop.sale(number)).await;
        }
        return append(&args.db, team, licenses, 1, |number| vec![issuer.issued(number)]).await;
    }
    let author = Author::new(team, args.product);
    let stories = args.events.unwrap_or(0).div_ceil(STORY_EVENTS);
    append(&args.db, team, stories, STORY_EVENTS, |number| author.story(number)).await
}

/// Appends `count` things of `each` events, and prints how fast that was.
async fn append(
    folder: &Path,
    team: TeamId,
    count: u64,
    each: u64,
    make: impl Fn(u64) -> Vec<NewEvent>,
) -> anyhow::Result<()> {
    let ledger = ours::sqlite_ledger(folder).await?;
    let (writer, task) = ours::writer(ledger, folder).await?;
    let step = REQUEST_EVENTS / each;
    let start = Instant::now();
    for first in (0..count).step_by(usize::try_from(step)?) {
        let mut request = AppendRequest::new(team, Provenance::of("bench"));
        request.events = (first..count.min(first + step)).flat_map(&make).collect();
        match writer.append(request).await? {
            AppendOutcome::Appended { .. } => {}
            other => bail!("the ledger in {} holds this history already: {other:?}", folder.display()),
        }
    }
    drop(writer);
    task.await?;
    Measure::of(count * each, start.elapsed()).print()
}

/// The keys of a folder that keyledger made.
async fn ring(folder: &Path) -> anyhow::Result<KeyRing> {
    let master = MasterKey::load_or_create(&folder.join("master.key"))?;
    Ok(KeyRing::new(master, Arc::new(SqliteKeys::open(&folder.join("keys.db")).await?)))
}
