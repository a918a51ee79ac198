//! A dry run, as scripts and programs see it.

use std::collections::BTreeMap;

use keyledger_events::event::inbox::Provider;
use keyledger_events::{NewEvent, StreamId, TeamId, Timestamp};
use keyledger_projections::Outcome;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::admin::AdminError;
use crate::app::App;
use crate::providers::dry_run::{Decision, Rehearsal, rehearse};
use crate::providers::plan::Conclusion;

/// What stands in the place of a sealed value: of a dry run its key is stored nowhere.
const SEALED: &str = "(sealed)";

/// What a delivery would come to.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RehearsalJson {
    /// Who would send it.
    #[schema(value_type = String)]
    pub provider: Provider,
    /// The provider's id of it.
    pub provider_event_id: String,
    /// The provider's name for what happened.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Whether real money moved, where the provider tells.
    pub livemode: Option<bool>,
    /// What the ledger knows of the same delivery: pending, applied, ignored or rejected.
    #[schema(value_type = Option<String>)]
    pub known: Option<Outcome>,
    /// applied, ignored or rejected; deferred, when it would be tried again; duplicate, when nothing would happen.
    pub outcome: &'static str,
    /// Why, or what it would do.
    pub reason: String,
    /// What the seller should know although it would work.
    pub warnings: Vec<String>,
    /// Whether Stripe's API was asked; nothing is ever written there.
    pub asked_stripe: bool,
    /// What would be appended to the ledger, in order.
    pub events: Vec<RehearsedEvent>,
}

/// An event that was not appended.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RehearsedEvent {
    /// The type's name.
    #[serde(rename = "type")]
    pub event_type: &'static str,
    /// Its stream.
    #[schema(value_type = String)]
    pub stream: StreamId,
    /// When it would have happened.
    #[schema(value_type = String, format = DateTime)]
    pub occurred_at: Timestamp,
    /// What it would say, personal data and keys left out.
    pub data: Value,
}

impl RehearsedEvent {
    fn new(event: &NewEvent) -> Self {
        let encoded = event.event.encode().ok();
        let mut data = encoded.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        leave_out(&mut data);
        Self { event_type: event.event.name(), stream: event.stream, occurred_at: event.occurred_at, data }
    }
}

/// Replaces sealed values by a word.
fn leave_out(value: &mut Value) {
    match value {
        Value::Object(fields) if fields.len() == 1 && fields.contains_key("sealed") => *value = SEALED.into(),
        Value::Object(fields) => fields.values_mut().for_each(leave_out),
        Value::Array(elements) => elements.iter_mut().for_each(leave_out),
        _ => {}
    }
}

impl RehearsalJson {
    fn new(provider: Provider, rehearsal: Rehearsal) -> Self {
        let (outcome, reason, warnings) = match rehearsal.decision {
            Decision::Duplicate => {
                let known = rehearsal.known.map_or("known", Outcome::as_str);
                ("duplicate", format!("it was received before and is {known}; nothing would happen"), Vec::new())
            }
            Decision::Deferred(reason) => ("deferred", reason, Vec::new()),
            Decision::Concluded(Conclusion::Applied { summary, warnings }) => ("applied", summary, warnings),
            Decision::Concluded(Conclusion::Ignored(reason)) => ("ignored", reason, Vec::new()),
            Decision::Concluded(Conclusion::Rejected(reason)) => ("rejected", reason, Vec::new()),
        };
        Self {
            provider,
            provider_event_id: rehearsal.provider_event_id,
            event_type: rehearsal.event_type,
            livemode: rehearsal.livemode,
            known: rehearsal.known,
            outcome,
            reason,
            warnings,
            asked_stripe: rehearsal.asked_stripe,
            events: rehearsal.events.iter().map(RehearsedEvent::new).collect(),
        }
    }
}

/// Tells what a delivery with this body would come to. Nothing is appended, no key is kept, and of Stripe only is asked
/// what the real delivery would have it asked.
///
/// # Errors
/// When there is no such team or connection, or something inside does not answer.
pub async fn dry_run(
    app: &App,
    team: TeamId,
    provider: Provider,
    query: BTreeMap<String, String>,
    body: &[u8],
) -> Result<RehearsalJson, AdminError> {
    let known = app.fresh_team(team).await?.ok_or(AdminError::NoTeam(team))?;
    if known.config.integration(provider).is_none() {
        return Err(AdminError::Refused(format!(
            "this team has no {provider} integration; `keyledger integration set {provider}` makes one"
        )));
    }
    Ok(RehearsalJson::new(provider, rehearse(app, &known, provider, query, body).await?))
}
