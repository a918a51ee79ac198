//! `/teams/{teamId}/api-keys`: keys of programs, shown once.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use keyledger_events::event::team::ApiKeyScope;
use secrecy::ExposeSecret as _;

use super::change::{Administrator, Change, Confirmed};
use super::page::{Answer, page};
use super::problem::Problem;
use super::shell::Shell;
use super::viewer::Viewer;
use super::when::When;
use crate::admin::api_keys::{self, ApiKeyJson, EXPIRES_IN_DAYS_MAX, Expires, WantedApiKey};
use crate::http::Front;

/// The pages.
pub(super) fn routes() -> Router<Front> {
    Router::new().route("/api-keys", get(list).post(create)).route("/api-keys/{keyId}/revoke", post(revoke))
}

#[derive(Template)]
#[template(path = "dashboard/api_keys.html")]
struct KeysPage {
    shell: Shell,
    keys: Vec<Row>,
    /// The key that was just made.
    made: Option<String>,
}

struct Row {
    id: uuid::Uuid,
    name: String,
    scope: &'static str,
    made: When,
    expires: Option<When>,
    used: Option<When>,
    revoked: bool,
}

fn word(scope: ApiKeyScope) -> &'static str {
    match scope {
        ApiKeyScope::Developer => "developer",
        ApiKeyScope::Auditor => "auditor",
        ApiKeyScope::Admin => "admin",
    }
}

fn row(key: ApiKeyJson) -> Row {
    Row {
        id: key.id,
        name: key.name.unwrap_or_else(|| "without a name".to_owned()),
        scope: word(key.scope),
        made: When(key.created_at),
        expires: key.expires_at.map(When),
        used: key.last_used_at.map(When),
        revoked: key.revoked,
    }
}

async fn list(viewer: Viewer, State(front): State<Front>) -> Answer {
    shown(&front, &viewer, None).await
}

async fn shown(front: &Front, viewer: &Viewer, made: Option<String>) -> Answer {
    let mut keys: Vec<_> = api_keys::list(&front.app, viewer.team_id()).await?.into_iter().map(row).collect();
    keys.reverse();
    let mut shell = viewer.shell("API keys", "api-keys").await?;
    shell.path = viewer.at("api-keys");
    page(&KeysPage { shell, keys, made })
}

async fn create(State(front): State<Front>, change: Change<Confirmed<Administrator>>) -> Answer {
    let made = async {
        let scopes = [ApiKeyScope::Developer, ApiKeyScope::Auditor, ApiKeyScope::Admin];
        let wanted = change.fields.text("scope").unwrap_or_default();
        let scope = scopes.into_iter().find(|scope| word(*scope) == wanted);
        let scope = scope.ok_or_else(|| Problem::unusable("Choose what the key may do."))?;
        let days = change.fields.number_within("days", "The number of days", 1..=EXPIRES_IN_DAYS_MAX)?;
        let expires = days.map_or(Expires::Never, Expires::InDays);
        let wanted = WantedApiKey { scope, name: change.fields.text("name").map(str::to_owned), expires };
        let made = api_keys::create(&front.app, &change.actor(), change.viewer.team_id(), wanted).await?;
        Ok(made.key)
    };
    match change.once(&front, made).await {
        Ok(key) => shown(&front, &change.viewer, Some(key.expose_secret().to_owned())).await,
        Err(problem) => change.done(Err(problem), "api-keys", "api-keys").await,
    }
}

async fn revoke(
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
    change: Change<Administrator>,
) -> Answer {
    let revoked = async {
        let id = id.parse().map_err(|_| Problem::not_found(format!("“{id}” is no key's id.")))?;
        api_keys::revoke(&front.app, &change.actor(), change.viewer.team_id(), id).await?;
        Ok("The key opens nothing any more.".to_owned())
    };
    change.done(revoked.await, "api-keys", "api-keys").await
}
