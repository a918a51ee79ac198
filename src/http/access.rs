//! Who asks: the bearer key of a team, and whether it may do what is asked.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use keyledger_events::event::team::ApiKeyScope;
use keyledger_events::{TeamId, Timestamp};
use keyledger_projections::ApiKey;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::directory::Team;
use crate::http::Front;
use crate::http::envelope::ApiError;

/// A team, and the key that speaks for it.
pub(super) struct Access {
    /// The team.
    pub(super) team: Arc<Team>,
    /// Its id.
    pub(super) team_id: TeamId,
    /// What is written as who did it: `api:<key id>`.
    pub(super) actor: String,
    /// The key's id.
    pub(super) key_id: Uuid,
    /// What the key may do.
    scope: ApiKeyScope,
}

/// What stands sealed in the ledger, by the names that answers have for it.
const SEALED: &[&str] = &["licenseKey", "email", "fullName", "username", "address", "identifier", "device", "metadata"];

impl Access {
    /// An answer as the key may see it: what is sealed in the ledger stays so for auditors, and is null.
    pub(super) fn shown(&self, answer: &impl Serialize) -> Result<Value, ApiError> {
        let mut answer = serde_json::to_value(answer).map_err(|error| ApiError::internal(&error))?;
        if self.scope == ApiKeyScope::Auditor {
            withhold(&mut answer);
        }
        Ok(answer)
    }
}

fn withhold(answer: &mut Value) {
    match answer {
        Value::Array(items) => items.iter_mut().for_each(withhold),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::Array(notes) if name == "metadata" => notes.clear(),
                    value if SEALED.contains(&name.as_str()) => *value = Value::Null,
                    value => withhold(value),
                }
            }
        }
        _ => {}
    }
}

/// A key that may read all of a team's history: an auditor's or an admin's.
pub(super) struct Auditor(pub(super) Access);

/// A key that may do everything to its team: an admin's.
pub(super) struct Admin(pub(super) Access);

impl FromRequestParts<Front> for Auditor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, front: &Front) -> Result<Self, ApiError> {
        let access = Access::from_request_parts(parts, front).await?;
        match access.scope {
            ApiKeyScope::Auditor | ApiKeyScope::Admin => Ok(Self(access)),
            ApiKeyScope::Developer => Err(ApiError::forbidden("this takes an API key of the scope auditor or admin")),
        }
    }
}

impl FromRequestParts<Front> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, front: &Front) -> Result<Self, ApiError> {
        let access = Access::from_request_parts(parts, front).await?;
        match access.scope {
            ApiKeyScope::Admin => Ok(Self(access)),
            ApiKeyScope::Developer | ApiKeyScope::Auditor => {
                Err(ApiError::forbidden("this takes an API key of the scope admin"))
            }
        }
    }
}

impl FromRequestParts<Front> for Access {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, front: &Front) -> Result<Self, ApiError> {
        let team_id = TeamId(id(&raw(parts, front, "teamId").await?, "teamId")?);
        let hash = hex::encode(Sha256::digest(bearer(&parts.headers)?));
        let now = front.app.clock.now();
        // What memory does not know may be in the ledger: a key is refused only after catching up with it.
        let known = front.app.directory.team(team_id).await.map_err(|error| ApiError::internal(&error))?;
        let opens = |team: &Arc<Team>| find(&team.config.api_keys, &hash, now).map(|key| (key.key_id, key.scope));
        let mut found = known.and_then(|team| Some((team.clone(), opens(&team)?)));
        if let Some((team, _)) = &found {
            // The key may have been revoked by another process a moment ago.
            let current = front.app.directory.is_team_current(team).await;
            if !current.map_err(|error| ApiError::internal(&error))? {
                found = None;
            }
        }
        let (team, (key_id, scope)) = match found {
            Some(found) => found,
            None => {
                let fresh = front.app.fresh_team(team_id).await.map_err(|error| ApiError::internal(&error))?;
                let refused =
                    || ApiError::unauthorized("this key opens nothing here: it is unknown, expired or revoked");
                let team = fresh.ok_or_else(refused)?;
                let key = opens(&team).ok_or_else(refused)?;
                (team, key)
            }
        };
        allowed(scope, &parts.method)?;
        front.app.activity.key_used(team_id, key_id, now);
        Ok(Self { team, team_id, actor: format!("api:{key_id}"), key_id, scope })
    }
}

/// A part of the path.
async fn raw(parts: &mut Parts, front: &Front, name: &str) -> Result<String, ApiError> {
    let params = RawPathParams::from_request_parts(parts, front).await;
    let params = params.map_err(|_| ApiError::bad_request("the path of the URL is not readable"))?;
    let found = params.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned());
    found.ok_or_else(|| ApiError::bad_request(format!("{name}: is missing from the path")))
}

/// An id in a path or a query.
pub(super) fn id(text: &str, name: &str) -> Result<Uuid, ApiError> {
    Uuid::parse_str(text).map_err(|_| ApiError::bad_request(format!("{name}: must be a UUID")))
}

fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let missing = || ApiError::unauthorized("the header `Authorization: Bearer …` with an API key is missing");
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or_else(missing)?;
    let (scheme, key) = value.split_once(' ').ok_or_else(missing)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(key.trim()) } else { Err(missing()) }
}

/// The key with this hash that opens anything. Every key is compared, each in constant time.
fn find<'k>(keys: &'k [ApiKey], hash: &str, now: Timestamp) -> Option<&'k ApiKey> {
    let mut found = None;
    for key in keys {
        let same = verify_slices_are_equal(key.sha256.as_bytes(), hash.as_bytes()).is_ok();
        if same && !key.revoked && key.expires_at.is_none_or(|end| end > now) {
            found = Some(key);
        }
    }
    found
}

fn allowed(scope: ApiKeyScope, method: &Method) -> Result<(), ApiError> {
    match scope {
        ApiKeyScope::Developer | ApiKeyScope::Admin => Ok(()),
        ApiKeyScope::Auditor if method == Method::GET || method == Method::HEAD => Ok(()),
        ApiKeyScope::Auditor => Err(ApiError::forbidden("an auditor's key may read and nothing else")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expired_or_revoked_key_opens_nothing() {
        let at = |second| Timestamp::from_second(second).unwrap_or_default();
        let key = |expires_at, revoked| ApiKey {
            key_id: Uuid::nil(),
            name: None,
            scope: ApiKeyScope::Developer,
            sha256: "aa".to_owned(),
            expires_at,
            created_at: at(0),
            revoked,
        };
        let opens = |key: ApiKey, hash| find(&[key], hash, at(100)).is_some();
        assert!(opens(key(None, false), "aa") && opens(key(Some(at(101)), false), "aa"));
        assert!(!opens(key(Some(at(100)), false), "aa") && !opens(key(None, true), "aa"));
        assert!(!opens(key(None, false), "ab") && !opens(key(None, false), ""));
    }
}
