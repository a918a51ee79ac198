//! `keyledger events …`

use std::pin::pin;
use std::time::Duration;

use clap::{Args, Subcommand};
use keyledger_events::{Position, RecordedEvent, StreamId, StreamKind};
use uuid::Uuid;

use super::args::{AnyTeamArg, LimitArg};
use super::cell;
use super::global::{Global, Reads};
use super::output::Output;
use crate::admin::events::{EventFilter, EventJson, Reader, describe};
use crate::app::App;

/// How often the ledger's end is looked at.
const POLL: Duration = Duration::from_millis(200);

#[derive(Debug, Subcommand)]
pub(super) enum EventsCommand {
    /// List events in order of position.
    List {
        #[command(flatten)]
        filter: FilterArgs,
        /// Up to this position.
        #[arg(long, value_name = "POSITION")]
        to: Option<i64>,
        #[command(flatten)]
        limit: LimitArg,
    },
    /// Follow the ledger: a line an event (with --json a document a line), until Ctrl-C.
    Tail {
        #[command(flatten)]
        filter: FilterArgs,
    },
}

#[derive(Debug, Args)]
pub(super) struct FilterArgs {
    /// From this position on.
    #[arg(long, value_name = "POSITION")]
    from: Option<i64>,
    #[command(flatten)]
    team: AnyTeamArg,
    /// Only of this stream: license-0197c5a2-…
    #[arg(long, value_name = "NAME", conflicts_with = "license")]
    stream: Option<StreamId>,
    /// Only of the licence with this id: its own stream. What led to each event is its `causation`.
    #[arg(long, value_name = "ID")]
    license: Option<Uuid>,
    /// Open sealed values: personal data, licence keys, secrets, raw deliveries.
    #[arg(long)]
    reveal: bool,
}

impl FilterArgs {
    fn filter(&self) -> EventFilter {
        let license = self.license.map(|id| StreamId::new(StreamKind::License, id));
        EventFilter { team: self.team.team, stream: self.stream.or(license) }
    }
}

impl EventsCommand {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        // History needs no view: it can be read while a view is broken.
        global
            .with_app(Reads::NoViews, async |app, output| match self {
                Self::List { filter, to, limit } => list(app, &filter, to, limit.limit, output).await,
                Self::Tail { filter } => tail(app, &filter, output).await,
            })
            .await
    }
}

async fn list(
    app: &App,
    filter: &FilterArgs,
    to: Option<i64>,
    limit: Option<u32>,
    output: &mut Output,
) -> anyhow::Result<()> {
    let head = app.ledger.head().await?.position;
    let to = to.map_or(head, |to| head.min(Position(to)));
    let mut reader = Reader::up_to_now(app, filter.filter(), Position(filter.from.unwrap_or(1))).await?;
    let mut left = limit.unwrap_or(u32::MAX);
    let mut next = async || match left {
        0 => Ok(None),
        _ => {
            left -= 1;
            reader.next(to).await
        }
    };
    if output.json {
        let mut array = output.array();
        while let Some(event) = next().await? {
            array.push(&describe(app, &event, filter.reveal).await?)?;
        }
        return Ok(array.finish()?);
    }
    while let Some(event) = next().await? {
        print(app, &event, filter.reveal, output).await?;
    }
    Ok(())
}

async fn tail(app: &App, filter: &FilterArgs, output: &mut Output) -> anyhow::Result<()> {
    let mut head = app.ledger.head().await?.position;
    let from = filter.from.map_or_else(|| head.next(), Position);
    let mut reader = Reader::new(app.ledger.clone(), filter.filter(), from);
    // One for the whole time: a signal that comes while events are read must count.
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    loop {
        while let Some(event) = reader.next(head).await? {
            if output.json {
                output.document_line(&describe(app, &event, filter.reveal).await?)?;
            } else {
                print(app, &event, filter.reveal, output).await?;
                output.flush()?;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            interrupted = &mut interrupted => return Ok(interrupted?),
        }
        head = app.ledger.head().await?.position;
    }
}

async fn print(app: &App, event: &RecordedEvent, reveal: bool, output: &mut Output) -> anyhow::Result<()> {
    let EventJson { position, recorded_at, event_type, stream, actor, data, .. } = describe(app, event, reveal).await?;
    let (position, recorded_at, stream) = (position.0, cell::time(recorded_at), stream.to_string());
    let actor = cell::text(&actor);
    output.line(&format!("{position:>8}  {recorded_at}  {event_type:<24}  {stream:<48}  {actor}"))?;
    if reveal {
        output.line(&format!("          {data}"))?;
    }
    Ok(())
}
