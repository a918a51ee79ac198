//! `keyledger events …`

use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;

use clap::{Args, Subcommand};
use keyledger_events::{Position, RecordedEvent, StreamId, StreamKind, TeamId, Timestamp};
use keyledger_projections::{Day, view};
use uuid::Uuid;

use super::args::{AnyTeamArg, LimitArg, time};
use super::cell;
use super::global::{Global, Reads};
use super::output::Output;
use crate::admin::events::{EventFilter, EventJson, Reader, describe, known_type};
use crate::admin::teams;
use crate::admin::timeline::{About, streams};
use crate::app::App;

/// How often the ledger's end is looked at.
const POLL: Duration = Duration::from_millis(200);
/// Events that `tail` begins with unless somebody says otherwise.
const TAIL: u32 = 10;

#[derive(Debug, Subcommand)]
pub(super) enum EventsCommand {
    /// List events in order of position.
    List {
        #[command(flatten)]
        filter: FilterArgs,
        /// Up to this position.
        #[arg(long, value_name = "POSITION", value_parser = clap::value_parser!(i64).range(0..))]
        to: Option<i64>,
        #[command(flatten)]
        limit: LimitArg,
    },
    /// Show the last events, in order of position: 10 of them, unless --limit or a place to begin with says otherwise.
    Tail {
        #[command(flatten)]
        filter: FilterArgs,
        #[command(flatten)]
        limit: LimitArg,
        /// Go on with what happens next, until Ctrl-C: a line an event, with --json a document a line.
        #[arg(long, short)]
        follow: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct FilterArgs {
    /// From this position on.
    #[arg(long, value_name = "POSITION", value_parser = clap::value_parser!(i64).range(0..))]
    from: Option<i64>,
    #[command(flatten)]
    team: AnyTeamArg,
    /// Only of this stream: license-0197c5a2-…
    #[arg(long, value_name = "NAME", conflicts_with_all = ["license", "customer"])]
    stream: Option<StreamId>,
    /// Only of the licence with this id: its own stream. What led to each event is its `causation`.
    #[arg(long, value_name = "ID", conflicts_with = "customer")]
    license: Option<Uuid>,
    /// Only what concerns the customer with this id: who they are, what they bought, their licences and mails.
    #[arg(long, value_name = "ID")]
    customer: Option<Uuid>,
    /// Only of this type, LicenseIssued for example. May be repeated.
    #[arg(long = "type", value_name = "TYPE", value_parser = known_type)]
    types: Vec<String>,
    /// Only what was recorded at this time or later.
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Only what was recorded before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// Only what was recorded on this day (UTC).
    #[arg(long, value_name = "YYYY-MM-DD", conflicts_with_all = ["since", "until"])]
    day: Option<Day>,
    /// Open sealed values: personal data, licence keys, secrets, raw deliveries.
    #[arg(long)]
    reveal: bool,
}

impl FilterArgs {
    fn filter(&self) -> EventFilter {
        let license = self.license.map(|id| StreamId::new(StreamKind::License, id));
        EventFilter { team: self.team.team, stream: self.stream.or(license), types: self.types.clone() }
    }

    /// An id that no team has is a mistake: nothing would be shown, or followed for ever.
    async fn expect_team(&self, app: &App) -> anyhow::Result<()> {
        match self.team.team {
            Some(team) => Ok(teams::expect_recorded(app, team).await?),
            None => Ok(()),
        }
    }

    /// Where to begin.
    async fn begin(&self, app: &App) -> anyhow::Result<Position> {
        let from = Position(self.from.unwrap_or(1));
        match self.since.or(self.day.map(Day::begin)) {
            Some(since) => Ok(from.max(app.ledger.last_before(since).await?.next())),
            None => Ok(from),
        }
    }

    /// Where to end, and whether that is so for good: the ledger's end grows.
    async fn end(&self, app: &App) -> anyhow::Result<(Position, bool)> {
        let until = self.until.or(self.day.map(|day| day.next().begin()));
        let over = until.filter(|until| *until <= app.clock.now());
        match over {
            Some(until) => Ok((app.ledger.last_before(until).await?, true)),
            None => Ok((app.ledger.head().await?.position, false)),
        }
    }

    /// Whether a place to begin with is given.
    fn begins_somewhere(&self) -> bool {
        self.from.is_some() || self.since.is_some() || self.day.is_some()
    }

    async fn reader(&self, app: &App, from: Position) -> anyhow::Result<Reader> {
        let Some(customer) = self.customer else { return Ok(Reader::up_to_now(app, self.filter(), from).await?) };
        let (team, streams) = of_customer(app, self.team.team, customer).await?;
        Ok(Reader::of_streams(app.ledger.clone(), vec![(team, streams)], self.filter(), from))
    }
}

/// What concerns a customer is for a view to say.
async fn of_customer(app: &App, team: Option<TeamId>, id: Uuid) -> anyhow::Result<(TeamId, Vec<StreamId>)> {
    app.catch_up_patiently().await?;
    let (team, about) = About::customer(app, team, id).await?;
    app.catch_up(&[view::TIMELINE]).await?;
    Ok((team, streams(app, team, about).await?))
}

impl EventsCommand {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        // History needs no view: it can be read while a view is broken.
        global
            .with_app(Reads::NoViews, async |app, output| match self {
                Self::List { filter, to, limit } => {
                    filter.expect_team(app).await?;
                    list(app, &filter, to, limit.limit, output).await
                }
                Self::Tail { filter, limit, follow } => {
                    filter.expect_team(app).await?;
                    tail(app, &filter, limit.limit, follow, output).await
                }
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
    let (end, _) = filter.end(app).await?;
    let reader = filter.reader(app, filter.begin(app).await?).await?;
    write(app, reader, to.map_or(end, |to| end.min(Position(to))), limit, filter.reveal, output).await
}

/// Writes everything up to `to`, at most `limit` events.
async fn write(
    app: &App,
    mut reader: Reader,
    to: Position,
    limit: Option<u32>,
    reveal: bool,
    output: &mut Output,
) -> anyhow::Result<()> {
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
            array.push(&describe(app, &event, reveal).await?)?;
        }
        return Ok(array.finish()?);
    }
    while let Some(event) = next().await? {
        print(app, &event, reveal, output).await?;
    }
    Ok(())
}

/// The last events and, on request, those that follow. Where a place to begin with is given, everything from there on
/// is wanted.
async fn tail(
    app: &App,
    filter: &FilterArgs,
    limit: Option<u32>,
    follow: bool,
    output: &mut Output,
) -> anyhow::Result<()> {
    let (mut end, mut over) = filter.end(app).await?;
    let mut from = filter.begin(app).await?;
    if let Some(wanted) = limit.or_else(|| (!filter.begins_somewhere()).then_some(TAIL)) {
        from = nth_last(app, filter, from, end, wanted).await?;
    }
    let mut reader = filter.reader(app, from).await?;
    if !follow {
        return write(app, reader, end, None, filter.reveal, output).await;
    }
    // One for the whole time: a signal that comes while events are read must count.
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    loop {
        while let Some(event) = reader.next(end).await? {
            if output.json {
                output.document_line(&describe(app, &event, filter.reveal).await?)?;
            } else {
                print(app, &event, filter.reveal, output).await?;
                output.flush()?;
            }
        }
        if over {
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            interrupted = &mut interrupted => return Ok(interrupted?),
        }
        let before = end;
        (end, over) = filter.end(app).await?;
        // What concerns a customer may have begun meanwhile.
        if filter.customer.is_some() && end > before {
            reader = filter.reader(app, before.next()).await?;
        }
    }
}

/// Where the last `wanted` events begin, between two places.
async fn nth_last(
    app: &App,
    filter: &FilterArgs,
    from: Position,
    end: Position,
    wanted: u32,
) -> anyhow::Result<Position> {
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    if wanted == 0 {
        return Ok(end.next());
    }
    // Looks at ever longer stretches before the end.
    let mut length = i64::try_from(wanted).unwrap_or(i64::MAX);
    loop {
        let begin = Position(end.0.saturating_sub(length).saturating_add(1)).max(from);
        let mut reader = filter.reader(app, begin).await?;
        let mut found = VecDeque::new();
        while let Some(event) = reader.next(end).await? {
            found.push_back(event.position);
            if found.len() > wanted {
                found.pop_front();
            }
        }
        if found.len() >= wanted || begin <= from {
            return Ok(found.front().copied().unwrap_or(end.next()));
        }
        length = length.saturating_mul(8);
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
