//! Endpoints and deliveries for people.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use crate::admin::webhooks::{HookJson, WebhookJson};
use crate::cli::cell;
use crate::cli::output::Output;

fn state(webhook: &WebhookJson) -> &'static str {
    match (webhook.enabled, webhook.failing_since) {
        (false, _) => "off",
        (true, Some(_)) => "failing",
        (true, None) => "on",
    }
}

fn types(webhook: &WebhookJson) -> String {
    if webhook.types.is_empty() { "all".to_owned() } else { webhook.types.join(", ") }
}

/// An endpoint's row.
pub(super) fn row(webhook: &WebhookJson) -> [String; 6] {
    [
        webhook.id.to_string(),
        state(webhook).to_owned(),
        types(webhook),
        cell::maybe_time(webhook.last_delivered_at),
        webhook.description.as_deref().map(cell::text).unwrap_or_default(),
        webhook.url.as_deref().map(cell::text).unwrap_or_default(),
    ]
}

/// All about an endpoint.
pub(super) fn one(webhook: &WebhookJson, output: &mut Output) -> anyhow::Result<()> {
    if output.json {
        return Ok(output.document(webhook)?);
    }
    let old: Vec<String> = webhook.old_secrets_until.iter().map(|until| cell::time(*until)).collect();
    for (name, value) in [
        ("id", webhook.id.to_string()),
        ("url", webhook.url.as_deref().map(cell::text).unwrap_or_default()),
        ("for", webhook.description.as_deref().map(cell::text).unwrap_or_default()),
        ("state", state(webhook).to_owned()),
        ("why off", webhook.disabled_reason.as_deref().map(cell::text).unwrap_or_default()),
        ("failing since", webhook.failing_since.map(cell::time).unwrap_or_default()),
        ("last delivered", webhook.last_delivered_at.map(cell::time).unwrap_or_default()),
        ("types", types(webhook)),
        ("licence keys", if webhook.include_keys { "shown" } else { "not shown" }.to_owned()),
        ("old secrets until", old.join(", ")),
        ("made", cell::time(webhook.created_at)),
    ] {
        if !value.is_empty() {
            output.line(&format!("{name:<18} {value}"))?;
        }
    }
    Ok(())
}

/// An endpoint's document with its secret.
pub(super) fn with_secret(webhook: &WebhookJson, secret: &SecretString) -> Result<Value, serde_json::Error> {
    let mut document = serde_json::to_value(webhook)?;
    if let Some(fields) = document.as_object_mut() {
        fields.insert("secret".to_owned(), Value::String(secret.expose_secret().to_owned()));
    }
    Ok(document)
}

/// A delivery's row.
pub(super) fn delivery_row(hook: &HookJson) -> [String; 7] {
    [
        cell::time(hook.requested_at),
        hook.kind.clone(),
        hook.state.as_str().to_owned(),
        hook.attempts.to_string(),
        hook.status.map(|status| status.to_string()).unwrap_or_default(),
        hook.reason.as_deref().map(cell::text).unwrap_or_default(),
        hook.id.to_string(),
    ]
}

/// What came of a test.
pub(super) fn outcome(hook: &HookJson) -> String {
    match (hook.status, &hook.reason) {
        (Some(status), None) => format!("delivered: the endpoint answered {status}"),
        (_, Some(reason)) => format!("not delivered: {}", cell::text(reason)),
        (None, None) => "not delivered yet: a running server is at it".to_owned(),
    }
}
