//! `/teams/{teamId}/integrations`: connections to Stripe and Polymart, what to copy to them, and whether it works.

use std::fmt::Write as _;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use keyledger_events::TeamId;
use keyledger_events::event::inbox::Provider;
use keyledger_events::event::integration::SecretKind;
use keyledger_projections::{InboxFilter, Outcome, Page, view};
use secrecy::SecretString;
use uuid::Uuid;

use super::change::{Administrator, Change, Confirmed};
use super::fields::Fields;
use super::page::{Answer, page};
use super::problem::Problem;
use super::shell::Shell;
use super::viewer::Viewer;
use super::when::When;
use crate::admin::integrations::{self, IntegrationChange, NewSecret, webhook_path};
use crate::app::App;
use crate::http::Front;
use crate::providers::stripe::interpret::HANDLED;

/// Deliveries that have just come are pending too; among so many one is looked for that was tried.
const PENDING_MAX: u32 = 50;

/// What Stripe is to send: everything that has an effect, once. `invoice.payment_succeeded` says what `invoice.paid` says.
fn stripe_events() -> Vec<&'static str> {
    HANDLED.iter().copied().filter(|kind| *kind != "invoice.payment_succeeded").collect()
}

/// The pages.
pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/integrations", get(show))
        .route("/integrations/{provider}", post(update))
        .route("/integrations/{provider}/active", post(switch))
        .route("/integrations/secrets/{secretId}/retire", post(retire))
}

#[derive(Template)]
#[template(path = "dashboard/integrations.html")]
struct IntegrationsPage {
    shell: Shell,
    origin: String,
    stripe_events: Vec<&'static str>,
    connections: Vec<Connection>,
}

/// A provider's connection as pages show it.
pub(super) struct Connection {
    /// The provider.
    pub(super) provider: Provider,
    /// Its name.
    pub(super) name: &'static str,
    /// Whether it is on.
    pub(super) active: bool,
    /// Whether anything was ever set.
    pub(super) set: bool,
    /// The latest verified delivery.
    pub(super) latest: Option<When>,
    /// The latest delivery that waits for something to be mended, since when, and for what.
    pub(super) waits: Option<(When, String)>,
    /// The path that the provider posts to.
    pub(super) path: String,
    api_base: String,
    secrets: Vec<ShownSecret>,
    retired: usize,
}

struct ShownSecret {
    id: Uuid,
    kind: &'static str,
    mode: &'static str,
    hint: String,
    since: When,
}

/// The connections of a team.
///
/// # Errors
/// When the views do not answer.
pub(super) async fn connections(app: &App, viewer: &Viewer) -> Result<Vec<Connection>, Problem> {
    app.catch_up(&[view::INBOX]).await?;
    let mut all = Vec::new();
    for (provider, name) in [(Provider::Stripe, "Stripe"), (Provider::Polymart, "Polymart")] {
        let known = viewer.team.integration(provider);
        let secrets = known.map(|known| known.secrets.as_slice()).unwrap_or_default();
        let shown = secrets.iter().filter(|secret| !secret.retired).map(|secret| ShownSecret {
            id: secret.secret_id,
            kind: kind(secret.kind),
            mode: mode(secret.livemode),
            hint: secret.hint.clone(),
            since: When(secret.added_at),
        });
        all.push(Connection {
            provider,
            name,
            active: known.is_some_and(|known| known.enabled),
            set: known.is_some(),
            latest: delivered(app, viewer.team_id(), provider).await?,
            waits: waits(app, viewer.team_id(), provider).await?,
            path: webhook_path(viewer.team_id(), provider),
            api_base: known.and_then(|known| known.api_base.clone()).unwrap_or_default(),
            secrets: shown.collect(),
            retired: secrets.iter().filter(|secret| secret.retired).count(),
        });
    }
    Ok(all)
}

/// When the provider's latest verified delivery came.
async fn delivered(app: &App, team: TeamId, provider: Provider) -> Result<Option<When>, Problem> {
    let filter = InboxFilter { provider: Some(provider), ..InboxFilter::default() };
    let latest = app.views.team(team).search_inbox(&filter, Page { before: None, limit: Some(1) }).await?;
    Ok(latest.first().map(|entry| When(entry.received_at)))
}

/// A delivery that was tried and is to be tried again: the provider's API refuses the key, or does not answer.
async fn waits(app: &App, team: TeamId, provider: Provider) -> Result<Option<(When, String)>, Problem> {
    let filter = InboxFilter { provider: Some(provider), outcomes: vec![Outcome::Pending], ..InboxFilter::default() };
    let pending = app.views.team(team).search_inbox(&filter, Page { before: None, limit: Some(PENDING_MAX) }).await?;
    Ok(pending.into_iter().find_map(|entry| Some((When(entry.received_at), entry.reason?))))
}

fn kind(kind: SecretKind) -> &'static str {
    match kind {
        SecretKind::Webhook => "webhook secret",
        SecretKind::Signing => "signing secret",
        SecretKind::ApiKey => "API key",
    }
}

fn mode(livemode: Option<bool>) -> &'static str {
    match livemode {
        Some(true) => "live",
        Some(false) => "test",
        None => "",
    }
}

async fn show(viewer: Viewer, State(front): State<Front>) -> Answer {
    let connections = connections(&front.app, &viewer).await?;
    let shell = viewer.shell("Integrations", "integrations").await?;
    page(&IntegrationsPage { shell, origin: viewer.origin.clone(), stripe_events: stripe_events(), connections })
}

fn provider(text: &str) -> Result<Provider, Problem> {
    let all = [Provider::Stripe, Provider::Polymart];
    let found = all.into_iter().find(|provider| provider.as_str() == text);
    found.ok_or_else(|| Problem::not_found(format!("There is no provider “{text}”.")))
}

/// Secrets, an API key, another address; the first of them switches the connection on.
async fn update(
    State(front): State<Front>,
    Path((_, name)): Path<(String, String)>,
    change: Change<Confirmed<Administrator>>,
) -> Answer {
    let updated = async {
        let provider = provider(&name)?;
        let wanted = wanted(&change.fields, change.viewer.team.integration(provider).is_none())?;
        let team = change.viewer.team_id();
        let done = integrations::set(&front.app, &change.actor(), team, provider, &wanted).await?;
        let mut said = if done.events.is_empty() { "It was so already." } else { "Saved." }.to_owned();
        for doubt in wanted.secrets.iter().filter_map(|secret| integrations::doubt(provider, secret)) {
            // Writing into a String cannot fail.
            let _ = write!(said, " But {doubt}.");
        }
        Ok(said)
    };
    change.done(updated.await, "integrations", "integrations").await
}

fn wanted(fields: &Fields, first: bool) -> Result<IntegrationChange, Problem> {
    let kinds =
        [("webhook-secret", SecretKind::Webhook), ("secret", SecretKind::Signing), ("api-key", SecretKind::ApiKey)];
    let mut secrets = Vec::new();
    for (name, kind) in kinds {
        if let Some(value) = fields.text(name) {
            secrets.push(NewSecret { kind, value: SecretString::from(value) });
        }
    }
    let api_base = fields.raw("api-base").map(|base| base.trim().to_owned());
    if secrets.is_empty() && api_base.as_deref().unwrap_or_default().is_empty() && first {
        return Err(Problem::unusable("Fill in what the provider gave you."));
    }
    let active = (first && !secrets.is_empty()).then_some(true);
    Ok(IntegrationChange { secrets, api_base, active })
}

async fn switch(
    State(front): State<Front>,
    Path((_, name)): Path<(String, String)>,
    change: Change<Administrator>,
) -> Answer {
    let switched = async {
        let (provider, active) = (provider(&name)?, change.fields.ticked("active"));
        let wanted = IntegrationChange { active: Some(active), ..IntegrationChange::default() };
        integrations::set(&front.app, &change.actor(), change.viewer.team_id(), provider, &wanted).await?;
        let state = if active { "on" } else { "off: deliveries are recorded, and rejected until it is on again" };
        Ok(format!("The connection is {state}."))
    };
    change.done(switched.await, "integrations", "integrations").await
}

async fn retire(
    State(front): State<Front>,
    Path((_, secret)): Path<(String, String)>,
    change: Change<Confirmed<Administrator>>,
) -> Answer {
    let retired = async {
        let id = secret.parse().map_err(|_| Problem::not_found(format!("“{secret}” is no secret's id.")))?;
        integrations::retire(&front.app, &change.actor(), change.viewer.team_id(), id).await?;
        Ok("The secret is no longer honoured.".to_owned())
    };
    change.done(retired.await, "integrations", "integrations").await
}
