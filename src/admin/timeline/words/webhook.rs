//! Outgoing webhooks: what the seller set, and what became of each hook.

use keyledger_events::Event;
use keyledger_events::event::webhook::{WebhookEndpointRegistered, WebhookEndpointUpdated};

use super::{because, time};

pub(super) fn sentence(event: &Event) -> Option<String> {
    Some(match event {
        Event::WebhookEndpointRegistered(e) => format!("a webhook was registered: {}", registered(e)),
        Event::WebhookEndpointUpdated(e) => format!("the webhook was changed: {}", updated(e)),
        Event::WebhookEndpointEnabled(_) => "the webhook was switched on".to_owned(),
        Event::WebhookEndpointDisabled(e) => format!("the webhook was switched off{}", because(Some(&e.reason))),
        Event::WebhookEndpointRemoved(_) => "the webhook was removed".to_owned(),
        Event::WebhookSecretRotated(e) => {
            format!("the webhook got another secret; the old one signs beside it until {}", time(e.previous_until))
        }
        Event::HookTestRequested(e) => format!("a test of the webhook {} was asked for", e.endpoint_id),
        Event::HookRedeliveryRequested(e) => format!("the hook was to be sent again to the webhook {}", e.endpoint_id),
        Event::HookAttemptStarted(e) => format!("attempt {} to send the hook to {} began", e.attempt, e.endpoint_id),
        Event::HookDelivered(e) => format!("the webhook {} took the hook with {}", e.endpoint_id, e.status),
        Event::HookFailed(e) => format!(
            "the hook did not reach the webhook {}, tried again {}: {}",
            e.endpoint_id,
            time(e.retry_at),
            e.reason
        ),
        Event::HookAbandoned(e) => format!("the hook to the webhook {} was given up: {}", e.endpoint_id, e.reason),
        _ => return None,
    })
}

fn registered(e: &WebhookEndpointRegistered) -> String {
    let types = if e.types.is_empty() { "all types".to_owned() } else { e.types.join(", ") };
    let keys = if e.include_keys { ", with licence keys" } else { "" };
    format!("{types}{keys}{}", because(e.description.as_deref()))
}

fn updated(e: &WebhookEndpointUpdated) -> String {
    let mut parts = Vec::new();
    parts.extend(e.url.as_ref().map(|_| "another address".to_owned()));
    parts.extend(e.description.as_ref().map(|text| format!("it is for \u{201c}{text}\u{201d}")));
    parts.extend(e.types.as_ref().map(|types| match types.is_empty() {
        true => "all types".to_owned(),
        false => types.join(", "),
    }));
    parts.extend(e.include_keys.map(|on| format!("licence keys shown: {on}")));
    if parts.is_empty() { "nothing new".to_owned() } else { parts.join("; ") }
}
