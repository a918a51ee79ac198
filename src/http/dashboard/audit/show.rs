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
use crate::admin::events::{EventFilter, Reader, known_type};
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
    /// Whether anything narrows it down.
    filtered: bool,
    kinds: Vec<&'static str>,
    entries: Vec<ShownEntry>,
    next: Option<String>,
    first: Option<String>,
    /// Whether the search ended before the ledger did.
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
    let filters = ["license", "customer", "delivery", "day", "type", "settings"];
    let filtered = filters.iter().any(|name| query.text(name).is_some());
    let later = ["before", "after"].iter().any(|name| query.text(name).is_some());
    let shown = AuditPage {
        shell,
        license: text("license"),
        customer: text("customer"),
        delivery: text("delivery"),
        day: text("day"),
        kind: text("type"),
        settings: query.ticked("settings"),
        filtered,
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

/// What narrows a timeline down, whatever it is about.
struct Narrowing {
    kind: Option<String>,
    day: Option<Day>,
}

impl Narrowing {
    fn of(query: &Fields) -> Result<Self, Problem> {
        let unknown = |_| Problem::unusable("There is no such type of event: choose one of the list.");
        let kind = query.text("type").map(|name| known_type(name).map_err(unknown)).transpose()?;
        let bad = |day: &str| format!("The day must be one of the calendar, like 2026-01-31, not “{day}”.");
        let parsed = |day: &str| day.parse::<Day>().map_err(|_| Problem::unusable(bad(day)));
        Ok(Self { kind, day: query.text("day").map(parsed).transpose()? })
    }

    /// Whether it leaves anything out of a timeline. What is told of a day is of that day.
    fn narrows(&self, about: About) -> bool {
        self.kind.is_some() || self.day.is_some() && !matches!(about, About::Day(_))
    }

    fn takes(&self, entry: &Entry) -> bool {
        let event = &entry.event;
        let on = |day| Day::of(event.occurred_at) == day || Day::of(event.recorded_at) == day;
        self.kind.as_ref().is_none_or(|kind| *kind == event.event_type) && self.day.is_none_or(on)
    }
}

async fn found(app: &App, team: TeamId, query: &Fields) -> Result<Found, Problem> {
    let narrowing = Narrowing::of(query)?;
    match about(app, team, query, narrowing.day).await? {
        Some(about) => of_timeline(app, team, query, about, &narrowing).await,
        None => everything(app, team, query, narrowing.kind).await,
    }
}

/// What the timeline is about; `None` is everything.
async fn about(app: &App, team: TeamId, query: &Fields, day: Option<Day>) -> Result<Option<About>, Problem> {
    let (license, delivery) = (query.text("license"), query.text("delivery"));
    let customer = query.id("customer", "The customer")?;
    let settings = query.ticked("settings");
    let named = [license.is_some(), customer.is_some(), delivery.is_some(), settings];
    if named.iter().filter(|named| **named).count() > 1 {
        let message = "What happened is told of one licence, one customer, one delivery or the settings: choose one of \
                       these. A day and a type narrow it down.";
        return Err(Problem::unusable(message));
    }
    if let Some(license) = license {
        return Ok(Some(About::license(app, Some(team), license).await?.1));
    }
    if let Some(customer) = customer {
        return Ok(Some(About::customer(app, Some(team), customer).await?.1));
    }
    if let Some(delivery) = delivery {
        return Ok(Some(About::provider_event(app, Some(team), delivery).await?.1));
    }
    Ok(if settings { Some(About::Settings) } else { day.map(About::Day) })
}

/// The entries of a timeline that are wanted, oldest first, behind a position.
async fn of_timeline(
    app: &App,
    team: TeamId,
    query: &Fields,
    about: About,
    narrowing: &Narrowing,
) -> Result<Found, Problem> {
    let wanted = usize::try_from(ENTRIES).unwrap_or(usize::MAX);
    let mut after = position(query, "after")?.unwrap_or(Position::START);
    let at_once = if narrowing.narrows(about) { READ } else { ENTRIES };
    let (mut causes, mut entries, mut looked) = (Causes::of(team), Vec::new(), 0_usize);
    loop {
        let page = timeline::page(app, &mut causes, team, about, after, at_once).await?;
        looked += page.entries.len();
        entries.extend(page.entries.into_iter().filter(|entry| narrowing.takes(entry)));
        let more = entries.len() > wanted || page.next_after.is_some();
        if entries.len() >= wanted {
            entries.truncate(wanted);
            let last = entries.last().map(|entry| ("after", entry.event.position));
            return Ok(Found { next: last.filter(|_| more), entries, cut: false });
        }
        let Some(next) = page.next_after else { return Ok(Found { entries, next: None, cut: false }) };
        if looked >= usize::try_from(LOOKED_THROUGH_MAX).unwrap_or(usize::MAX) {
            return Ok(Found { entries, next: Some(("after", next)), cut: true });
        }
        after = next;
    }
}

/// Everything of the team, newest first, or behind a position, oldest first.
async fn everything(app: &App, team: TeamId, query: &Fields, kind: Option<String>) -> Result<Found, Problem> {
    let filter = EventFilter { team: Some(team), types: kind.into_iter().collect(), ..EventFilter::default() };
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
        let mut piece = app.ledger.read_checked(Position(begin), READ).await?;
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
