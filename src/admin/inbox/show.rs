//! One provider event: its history, and what its provider said.

use keyledger_events::keys::KeyRingError;
use keyledger_events::sealed::SealContext;
use keyledger_projections::InboxEntry;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::InboxJson;
use crate::admin::AdminError;
use crate::admin::events::{self, EventJson};
use crate::app::App;
use crate::providers::inbox::{InboxState, stream_of};

/// A provider event with everything that happened to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InboxDetails {
    /// How it stands.
    #[serde(flatten)]
    pub entry: InboxJson,
    /// Hex of the SHA-256 of its body.
    pub body_sha256: String,
    /// Its arrival, attempts, reopenings and conclusions, in order; without the body.
    pub history: Vec<EventJson>,
}

/// The body of a provider event in the clear.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PayloadJson {
    /// The provider event.
    pub id: Uuid,
    /// Hex of the SHA-256 of the body.
    pub body_sha256: String,
    /// The body: JSON as JSON, anything else as text.
    pub payload: Value,
}

/// A provider event with its history.
///
/// # Errors
/// When the ledger does not answer.
pub async fn details(app: &App, entry: InboxEntry) -> Result<InboxDetails, AdminError> {
    let mut history = Vec::new();
    for recorded in app.ledger.read_streams(entry.team, &[stream_of(&entry)]).await? {
        let mut event = events::describe(app, &recorded, false).await?;
        if let Some(data) = event.data.as_object_mut() {
            data.remove(InboxEntry::BODY_FIELD);
        }
        history.push(event);
    }
    let body_sha256 = entry.body_sha256.clone();
    Ok(InboxDetails { entry: entry.into(), body_sha256, history })
}

/// What the provider sent, for `actor` to read. It may name a buyer, so that it was read goes into the log.
///
/// # Errors
/// When its key was destroyed, or the ledger or the keys store does not answer.
pub async fn payload(app: &App, actor: &str, entry: &InboxEntry) -> Result<PayloadJson, AdminError> {
    let unknown = || AdminError::Refused(format!("the ledger has no delivery {}", entry.provider_event_id));
    let recorded = InboxState::load(app, entry.team, stream_of(entry)).await?.ok_or_else(unknown)?;
    let (team, event_id) = (entry.team, recorded.received_event);
    let context = SealContext { team, event_id, field: InboxEntry::BODY_FIELD };
    let body = match app.keys.open(context, &recorded.received.body).await {
        Ok(body) => body,
        Err(KeyRingError::Gone(_)) => {
            let name = &entry.provider_event_id;
            let message = format!("the body of {name} can no longer be read: its key was destroyed with its buyer's");
            return Err(AdminError::Refused(message));
        }
        Err(error) => return Err(error.into()),
    };
    tracing::info!(actor, team = %entry.team, delivery = %entry.id, "the body of a delivery was read");
    let text = || Value::String(String::from_utf8_lossy(&body).into_owned());
    let payload = serde_json::from_slice(&body).unwrap_or_else(|_| text());
    Ok(PayloadJson { id: entry.id, body_sha256: entry.body_sha256.clone(), payload })
}
