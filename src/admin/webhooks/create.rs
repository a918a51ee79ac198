//! Registering an endpoint.

use keyledger_events::event::webhook::WebhookEndpointRegistered;
use keyledger_events::sealed::SealContext;
use keyledger_events::{AppendOutcome, AppendRequest, NewEvent, StreamId, StreamKind, TeamId, id};
use keyledger_projections::Endpoint;
use secrecy::{ExposeSecret as _, SecretString};

use super::{ENDPOINTS_MAX, MadeWebhook, checked_description, checked_types, describe, find, secret};
use crate::admin::{AdminError, by, teams};
use crate::app::App;
use crate::hooks::parse_url;

/// An endpoint to register.
#[derive(Debug, Clone, Default)]
pub struct NewWebhook {
    /// Where hooks are posted.
    pub url: String,
    /// What it is for.
    pub description: Option<String>,
    /// The types it wants; none means all.
    pub types: Vec<String>,
    /// Whether hooks show the licence key.
    pub include_keys: bool,
    /// What hooks are signed with; a new one unless it is given.
    pub secret: Option<SecretString>,
}

/// Registers an endpoint. It hears of what happens from now on.
///
/// # Errors
/// When there is no such team, it has too many of them, or something given cannot be used.
pub async fn create(app: &App, actor: &str, team: TeamId, new: NewWebhook) -> Result<MadeWebhook, AdminError> {
    let url = parse_url(&new.url).map_err(|error| AdminError::Invalid(error.to_string()))?;
    let description = new.description.as_deref().map(checked_description).transpose()?;
    let types = checked_types(&new.types)?;
    let secret = secret::given_or_new(new.secret)?;
    teams::find(app, team).await?;
    if super::list(app, team).await?.len() >= ENDPOINTS_MAX {
        let message =
            format!("the team has {ENDPOINTS_MAX} webhooks, which is as many as it can have; remove one first");
        return Err(AdminError::Refused(message));
    }
    let key = app.keys.team_key(team).await?;
    let (stream, event_id) = (StreamId::new(StreamKind::Webhook, id::fresh()), id::fresh());
    let seal = |field, text: &str| key.seal(SealContext { team, event_id, field }, text.as_bytes());
    let registered = WebhookEndpointRegistered {
        url: seal(Endpoint::URL_FIELD, url.as_str()),
        description: description.filter(|text| !text.is_empty()),
        types,
        include_keys: new.include_keys,
        secret: seal(Endpoint::SECRET_FIELD, secret.expose_secret()),
    };
    let event = NewEvent { stream, event_id, occurred_at: app.clock.now(), event: registered.into() };
    let request = AppendRequest::new(team, by(actor)).expect(stream, 0).event(event);
    let AppendOutcome::Appended { .. } = app.writer.append(request).await? else { return Err(AdminError::Contended) };
    let endpoint = find(app, team, stream.id).await?;
    Ok(MadeWebhook { webhook: describe(app, &endpoint).await?, secret })
}
