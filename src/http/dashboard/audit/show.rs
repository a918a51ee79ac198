//! The timeline over everything, newest first, and the way to the rest.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use keyledger_events::{Event, Position, TeamId};
use keyledger_projections::Day;

use super::super::fields::Fields;
use super::super::licenses::ShownEntry;
use super::super::page::{Answer, page_under};
use super::super::paging::{address, position};
use super::super::problem::Problem;
use super::super::shell::Shell;
use super::super::viewer::Viewer;
use super::checkpoints::{Checkpoint, newest};
use super::verification::Shown;
use crate::admin::events::{EventFilter, Reader};
use crate::admin::timeline::{self, About, Causes, Entry};
use crate::app::App;
use crate::http::Front;

/// Entries of a page.
const ENTRIES: u32 = 50;
/// Events that are looked through for one page: a rare type is to be asked for with a day.
const LOOKED_THROUGH_MAX: i64 = 20_000;
/// Events read at once.
const READ: u32 = 500;

#[derive(Template)]
#[template(path = "dashboard/audit/show.html")]
struct AuditPage {
    shell: Shell,
    license: String,
    customer: String,
    delivery: String,
    day: String,
    kind: String,
    settings: bool,
    kinds: Vec<&'static str>,
    entries: Vec<ShownEntry>,
    next: Option<String>,
    first: Option<String>,
    /// Whether the search for a type ended before the ledger did.
    cut: bool,
    verification: Shown,
    checkpoints: Vec<Checkpoint>,
    log_key: String,
}

#[derive(Default)]
struct Found {
    entries: Vec<Entry>,
    next: Option<(&'static str, Position)>,
    cut: bool,
}

/// `GET /teams/{teamId}/audit`
pub(super) async fn show(viewer: Viewer, State(front): State<Front>) -> Answer {
    let query = &viewer.query;
    let text = |name: &str| query.text(name).unwrap_or_default().to_owned();
    // What is not there is said above the fields that it was asked for with.
    let mut shell = viewer.shell("Audit", "audit").await?;
    let (found, status) = match found(&front.app, viewer.team_id(), query).await {
        Ok(found) => (found, StatusCode::OK),
        Err(problem) => {
            let told = problem.told()?;
            shell.tell(&told.message);
            (Found::default(), told.status)
        }
    };
    let next = found.next.map(|(name, position)| {
        address(&viewer.path, query, &[("before", ""), ("after", ""), (name, &position.to_string())])
    });
    let later = ["before", "after"].iter().any(|name| query.text(name).is_some());
    let shown = AuditPage {
        shell,
        license: text("license"),
        customer: text("customer"),
        delivery: text("delivery"),
        day: text("day"),
        kind: text("type"),
        settings: query.ticked("settings"),
        kinds: Event::TYPES.iter().map(|(name, _)| *name).collect(),
        entries: ShownEntry::all(&front.app, viewer.team_id(), found.entries).await?,
        next,
        first: later.then(|| address(&viewer.path, query, &[("before", ""), ("after", "")])),
        cut: found.cut,
        verification: front.dashboard.verifications().shown(),
        checkpoints: newest(&front.app).await?,
        log_key: front.log_key.key().to_string(),
    };
    page_under(status, &shown)
}

async fn found(app: &App, team: TeamId, query: &Fields) -> Result<Found, Problem> {
    let Some(about) = about(app, team, query).await? else { return everything(app, team, query).await };
    let after = position(query, "after")?.unwrap_or(Position::START);
    let page = timeline::page(app, &mut Causes::of(team), team, about, after, ENTRIES).await?;
    Ok(Found { entries: page.entries, next: page.next_after.map(|next| ("after", next)), cut: false })
}

/// What the timeline is about; `None` is everything.
async fn about(app: &App, team: TeamId, query: &Fields) -> Result<Option<About>, Problem> {
    if let Some(license) = query.text("license") {
        return Ok(Some(About::license(app, Some(team), license).await?.1));
    }
    if let Some(customer) = query.id("customer", "The customer")? {
        return Ok(Some(About::customer(app, Some(team), customer).await?.1));
    }
    if let Some(delivery) = query.text("delivery") {
        return Ok(Some(About::provider_event(app, Some(team), delivery).await?.1));
    }
    if query.ticked("settings") {
        return Ok(Some(About::Settings));
    }
    let Some(day) = query.text("day") else { return Ok(None) };
    let bad = |_| Problem::unusable(format!("The day must be one of the calendar, like 2026-01-31, not “{day}”."));
    Ok(Some(About::Day(day.parse::<Day>().map_err(bad)?)))
}

/// Everything of the team, newest first, or behind a position, oldest first.
async fn everything(app: &App, team: TeamId, query: &Fields) -> Result<Found, Problem> {
    let types: Vec<_> = query.text("type").map(str::to_owned).into_iter().collect();
    let filter = EventFilter { team: Some(team), types, ..EventFilter::default() };
    let wanted = usize::try_from(ENTRIES).unwrap_or(usize::MAX);
    if let Some(after) = position(query, "after")? {
        let mut reader = Reader::up_to_now(app, filter, after.next()).await?;
        let head = app.ledger.head().await?.position;
        let mut events = Vec::new();
        while events.len() < wanted
            && let Some(event) = reader.next(head).await?
        {
            events.push(event);
        }
        let next = events.last().filter(|_| events.len() == wanted).map(|event| ("after", event.position));
        return Ok(Found { entries: Entry::describe(app, &mut Causes::of(team), &events).await?, next, cut: false });
    }
    let head = app.ledger.head().await?.position;
    let before = position(query, "before")?.map_or(head.next(), |before| before.min(head.next()));
    let reader = Reader::new(app.ledger.clone(), filter, before);
    let (mut events, mut end) = (Vec::new(), before.previous().0);
    let lowest = (end - LOOKED_THROUGH_MAX).max(0);
    while events.len() < wanted && end > lowest {
        let begin = (end - i64::from(READ)).max(lowest);
        let mut piece = app.ledger.read(Position(begin), READ).await?;
        piece.retain(|event| event.position.0 <= end && reader.wants(event));
        piece.reverse();
        events.extend(piece);
        end = begin;
    }
    let full = events.len() >= wanted;
    events.truncate(wanted);
    let next = match events.last().filter(|_| full) {
        Some(last) => Some(("before", last.position)),
        None => (end > 0).then_some(("before", Position(end + 1))),
    };
    Ok(Found { entries: Entry::describe(app, &mut Causes::of(team), &events).await?, next, cut: !full && end > 0 })
}
