//! Fills a ledger with history through the Writer, for what is measured over much history.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::bail;
use keyledger_events::{AppendOutcome, AppendRequest, Provenance, TeamId};
use uuid::Uuid;

use crate::measure::Measure;
use crate::ours;
use crate::story::{Author, STORY_EVENTS};

/// Stories of one request: as many events as a batch takes.
const REQUEST_STORIES: u64 = 250;

/// `fill`
#[derive(Debug, clap::Args)]
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
    events: u64,
}

/// Appends the events.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let ledger = ours::sqlite_ledger(&args.db).await?;
    let (writer, task) = ours::writer(ledger, &args.db).await?;
    let team = TeamId(args.team);
    let author = Author::new(team, args.product);
    let stories = args.events.div_ceil(STORY_EVENTS);
    let start = Instant::now();
    for first in (0..stories).step_by(usize::try_from(REQUEST_STORIES)?) {
        let last = stories.min(first + REQUEST_STORIES);
        let mut request = AppendRequest::new(team, Provenance::of("bench"));
        request.events = (first..last).flat_map(|number| author.story(number)).collect();
        match writer.append(request).await? {
            AppendOutcome::Appended { .. } => {}
            other => bail!("the ledger in {} holds these stories already: {other:?}", args.db.display()),
        }
    }
    drop(writer);
    task.await?;
    Measure::of(stories * STORY_EVENTS, start.elapsed()).print()
}
