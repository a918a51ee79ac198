//! Endpoints for outgoing webhooks: registered, changed, switched on and off, given another secret; and their hooks.

mod change;
mod create;
mod deliveries;
mod json;
mod secret;

pub use change::{WebhookChange, remove, set_enabled, update};
pub use create::{NewWebhook, create};
pub use deliveries::{deliveries, find_hook, redeliver, redeliver_failed, test};
pub use json::{HookJson, MadeWebhook, WebhookJson, describe, describe_hook};
pub use secret::{OVERLAP_HOURS, rotate};

use keyledger_events::TeamId;
use keyledger_projections::webhooks::kind;
use keyledger_projections::{Endpoint, view};
use uuid::Uuid;

use super::{AdminError, teams};
use crate::app::App;

/// Endpoints of a team at most: each of them is told of everything.
const ENDPOINTS_MAX: usize = 20;
/// Characters of a description at most.
const DESCRIPTION_CHARS_MAX: usize = 200;
/// Patterns of types at most.
const TYPES_MAX: usize = 50;

/// A team's endpoints, oldest first.
///
/// # Errors
/// When there is no such team.
pub async fn list(app: &App, team: TeamId) -> Result<Vec<WebhookJson>, AdminError> {
    teams::find(app, team).await?;
    app.catch_up(&[view::WEBHOOKS]).await?;
    let mut shown = Vec::new();
    for endpoint in app.views.team(team).webhooks().await? {
        shown.push(describe(app, &endpoint).await?);
    }
    Ok(shown)
}

/// The endpoint as the ledger has it now.
///
/// # Errors
/// When there is none of this id.
pub async fn find(app: &App, team: TeamId, id: Uuid) -> Result<Endpoint, AdminError> {
    app.catch_up(&[view::WEBHOOKS]).await?;
    let list = "webhook list --team ID";
    let missing = || AdminError::NotFound { what: "webhook", id: id.to_string(), list };
    app.views.team(team).webhook(id).await?.ok_or_else(missing)
}

fn checked_description(text: &str) -> Result<String, AdminError> {
    let text = text.trim();
    if text.chars().count() > DESCRIPTION_CHARS_MAX || text.chars().any(char::is_control) {
        let message = format!("the description is one line of at most {DESCRIPTION_CHARS_MAX} characters");
        return Err(AdminError::Invalid(message));
    }
    Ok(text.to_owned())
}

fn checked_types(types: &[String]) -> Result<Vec<String>, AdminError> {
    if types.len() > TYPES_MAX {
        return Err(AdminError::Invalid(format!("at most {TYPES_MAX} types can be named; `*` means all of them")));
    }
    let mut checked: Vec<String> = Vec::new();
    for given in types.iter().map(|given| given.trim()) {
        if !kind::is_pattern(given) {
            let all = kind::ALL.join(", ");
            return Err(AdminError::Invalid(format!(
                "`{given}` is no type of webhook; there are {all}, and groups like license.*"
            )));
        }
        if !checked.iter().any(|known| known == given) {
            checked.push(given.to_owned());
        }
    }
    // `*` is what no type at all means.
    Ok(if checked.iter().any(|pattern| pattern == "*") { Vec::new() } else { checked })
}
