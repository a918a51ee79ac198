//! `/teams/{teamId}/blacklist`: where verifications are refused from.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use keyledger_events::event::team::BlacklistKind;
use uuid::Uuid;

use super::change::{Change, Supporter};
use super::page::{Answer, page};
use super::problem::Problem;
use super::shell::Shell;
use super::viewer::Viewer;
use super::when::When;
use crate::admin::verifications;
use crate::http::Front;

/// The pages.
pub(super) fn routes() -> Router<Front> {
    Router::new().route("/blacklist", get(list).post(add)).route("/blacklist/{entryId}/remove", post(remove))
}

#[derive(Template)]
#[template(path = "dashboard/blacklist.html")]
struct BlacklistPage {
    shell: Shell,
    rows: Vec<(Uuid, &'static str, String, When)>,
}

fn word(kind: BlacklistKind) -> &'static str {
    match kind {
        BlacklistKind::Address => "address",
        BlacklistKind::Device => "device",
        BlacklistKind::Country => "country",
    }
}

async fn list(viewer: Viewer, State(front): State<Front>) -> Answer {
    let mut rows = Vec::new();
    for entry in verifications::blacklist(&front.app, viewer.team_id()).await?.into_iter().rev() {
        let hidden = !viewer.sees_people() && entry.kind != BlacklistKind::Country;
        let value = if hidden { "sealed".to_owned() } else { entry.value };
        rows.push((entry.id, word(entry.kind), value, When(entry.added_at)));
    }
    page(&BlacklistPage { shell: viewer.shell("Blacklist", "blacklist").await?, rows })
}

async fn add(State(front): State<Front>, change: Change<Supporter>) -> Answer {
    let added = async {
        let kinds = [BlacklistKind::Address, BlacklistKind::Device, BlacklistKind::Country];
        let wanted = change.fields.text("kind").unwrap_or_default();
        let kind = kinds.into_iter().find(|kind| word(*kind) == wanted);
        let kind = kind.ok_or_else(|| Problem::unusable("Choose what it is: an address, a device or a country."))?;
        let value = change.fields.required("value", "What is to be refused")?;
        let team = change.viewer.team_id();
        verifications::block(&front.app, &change.actor(), team, kind, value).await?;
        Ok("Verifications from there are refused.".to_owned())
    };
    change.done(added.await, "blacklist", "blacklist").await
}

async fn remove(
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
    change: Change<Supporter>,
) -> Answer {
    let removed = async {
        let id = id.parse().map_err(|_| Problem::not_found(format!("“{id}” is no entry's id.")))?;
        verifications::unblock(&front.app, &change.actor(), change.viewer.team_id(), id).await?;
        Ok("It is off the list.".to_owned())
    };
    change.done(removed.await, "blacklist", "blacklist").await
}
