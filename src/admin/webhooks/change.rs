//! Changing an endpoint, switching it on and off, removing it.

use keyledger_events::event::webhook::{
    WebhookEndpointDisabled, WebhookEndpointEnabled, WebhookEndpointRemoved, WebhookEndpointUpdated,
};
use keyledger_events::sealed::SealContext;
use keyledger_events::{Event, NewEvent, StreamId, StreamKind, TeamId, id};
use keyledger_projections::Endpoint;
use uuid::Uuid;

use super::{checked_description, checked_types, find};
use crate::admin::{AdminError, CONFLICTS_MAX, append};
use crate::app::App;
use crate::hooks::parse_url;

/// What is to change of an endpoint; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WebhookChange {
    /// Where hooks are posted.
    pub url: Option<String>,
    /// What it is for; empty removes it.
    pub description: Option<String>,
    /// The types it wants; none of them means all.
    pub types: Option<Vec<String>>,
    /// Whether hooks show the licence key.
    pub include_keys: Option<bool>,
}

/// Changes an endpoint. Hooks that wait already go to the new address.
///
/// # Errors
/// When there is none of this id, or something given cannot be used.
pub async fn update(
    app: &App,
    actor: &str,
    team: TeamId,
    webhook_id: Uuid,
    change: WebhookChange,
) -> Result<Endpoint, AdminError> {
    let url = change.url.as_deref().map(parse_url).transpose();
    let url = url.map_err(|error| AdminError::Invalid(error.to_string()))?;
    let description = change.description.as_deref().map(checked_description).transpose()?;
    let types = change.types.as_deref().map(checked_types).transpose()?;
    let key = app.keys.team_key(team).await?;
    decide(app, actor, team, webhook_id, |endpoint, event_id| {
        let context = SealContext { team, event_id, field: Endpoint::URL_FIELD };
        let update = WebhookEndpointUpdated {
            url: url.as_ref().map(|url| key.seal(context, url.as_str().as_bytes())),
            description: description.clone().filter(|new| *new != endpoint.description.clone().unwrap_or_default()),
            types: types.clone().filter(|new| *new != endpoint.types),
            include_keys: change.include_keys.filter(|new| *new != endpoint.include_keys),
        };
        (update != WebhookEndpointUpdated::default()).then(|| update.into())
    })
    .await
}

/// Switches an endpoint on or off. What happens while it is off it never hears of by itself.
///
/// # Errors
/// When there is none of this id.
pub async fn set_enabled(
    app: &App,
    actor: &str,
    team: TeamId,
    webhook_id: Uuid,
    enabled: bool,
) -> Result<Endpoint, AdminError> {
    decide(app, actor, team, webhook_id, |endpoint, _| match (endpoint.enabled, enabled) {
        (false, true) => Some(WebhookEndpointEnabled {}.into()),
        (true, false) => Some(WebhookEndpointDisabled { reason: "switched off by the seller".to_owned() }.into()),
        _ => None,
    })
    .await
}

/// Removes an endpoint; what became of its hooks stays in the ledger.
///
/// # Errors
/// When there is none of this id.
pub async fn remove(app: &App, actor: &str, team: TeamId, webhook_id: Uuid) -> Result<(), AdminError> {
    for _ in 0..CONFLICTS_MAX {
        let endpoint = find(app, team, webhook_id).await?;
        let stream = StreamId::new(StreamKind::Webhook, webhook_id);
        let event = NewEvent::new(stream, app.clock.now(), WebhookEndpointRemoved {});
        if append(app, actor, team, endpoint.version, event).await? {
            return Ok(());
        }
    }
    Err(AdminError::Contended)
}

/// Appends what `news` calls for, deciding again while others change the endpoint.
pub(super) async fn decide(
    app: &App,
    actor: &str,
    team: TeamId,
    webhook_id: Uuid,
    news: impl Fn(&Endpoint, Uuid) -> Option<Event>,
) -> Result<Endpoint, AdminError> {
    for _ in 0..CONFLICTS_MAX {
        let endpoint = find(app, team, webhook_id).await?;
        let event_id = id::fresh();
        let Some(event) = news(&endpoint, event_id) else { return Ok(endpoint) };
        let stream = StreamId::new(StreamKind::Webhook, webhook_id);
        let event = NewEvent { stream, event_id, occurred_at: app.clock.now(), event };
        if append(app, actor, team, endpoint.version, event).await? {
            return find(app, team, webhook_id).await;
        }
    }
    Err(AdminError::Contended)
}
