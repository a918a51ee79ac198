//! `/teams/{teamId}/mails`: mails to buyers and to the seller, how far they are, and what they say.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use keyledger_events::TeamId;
use keyledger_events::event::delivery::MailContent;
use keyledger_events::event::member::RevealedKind;
use keyledger_projections::{Delivery, DeliveryState, view};
use uuid::Uuid;

use super::change::{Change, Confirmed, Supporter};
use super::licenses::Tag;
use super::page::{Answer, page};
use super::paging;
use super::problem::Problem;
use super::shell::Shell;
use super::viewer::Viewer;
use super::when::When;
use crate::admin::{mails, members};
use crate::app::App;
use crate::http::Front;
use crate::mail::worker::{Preview, preview};

const STATES: [DeliveryState; 4] =
    [DeliveryState::Pending, DeliveryState::Sent, DeliveryState::Failed, DeliveryState::Abandoned];

/// The pages.
pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/mails", get(list))
        .route("/mails/{mailId}", get(show))
        .route("/mails/{mailId}/preview", post(look))
        .route("/mails/{mailId}/resend", post(resend))
}

#[derive(Template)]
#[template(path = "dashboard/mails.html")]
struct ListPage {
    shell: Shell,
    state: String,
    states: Vec<&'static str>,
    rows: Vec<Row>,
    first: Option<String>,
    next: Option<String>,
}

struct Row {
    id: Uuid,
    what: &'static str,
    tag: Tag,
    reason: String,
    attempts: u32,
    requested: When,
}

#[derive(Template)]
#[template(path = "dashboard/mail.html")]
struct ShowPage {
    shell: Shell,
    row: Row,
    sent: Option<When>,
    retry: Option<When>,
    license_ids: Vec<Uuid>,
    message_id: String,
    /// What it says, once that was asked for.
    preview: Option<Preview>,
}

fn what(content: &MailContent) -> &'static str {
    match content {
        MailContent::LicenseKeys => "Licence keys",
        MailContent::ExpiryReminder { .. } => "Reminder of an end",
        MailContent::WebhookDisabled { .. } => "Word of a disabled webhook",
    }
}

fn tag(state: DeliveryState) -> Tag {
    let (word, colour) = match state {
        DeliveryState::Pending => ("Waiting", "warn"),
        DeliveryState::Sent => ("Sent", "good"),
        DeliveryState::Failed => ("Failed, tried again", "warn"),
        DeliveryState::Abandoned => ("Given up", "bad"),
    };
    Tag { word, colour }
}

fn row(mail: &Delivery) -> Row {
    Row {
        id: mail.id,
        what: what(&mail.content),
        tag: tag(mail.state),
        reason: mail.reason.clone().unwrap_or_default(),
        attempts: mail.attempts,
        requested: When(mail.requested_at),
    }
}

async fn list(viewer: Viewer, State(front): State<Front>) -> Answer {
    let state = viewer.query.text("state").unwrap_or_default().to_owned();
    let wanted: Vec<_> = STATES.into_iter().filter(|known| known.as_str() == state).collect();
    if wanted.is_empty() && !state.is_empty() {
        return Err(Problem::unusable(format!("No mail can be in the state “{state}”.")));
    }
    front.app.catch_up(&[view::DELIVERIES]).await?;
    let views = front.app.views.team(viewer.team_id());
    let mut found = views.deliveries(&wanted, paging::wanted(&viewer.query)?).await?;
    let next = paging::next(&mut found, &viewer.query, &viewer.path, |mail| mail.requested_position);
    page(&ListPage {
        shell: viewer.shell("Mails", "mails").await?,
        state,
        states: STATES.map(DeliveryState::as_str).into(),
        rows: found.iter().map(row).collect(),
        first: paging::first(&viewer),
        next,
    })
}

async fn find(app: &App, team: TeamId, id: &str) -> Result<Delivery, Problem> {
    let none = || Problem::not_found(format!("There is no mail “{id}”."));
    let id: Uuid = id.parse().map_err(|_| none())?;
    app.catch_up(&[view::DELIVERIES]).await?;
    app.views.team(team).delivery(id).await?.ok_or_else(none)
}

async fn show(viewer: Viewer, State(front): State<Front>, Path((_, id)): Path<(String, String)>) -> Answer {
    shown(&front, &viewer, &id, None).await
}

async fn shown(front: &Front, viewer: &Viewer, id: &str, preview: Option<Preview>) -> Answer {
    let mail = find(&front.app, viewer.team_id(), id).await?;
    let mut shell = viewer.shell(what(&mail.content), "mails").await?;
    shell.path = viewer.at(&format!("mails/{}", mail.id));
    page(&ShowPage {
        shell,
        row: row(&mail),
        sent: mail.sent_at.map(When),
        retry: mail.retry_at.map(When),
        license_ids: mail.license_ids,
        message_id: mail.message_id,
        preview,
    })
}

/// Shows the mail as it would go out now, and records that it was looked at.
async fn look(
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
    change: Change<Confirmed<Supporter>>,
) -> Answer {
    let (app, viewer) = (&front.app, &change.viewer);
    let mail = find(app, viewer.team_id(), &id).await?;
    let preview = preview(app, &mail, app.clock.now())
        .await
        .map_err(|reason| Problem::unusable(format!("The mail cannot be put together as things are: {reason}.")))?;
    members::reveal(app, &change.actor(), viewer.team_id(), viewer.member.id, RevealedKind::Mail, mail.id).await?;
    shown(&front, viewer, &id, Some(preview)).await
}

async fn resend(
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
    change: Change<Supporter>,
) -> Answer {
    let sent = async {
        let mail = find(&front.app, change.viewer.team_id(), &id).await?;
        let again = mails::resend(&front.app, &change.actor(), Some(change.viewer.team_id()), mail.id).await?;
        Ok(format!("It goes out again, as mail {}.", again.id))
    };
    let here = format!("mails/{id}");
    change.done(change.once(&front, sent).await, &here, &here).await
}
