//! Providers' connections: their secrets, where their API is, and whether they are on.
//!
//! One call is one append: all of it happens or nothing does.

mod change;
mod json;
mod secrets;

pub use change::{IntegrationChange, NewSecret, decide};
pub use json::{IntegrationJson, SecretJson, webhook_path};
pub use secrets::{doubt, livemode_of, refuse_mistaken};

use keyledger_events::event::inbox::Provider;
use keyledger_events::event::integration::SecretRetired;
use keyledger_events::{AppendOutcome, AppendRequest, Event, NewEvent, StreamId, StreamKind, TeamId, id};
use keyledger_projections::{Integration, TeamConfig};
use secrecy::ExposeSecret as _;
use uuid::Uuid;

use super::{AdminError, CONFLICTS_MAX, by, teams};
use crate::app::App;
use secrets::fingerprint;

/// A connection after a change, and what the change came to.
#[derive(Debug, Clone)]
pub struct Changed {
    /// The connection; `None` while nothing was ever set.
    pub integration: Option<Integration>,
    /// What happened, in order; nothing when all of it was so already.
    pub events: Vec<Event>,
}

/// Applies a change.
///
/// # Errors
/// When there is no such team, or the change cannot be made.
pub async fn set(
    app: &App,
    actor: &str,
    team: TeamId,
    provider: Provider,
    change: &IntegrationChange,
) -> Result<Changed, AdminError> {
    for secret in &change.secrets {
        refuse_mistaken(provider, secret.kind, secret.value.expose_secret())?;
    }
    for _ in 0..CONFLICTS_MAX {
        let config = teams::find(app, team).await?;
        let key = app.keys.team_key(team).await?;
        let print = |value: &str| fingerprint(&app.keys, team, provider, value);
        let events = decide(team, provider, config.integration(provider), change, &key, print)?;
        if let Some(changed) = append(app, actor, &config, provider, events).await? {
            return Ok(changed);
        }
    }
    Err(AdminError::Contended)
}

/// Ends a secret of any provider. One that is retired already stays so.
///
/// # Errors
/// When there is no such team or secret.
pub async fn retire(app: &App, actor: &str, team: TeamId, secret_id: Uuid) -> Result<Changed, AdminError> {
    for _ in 0..CONFLICTS_MAX {
        let config = teams::find(app, team).await?;
        let holds = |integration: &&Integration| integration.secrets.iter().any(|secret| secret.secret_id == secret_id);
        let Some(integration) = config.integrations.values().find(holds) else {
            let list = "integration show --team ID";
            return Err(AdminError::NotFound { what: "secret", id: secret_id.to_string(), list });
        };
        let provider = integration.provider;
        let in_force = integration.secrets.iter().any(|secret| secret.secret_id == secret_id && !secret.retired);
        let retired =
            in_force.then(|| NewEvent::new(integration.stream, app.clock.now(), SecretRetired { provider, secret_id }));
        let events = retired.into_iter().map(|event| (event.event_id, event.event)).collect();
        if let Some(changed) = append(app, actor, &config, provider, events).await? {
            return Ok(changed);
        }
    }
    Err(AdminError::Contended)
}

/// `None` when somebody else changed the connection meanwhile.
async fn append(
    app: &App,
    actor: &str,
    config: &TeamConfig,
    provider: Provider,
    events: Vec<(Uuid, Event)>,
) -> Result<Option<Changed>, AdminError> {
    let before = config.integration(provider);
    if events.is_empty() {
        return Ok(Some(Changed { integration: before.cloned(), events: Vec::new() }));
    }
    let stream = before.map_or_else(|| stream(config.id, provider), |integration| integration.stream);
    let version = before.map_or(0, |integration| integration.version);
    let mut request = AppendRequest::new(config.id, by(actor)).expect(stream, version);
    let (now, told) = (app.clock.now(), events.iter().map(|(_, event)| event.clone()).collect());
    request.events =
        events.into_iter().map(|(event_id, event)| NewEvent { stream, event_id, occurred_at: now, event }).collect();
    match app.writer.append(request).await? {
        AppendOutcome::Appended { .. } => {
            let integration = teams::find(app, config.id).await?.integration(provider).cloned();
            Ok(Some(Changed { integration, events: told }))
        }
        AppendOutcome::AlreadyApplied { .. } | AppendOutcome::Conflict { .. } => Ok(None),
    }
}

/// The stream of a connection: there is one for each team and provider.
fn stream(team: TeamId, provider: Provider) -> StreamId {
    StreamId::new(StreamKind::Integration, id::derived(team, &["integration", provider.as_str()]))
}
