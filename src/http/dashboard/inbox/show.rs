//! One delivery with its history.

use askama::Template;
use axum::extract::{Path, State};
use keyledger_events::TeamId;
use keyledger_events::event::inbox::Provider;
use keyledger_projections::{InboxEntry, Outcome};

use super::super::licenses::{ShownEntry, Tag};
use super::super::page::{Answer, page};
use super::super::problem::Problem;
use super::super::shell::Shell;
use super::super::viewer::Viewer;
use super::super::when::When;
use super::list::tag;
use crate::admin::inbox;
use crate::admin::timeline::{self, About, Causes};
use crate::app::App;
use crate::http::Front;

/// Entries of what followed that are shown.
const ENTRIES: u32 = 100;

#[derive(Template)]
#[template(path = "dashboard/inbox/show.html")]
struct ShowPage {
    shell: Shell,
    entry: InboxEntry,
    tag: Tag,
    received: When,
    concluded: Option<When>,
    retry: Option<When>,
    timeline: Vec<ShownEntry>,
    /// How many entries of it are shown, where there are more.
    cut: Option<u32>,
    /// The body, once it was asked for.
    payload: Option<String>,
    retryable: bool,
    polymart: bool,
    query: String,
}

/// `GET /teams/{teamId}/inbox/{entryId}`
pub(super) async fn show(viewer: Viewer, State(front): State<Front>, Path((_, id)): Path<(String, String)>) -> Answer {
    shown(&front, &viewer, &id, None).await
}

/// The delivery of an id in a path.
///
/// # Errors
/// When there is none.
pub(super) async fn find(app: &App, team: TeamId, id: &str) -> Result<InboxEntry, Problem> {
    Ok(inbox::find(app, Some(team), id).await?)
}

/// The page, with the body if that was asked for.
pub(super) async fn shown(front: &Front, viewer: &Viewer, id: &str, payload: Option<String>) -> Answer {
    let (app, team) = (&front.app, viewer.team_id());
    let entry = find(app, team, id).await?;
    let about = About::ProviderEvent(entry.id);
    let history = timeline::page(app, &mut Causes::of(team), team, about, Default::default(), ENTRIES).await?;
    let mut shell = viewer.shell(entry.provider_event_id.clone(), "inbox").await?;
    shell.path = viewer.at(&format!("inbox/{}", entry.id));
    let cut = history.next_after.map(|_| ENTRIES);
    let timeline = ShownEntry::all(app, team, history.entries).await?;
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(&entry.query);
    page(&ShowPage {
        shell,
        tag: tag(entry.outcome),
        received: When(entry.received_at),
        concluded: entry.concluded_at.map(When),
        retry: entry.retry_at.map(When),
        timeline,
        cut,
        payload,
        retryable: matches!(entry.outcome, Outcome::Rejected | Outcome::Pending | Outcome::Ignored),
        polymart: entry.provider == Provider::Polymart,
        query: query.finish(),
        entry,
    })
}
