//! API keys: shown once, kept as their hash.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use keyledger_events::event::team::{ApiKeyCreated, ApiKeyRevoked, ApiKeyScope};
use keyledger_events::{AppendOutcome, AppendRequest, NewEvent, StreamId, StreamKind, TeamId, Timestamp, clock, id};
use keyledger_projections::{ApiKey, view};
use secrecy::SecretString;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{AdminError, CONFLICTS_MAX, append, by, names, teams};
use crate::app::App;

/// What every key begins with, so that people and scanners recognise one that leaked.
const PREFIX: &str = "kl_";
/// The longest validity that can be asked for: a hundred years, in days.
pub const EXPIRES_IN_DAYS_MAX: u32 = 36_500;
const SECONDS_PER_DAY: i64 = 86_400;

/// An API key that was just made.
#[derive(Debug)]
pub struct NewApiKey {
    /// Its id.
    pub id: Uuid,
    /// The key. Nobody can show it again.
    pub key: SecretString,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

/// What is wanted of a new API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedApiKey {
    /// What it may do.
    pub scope: ApiKeyScope,
    /// What it is for, in its maker's words.
    pub name: Option<String>,
    /// When it stops working.
    pub expires: Expires,
}

/// When an API key stops working.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expires {
    /// Never, unless it is revoked.
    Never,
    /// So many days from now.
    InDays(u32),
    /// At this moment.
    At(Timestamp),
}

/// Makes an API key.
///
/// # Errors
/// When there is no such team, or the name or the end cannot be used.
pub async fn create(app: &App, actor: &str, team: TeamId, wanted: WantedApiKey) -> Result<NewApiKey, AdminError> {
    teams::find(app, team).await?;
    let now = app.clock.now();
    let expires_at = end(now, wanted.expires)?;
    let name = wanted.name.map(|name| names::checked("API key", &name)).transpose()?;
    let (key, scope) = (generate(), wanted.scope);
    let sha256 = hex::encode(Sha256::digest(key.as_bytes()));
    let event = ApiKeyCreated { key_id: id::fresh(), name, scope, sha256, expires_at };
    let key_id = event.key_id;
    // An API key rests on nothing that others may change meanwhile: the team's stream may have any version.
    let stream = StreamId::new(StreamKind::Team, team.0);
    let request = AppendRequest::new(team, by(actor)).event(NewEvent::new(stream, now, event));
    match app.writer.append(request).await? {
        AppendOutcome::Appended { .. } => {
            Ok(NewApiKey { id: key_id, key: SecretString::from(key.as_str()), expires_at })
        }
        AppendOutcome::AlreadyApplied { .. } | AppendOutcome::Conflict { .. } => Err(AdminError::Contended),
    }
}

/// An API key as it is listed; the key itself is nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyJson {
    /// Its id.
    pub id: Uuid,
    /// What it is for, in its maker's words.
    pub name: Option<String>,
    /// What it may do.
    #[schema(value_type = String)]
    pub scope: ApiKeyScope,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it stops working.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// When it was last used.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Timestamp>,
    /// Whether it opens nothing any more.
    pub revoked: bool,
}

/// A team's API keys, oldest first.
///
/// # Errors
/// When there is no such team.
pub async fn list(app: &App, team: TeamId) -> Result<Vec<ApiKeyJson>, AdminError> {
    let config = teams::find(app, team).await?;
    let used = app.activity.keys_last_used(team).await?;
    let shown = |key: &ApiKey| ApiKeyJson {
        id: key.key_id,
        name: key.name.clone(),
        scope: key.scope,
        created_at: key.created_at,
        expires_at: key.expires_at,
        last_used_at: used.get(&key.key_id).copied(),
        revoked: key.revoked,
    };
    Ok(config.api_keys.iter().map(shown).collect())
}

/// Revokes an API key: it opens nothing from then on. Tells whether it did before.
///
/// # Errors
/// When there is no such key.
pub async fn revoke(app: &App, actor: &str, team: TeamId, key_id: Uuid) -> Result<bool, AdminError> {
    for _ in 0..CONFLICTS_MAX {
        let config = teams::find(app, team).await?;
        let Some(key) = config.api_keys.iter().find(|key| key.key_id == key_id) else {
            let list = "apikey list --team ID";
            return Err(AdminError::NotFound { what: "API key", id: key_id.to_string(), list });
        };
        if key.revoked {
            return Ok(false);
        }
        let stream = StreamId::new(StreamKind::Team, team.0);
        let event = NewEvent::new(stream, app.clock.now(), ApiKeyRevoked { key_id });
        if append(app, actor, team, config.version, event).await? {
            app.catch_up(&[view::TEAMS]).await?;
            return Ok(true);
        }
    }
    Err(AdminError::Contended)
}

/// 256 random bits behind the prefix.
fn generate() -> Zeroizing<String> {
    let bytes = Zeroizing::new(rand::random::<[u8; 32]>());
    Zeroizing::new(format!("{PREFIX}{}", BASE64URL.encode(bytes.as_slice())))
}

fn end(now: Timestamp, expires: Expires) -> Result<Option<Timestamp>, AdminError> {
    match expires {
        Expires::Never => Ok(None),
        Expires::InDays(days) => in_days(now, days).map(Some),
        Expires::At(end) if end > now => Ok(Some(clock::truncate(end))),
        Expires::At(end) => Err(AdminError::Invalid(format!("a key that expires at {end} would never open anything"))),
    }
}

fn in_days(now: Timestamp, days: u32) -> Result<Timestamp, AdminError> {
    let bad = || AdminError::Invalid(format!("a key expires in 1 to {EXPIRES_IN_DAYS_MAX} days, not in {days}"));
    if !(1..=EXPIRES_IN_DAYS_MAX).contains(&days) {
        return Err(bad());
    }
    clock::from_microseconds(now.as_microsecond() + i64::from(days) * SECONDS_PER_DAY * 1_000_000).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_and_are_long_enough_to_be_hashed_plainly() {
        let (one, two) = (generate(), generate());
        assert_ne!(one, two);
        assert_eq!(one.len(), PREFIX.len() + 43);
        assert!(one.starts_with(PREFIX));
    }

    #[test]
    fn an_end_is_in_whole_days() -> Result<(), AdminError> {
        assert_eq!(in_days(Timestamp::UNIX_EPOCH, 2)?.as_second(), 2 * SECONDS_PER_DAY);
        assert!(in_days(Timestamp::UNIX_EPOCH, 0).is_err());
        assert!(in_days(Timestamp::UNIX_EPOCH, u32::MAX).is_err());
        let second = Timestamp::from_second(1).unwrap_or_default();
        assert_eq!(end(Timestamp::UNIX_EPOCH, Expires::At(second))?, Some(second));
        assert!(end(second, Expires::At(second)).is_err());
        Ok(())
    }
}
