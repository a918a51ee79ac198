//! An endpoint's secrets: shown once, replaced with an overlap.

use keyledger_events::event::webhook::WebhookSecretRotated;
use keyledger_events::sealed::SealContext;
use keyledger_events::{TeamId, clock};
use keyledger_projections::Endpoint;
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use super::change::decide;
use super::find;
use crate::admin::AdminError;
use crate::app::App;
use crate::hooks::{generate_secret, is_secret};

/// How long the old secret signs beside the new one unless somebody says otherwise, in hours.
pub const OVERLAP_HOURS: u32 = 24;
/// The longest overlap: 30 days, in hours.
const OVERLAP_HOURS_MAX: u32 = 720;
/// Secrets in force at once.
const SECRETS_MAX: usize = 5;

/// The secret that was given, if it is one, or a new one.
pub(super) fn given_or_new(given: Option<SecretString>) -> Result<SecretString, AdminError> {
    match given {
        None => Ok(generate_secret()),
        Some(secret) if is_secret(secret.expose_secret()) => Ok(secret),
        Some(_) => {
            let message =
                "the secret has another form than Standard Webhooks asks for: whsec_ and 24 to 64 bytes in base64";
            Err(AdminError::Invalid(message.to_owned()))
        }
    }
}

/// Gives an endpoint another secret, new or given, and tells it. Until the overlap is over hooks are signed with both.
///
/// # Errors
/// When there is none of this id, the secret is none, or too many are in force.
pub async fn rotate(
    app: &App,
    actor: &str,
    team: TeamId,
    webhook_id: Uuid,
    given: Option<SecretString>,
    overlap_hours: u32,
) -> Result<(Endpoint, SecretString), AdminError> {
    if overlap_hours > OVERLAP_HOURS_MAX {
        return Err(AdminError::Invalid(format!("the overlap is at most {OVERLAP_HOURS_MAX} hours (30 days)")));
    }
    let secret = given_or_new(given)?;
    let now = app.clock.now();
    if find(app, team, webhook_id).await?.secrets_in_force(now).count() >= SECRETS_MAX {
        let message = format!(
            "{SECRETS_MAX} secrets are in force at once; wait until an overlap is over, or rotate with --overlap-hours 0"
        );
        if overlap_hours > 0 {
            return Err(AdminError::Refused(message));
        }
    }
    let until = now.as_microsecond().saturating_add(i64::from(overlap_hours) * 3_600 * 1_000_000);
    let previous_until = clock::from_microseconds(until).unwrap_or(now);
    let key = app.keys.team_key(team).await?;
    let endpoint = decide(app, actor, team, webhook_id, |_, event_id| {
        let context = SealContext { team, event_id, field: Endpoint::SECRET_FIELD };
        let sealed = key.seal(context, secret.expose_secret().as_bytes());
        Some(WebhookSecretRotated { secret: sealed, previous_until }.into())
    })
    .await?;
    Ok((endpoint, secret))
}
