//! An endpoint as known from its stream, and how its hooks fare.

use keyledger_events::event::webhook::{WebhookEndpointRegistered, WebhookEndpointUpdated};
use keyledger_events::{Event, Position, RecordedEvent, TeamId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::kind;
use crate::sealed_field::SealedField;

/// An endpoint for outgoing webhooks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub team: TeamId,
    /// Where hooks are posted; the field is [`Endpoint::URL_FIELD`].
    pub url: SealedField,
    /// What it is for.
    pub description: Option<String>,
    /// The types it wants; none means all.
    pub types: Vec<String>,
    /// Whether hooks show the licence key.
    pub include_keys: bool,
    /// What hooks are signed with, the newest first.
    pub secrets: Vec<EndpointSecret>,
    /// Whether it is posted to.
    pub enabled: bool,
    /// Why it is not.
    pub disabled_reason: Option<String>,
    /// Whether it is no more.
    pub removed: bool,
    /// When it was registered.
    pub created_at: Timestamp,
    /// The place of that in the ledger.
    pub created_position: Position,
    /// The number of events in its stream.
    pub version: i64,
    /// Since when no hook has got through, as the hooks' streams tell; `None` while the last one did.
    pub failing_since: Option<Timestamp>,
    /// When a hook last got through.
    pub last_delivered_at: Option<Timestamp>,
}

/// A secret of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSecret {
    /// The secret; the field is [`Endpoint::SECRET_FIELD`].
    pub value: SealedField,
    /// When it ends; `None` for the one in force.
    pub until: Option<Timestamp>,
}

impl Endpoint {
    /// The field that holds the address.
    pub const URL_FIELD: &'static str = "url";
    /// The field that holds a secret.
    pub const SECRET_FIELD: &'static str = "secret";

    /// Folds the next event of the stream. Nothing but a WebhookEndpointRegistered begins an endpoint.
    pub fn evolve(state: Option<Self>, recorded: &RecordedEvent, event: &Event) -> Option<Self> {
        let mut endpoint = match (state, event) {
            (None, Event::WebhookEndpointRegistered(registered)) => {
                return Some(Self::registered(recorded, registered));
            }
            (None, _) => return None,
            (Some(endpoint), _) => endpoint,
        };
        match event {
            Event::WebhookEndpointUpdated(update) => endpoint.updated(recorded, update),
            Event::WebhookEndpointEnabled(_) => {
                endpoint.enabled = true;
                endpoint.disabled_reason = None;
                endpoint.failing_since = None;
            }
            Event::WebhookEndpointDisabled(disabled) => {
                endpoint.enabled = false;
                endpoint.disabled_reason = Some(disabled.reason.clone());
            }
            Event::WebhookEndpointRemoved(_) => {
                endpoint.enabled = false;
                endpoint.removed = true;
            }
            Event::WebhookSecretRotated(rotated) => {
                let still = |secret: &EndpointSecret| secret.until.is_none_or(|until| until > recorded.recorded_at);
                endpoint.secrets.retain(still);
                for secret in &mut endpoint.secrets {
                    secret.until =
                        Some(secret.until.map_or(rotated.previous_until, |it| it.min(rotated.previous_until)));
                }
                let value = SealedField::new(&rotated.secret, recorded.event_id);
                endpoint.secrets.insert(0, EndpointSecret { value, until: None });
            }
            _ => {}
        }
        endpoint.version = recorded.stream_version;
        Some(endpoint)
    }

    fn registered(recorded: &RecordedEvent, event: &WebhookEndpointRegistered) -> Self {
        let secret = SealedField::new(&event.secret, recorded.event_id);
        Self {
            id: recorded.stream.id,
            team: recorded.team,
            url: SealedField::new(&event.url, recorded.event_id),
            description: event.description.clone(),
            types: event.types.clone(),
            include_keys: event.include_keys,
            secrets: vec![EndpointSecret { value: secret, until: None }],
            enabled: true,
            disabled_reason: None,
            removed: false,
            created_at: recorded.recorded_at,
            created_position: recorded.position,
            version: recorded.stream_version,
            failing_since: None,
            last_delivered_at: None,
        }
    }

    fn updated(&mut self, recorded: &RecordedEvent, update: &WebhookEndpointUpdated) {
        if let Some(url) = &update.url {
            self.url = SealedField::new(url, recorded.event_id);
        }
        if let Some(description) = &update.description {
            self.description = Some(description.clone()).filter(|text| !text.is_empty());
        }
        if let Some(types) = &update.types {
            self.types.clone_from(types);
        }
        self.include_keys = update.include_keys.unwrap_or(self.include_keys);
    }

    /// Notes how a hook of it fared; tells whether that is news.
    pub(super) fn heard(&mut self, recorded: &RecordedEvent, event: &Event) -> bool {
        match event {
            Event::HookDelivered(_) => {
                self.failing_since = None;
                self.last_delivered_at = Some(recorded.recorded_at);
                true
            }
            Event::HookFailed(_) | Event::HookAbandoned(_) if self.enabled && self.failing_since.is_none() => {
                self.failing_since = Some(recorded.recorded_at);
                true
            }
            _ => false,
        }
    }

    /// Whether a hook of this type is owed to it.
    pub fn wants(&self, kind: &str) -> bool {
        self.enabled && kind::wanted(&self.types, kind)
    }

    /// The secrets that hooks are signed with at `now`, the newest first.
    pub fn secrets_in_force(&self, now: Timestamp) -> impl Iterator<Item = &EndpointSecret> {
        self.secrets.iter().filter(move |secret| secret.until.is_none_or(|until| until > now))
    }
}
