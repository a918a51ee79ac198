//! What sellers decide: teams, products, connections, customers, API keys.

use keyledger_events::Event;
use keyledger_events::event::integration::SecretKind;
use keyledger_events::event::team::{
    ApiKeyScope, BlacklistKind, RemindersUpdated, TeamUpdated, VerificationSettingsUpdated,
};

use super::time;

pub(super) fn sentence(event: &Event) -> Option<String> {
    Some(match event {
        Event::TeamRegistered(e) => format!("the team \u{201c}{}\u{201d} was made", e.name),
        Event::TeamUpdated(e) => format!("the team's settings were changed: {}", team(e)),
        Event::ApiKeyCreated(e) => {
            let until = e.expires_at.map(|end| format!(", good until {}", time(end))).unwrap_or_default();
            format!("the API key {} was made, scope {}{until}", e.key_id, scope(e.scope))
        }
        Event::ApiKeyRevoked(e) => format!("the API key {} was revoked", e.key_id),
        Event::VerificationSettingsUpdated(e) => {
            format!("how verifications are answered was changed: {}", verification(e))
        }
        Event::BlacklistEntryAdded(e) => format!("{} was put on the blacklist ({})", listed(e.kind), e.entry_id),
        Event::BlacklistEntryRemoved(e) => format!("the entry {} was taken off the blacklist", e.entry_id),
        Event::ProductRegistered(e) => format!("the product \u{201c}{}\u{201d} was made", e.name),
        Event::ProductUpdated(e) => match &e.name {
            Some(name) => format!("the product is now called \u{201c}{name}\u{201d}"),
            None => "the product's description was changed".to_owned(),
        },
        Event::ProductRemoved(_) => "the product is no longer sold".to_owned(),
        Event::IntegrationEnabled(e) => format!("the connection to {} was switched on", e.provider),
        Event::IntegrationDisabled(e) => format!("the connection to {} was switched off", e.provider),
        Event::IntegrationUpdated(e) => {
            let base = e.api_base.as_deref().unwrap_or("the provider's own address");
            format!("{} is called at {base}", e.provider)
        }
        Event::SecretAdded(e) => {
            format!("{} of {} was added ({}, ends in {})", secret(e.kind), e.provider, e.secret_id, e.hint)
        }
        Event::SecretRetired(e) => format!("the secret {} of {} is no longer honoured", e.secret_id, e.provider),
        Event::CustomerRegistered(e) => format!("the customer became known through {}", e.provider),
        Event::CustomerUpdated(_) => "the seller told who the customer is".to_owned(),
        Event::CustomerRemoved(_) => "the customer was taken off the list".to_owned(),
        Event::CustomerForgotten(e) => {
            format!("the customer was forgotten: {} keys of their data were destroyed", e.key_ids.len())
        }
        Event::SigningKeyRotated(_) => "the team got another key pair to sign challenges with".to_owned(),
        Event::TeamContactUpdated(e) => match e.email {
            Some(_) => "where the owner is told of things was changed".to_owned(),
            None => "the owner is told of nothing any more".to_owned(),
        },
        Event::RemindersUpdated(e) => format!("reminders were changed: {}", reminders(e)),
        _ => return None,
    })
}

fn team(e: &TeamUpdated) -> String {
    let mut parts = Vec::new();
    parts.extend(e.name.as_ref().map(|name| format!("the name is \u{201c}{name}\u{201d}")));
    parts.extend(e.mail_message.as_ref().map(|_| "the paragraph in mails".to_owned()));
    parts.extend(e.mail_image_url.as_ref().map(|_| "the picture in mails".to_owned()));
    parts.extend(e.renewal_grace_seconds.map(|seconds| format!("the renewal grace is {seconds} s")));
    joined(parts)
}

fn reminders(e: &RemindersUpdated) -> String {
    let mut parts = Vec::new();
    parts.extend(e.days.map(|days| format!("{days} days before the end, 0 being never")));
    parts.extend(e.mail.map(|on| format!("by mail: {on}")));
    joined(parts)
}

fn verification(e: &VerificationSettingsUpdated) -> String {
    let mut parts = Vec::new();
    parts.extend(e.strict_customers.map(|on| format!("customers must be named: {on}")));
    parts.extend(e.strict_products.map(|on| format!("products must be named: {on}")));
    parts.extend(e.ip_timeout_minutes.map(|minutes| format!("addresses time out after {minutes} min")));
    parts.extend(e.hwid_timeout_minutes.map(|minutes| format!("devices time out after {minutes} min")));
    parts.extend(e.returned_fields.as_ref().map(|_| "what is shown".to_owned()));
    joined(parts)
}

fn joined(parts: Vec<String>) -> String {
    if parts.is_empty() { "nothing new".to_owned() } else { parts.join(", ") }
}

fn scope(scope: ApiKeyScope) -> &'static str {
    match scope {
        ApiKeyScope::Developer => "developer",
        ApiKeyScope::Auditor => "auditor",
        ApiKeyScope::Admin => "admin",
    }
}

fn listed(kind: BlacklistKind) -> &'static str {
    match kind {
        BlacklistKind::Address => "an address",
        BlacklistKind::Device => "a device",
        BlacklistKind::Country => "a country",
    }
}

fn secret(kind: SecretKind) -> &'static str {
    match kind {
        SecretKind::Webhook => "a webhook secret",
        SecretKind::Signing => "a signing secret",
        SecretKind::ApiKey => "an API key",
    }
}
