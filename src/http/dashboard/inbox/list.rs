//! Deliveries, newest first.

use askama::Template;
use axum::extract::State;
use keyledger_events::event::inbox::Provider;
use keyledger_projections::{InboxEntry, InboxFilter, Outcome};
use uuid::Uuid;

use super::super::licenses::Tag;
use super::super::page::{Answer, page, to};
use super::super::paging;
use super::super::problem::Problem;
use super::super::shell::Shell;
use super::super::viewer::Viewer;
use super::super::when::When;
use crate::admin::{AdminError, inbox};
use crate::http::Front;

#[derive(Template)]
#[template(path = "dashboard/inbox/list.html")]
struct ListPage {
    shell: Shell,
    search: String,
    provider: String,
    outcome: String,
    filtered: bool,
    rows: Vec<Row>,
    first: Option<String>,
    next: Option<String>,
}

struct Row {
    id: Uuid,
    name: String,
    kind: String,
    provider: Provider,
    test: bool,
    tag: Tag,
    reason: String,
    received: When,
}

/// An outcome's word and colour.
pub(super) fn tag(outcome: Outcome) -> Tag {
    let (word, colour) = match outcome {
        Outcome::Pending => ("Pending", "warn"),
        Outcome::Applied => ("Applied", "good"),
        Outcome::Ignored => ("Ignored", ""),
        Outcome::Rejected => ("Rejected", "bad"),
    };
    Tag { word, colour }
}

/// `GET /teams/{teamId}/inbox`
pub(super) async fn show(viewer: Viewer, State(front): State<Front>) -> Answer {
    let query = &viewer.query;
    let text = |name: &str| query.text(name).unwrap_or_default().to_owned();
    let (search, provider, outcome) = (text("q"), text("provider"), text("outcome"));
    if !search.is_empty() {
        match inbox::find(&front.app, Some(viewer.team_id()), &search).await {
            Ok(entry) => return to(&viewer.at(&format!("inbox/{}", entry.id))),
            Err(AdminError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let outcomes = [Outcome::Pending, Outcome::Applied, Outcome::Ignored, Outcome::Rejected];
    let known_provider = [Provider::Stripe, Provider::Polymart].into_iter().find(|known| known.as_str() == provider);
    let known_outcome = outcomes.into_iter().find(|known| known.as_str() == outcome);
    if known_provider.is_none() && !provider.is_empty() {
        return Err(Problem::unusable(format!("There is no provider “{provider}”.")));
    }
    if known_outcome.is_none() && !outcome.is_empty() {
        return Err(Problem::unusable(format!("No delivery can come to “{outcome}”.")));
    }
    let filter = InboxFilter {
        provider: known_provider,
        outcomes: known_outcome.into_iter().collect(),
        reason: Some(search.clone()).filter(|search| !search.is_empty()),
        ..InboxFilter::default()
    };
    let mut found = inbox::page(&front.app, viewer.team_id(), &filter, paging::wanted(query)?).await?;
    let next = paging::next(&mut found, query, &viewer.path, |entry| entry.received_position);
    page(&ListPage {
        filtered: !(search.is_empty() && provider.is_empty() && outcome.is_empty()),
        shell: viewer.shell("Inbox", "inbox").await?,
        rows: found.into_iter().map(row).collect(),
        first: paging::first(&viewer),
        next,
        search,
        provider,
        outcome,
    })
}

fn row(entry: InboxEntry) -> Row {
    Row {
        id: entry.id,
        name: entry.provider_event_id,
        kind: entry.event_type,
        provider: entry.provider,
        test: entry.livemode == Some(false),
        tag: tag(entry.outcome),
        reason: entry.reason.unwrap_or_default(),
        received: When(entry.received_at),
    }
}
