//! Outgoing webhooks.

use keyledger_events::Event;
use keyledger_events::event::webhook::*;

use super::{sealed, time, uuid};
use crate::support::TestResult;

pub(super) fn samples() -> TestResult<Vec<Event>> {
    let team = uuid(1);
    let endpoint_id = uuid(80);
    Ok(vec![
        WebhookEndpointRegistered {
            url: sealed(team)?,
            description: Some("our shop's bookkeeping".to_owned()),
            types: vec!["license.*".to_owned(), "limit.reached".to_owned()],
            include_keys: true,
            secret: sealed(team)?,
        }
        .into(),
        WebhookEndpointUpdated {
            url: Some(sealed(team)?),
            description: Some(String::new()),
            types: Some(Vec::new()),
            include_keys: Some(false),
        }
        .into(),
        WebhookEndpointEnabled {}.into(),
        WebhookEndpointDisabled { reason: "it answered 410 Gone".to_owned() }.into(),
        WebhookEndpointRemoved {}.into(),
        WebhookSecretRotated { secret: sealed(team)?, previous_until: time("2026-03-02T10:00:00Z")? }.into(),
        HookTestRequested { endpoint_id }.into(),
        HookRedeliveryRequested { endpoint_id }.into(),
        HookAttemptStarted { endpoint_id, source: uuid(81), attempt: 1, lease_until: time("2026-03-01T10:00:45Z")? }
            .into(),
        HookDelivered { endpoint_id, status: 204, attempts: 2 }.into(),
        HookFailed {
            endpoint_id,
            reason: "answered 500 Internal Server Error".to_owned(),
            status: Some(500),
            response: Some(sealed(team)?),
            attempts: 1,
            retry_at: time("2026-03-01T10:00:05.25Z")?,
        }
        .into(),
        HookAbandoned {
            endpoint_id,
            reason: "given up after 21 attempts: connection refused".to_owned(),
            status: None,
            response: None,
            attempts: 21,
        }
        .into(),
    ])
}
