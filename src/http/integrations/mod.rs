//! Providers' endpoints: a delivery is verified, recorded, and only then answered.

pub(super) mod placeholder;
pub(super) mod polymart;
pub(super) mod stripe;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use keyledger_events::TeamId;
use keyledger_events::event::inbox::Provider;
use keyledger_events::event::integration::SecretKind;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{Front, HttpError};
use crate::directory::Team;
use crate::providers::intake::Intake;

/// Who asks, and on whose behalf.
struct Caller {
    address: IpAddr,
    team: TeamId,
    provider: Provider,
    kind: SecretKind,
}

impl Front {
    /// The team, if `verify` accepts the request with one of its secrets. What the directory does not know, or
    /// refuses, is refused only after catching up with the ledger, because another process may have just added it.
    async fn verified<E: std::fmt::Display>(
        &self,
        caller: &Caller,
        verify: impl Fn(&[&[u8]]) -> Result<(), E>,
    ) -> Result<Arc<Team>, HttpError> {
        if let Some(team) = self.app.directory.team(caller.team).await?
            && check(&team, caller, &verify).is_ok()
            && self.app.directory.is_current(&team, caller.provider).await?
        {
            return Ok(team);
        }
        Box::pin(self.verified_anew(caller, verify)).await
    }

    async fn verified_anew<E: std::fmt::Display>(
        &self,
        caller: &Caller,
        verify: impl Fn(&[&[u8]]) -> Result<(), E>,
    ) -> Result<Arc<Team>, HttpError> {
        let team = self.app.fresh_team(caller.team).await?;
        let Some(team) = team.filter(|team| team.config.integration(caller.provider).is_some()) else {
            let message = format!("no team {} with a {} integration", caller.team, caller.provider);
            return Err(self.unsigned.refuse(caller.address, HttpError::not_found(message)));
        };
        match check(&team, caller, &verify) {
            Ok(()) => Ok(team),
            Err(error) => Err(self.unsigned.refuse(caller.address, HttpError::bad_request(error.to_string()))),
        }
    }
}

fn check<E>(team: &Team, caller: &Caller, verify: impl Fn(&[&[u8]]) -> Result<(), E>) -> Result<(), E> {
    let secrets: Vec<_> =
        team.secrets(caller.provider, caller.kind).map(|secret| secret.value.expose_secret().as_bytes()).collect();
    verify(&secrets)
}

/// A header's text; missing or unreadable is empty, which no signature is.
fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn answer(provider: Provider, intake: Intake) -> Result<Response, HttpError> {
    let counted = |outcome: &'static str| {
        metrics::counter!("keyledger_deliveries_total", "provider" => provider.as_str(), "answer" => outcome)
            .increment(1);
    };
    match intake {
        Intake::Received { event_id, duplicate } => {
            counted(if duplicate { "duplicate" } else { "received" });
            let message = if duplicate { "this event was received before" } else { "received" };
            let body = json!({ "received": true, "duplicate": duplicate, "eventId": event_id, "message": message });
            Ok((StatusCode::OK, Json(body)).into_response())
        }
        Intake::SwitchedOff => {
            counted("switched_off");
            Err(HttpError::conflict(format!(
                "the {provider} integration is switched off; the event is kept and can be retried"
            )))
        }
        Intake::Bad(reason) => {
            counted("bad");
            Err(HttpError::bad_request(format!("{reason}; the event is kept and can be retried")))
        }
        Intake::UnknownProduct(reason) => {
            counted("unknown_product");
            Err(HttpError::not_found(format!("{reason}; the event is kept and can be retried")))
        }
    }
}
