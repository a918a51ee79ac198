//! Who is signed in, in the database: the browser holds nothing but a random id.

use std::net::IpAddr;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use keyledger_events::{TeamId, Timestamp};
use keyledger_projections::Member;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tower_sessions::cookie::SameSite;
use tower_sessions::cookie::time::Duration;
use tower_sessions::{Expiry, SessionManagerLayer};
use uuid::Uuid;

use super::problem::Problem;
use crate::activity::Sessions;
use crate::http::{Front, address};

/// The cookie's name: its prefix makes browsers refuse it from anybody but this host, and without TLS from any but this
/// machine.
const COOKIE: &str = "__Host-keyledger";
/// How long a sign-in lasts, in days, counted from when something was last noted in the session.
const SIGNED_IN_DAYS_MAX: i64 = 14;
/// For how long a password that was given again opens secrets and destructive acts, in seconds.
const CONFIRMED_SECONDS: i64 = 600;
/// How long the second step of signing in may take, in seconds.
const HALFWAY_SECONDS_MAX: i64 = 300;
/// The longest name of a browser that is kept, in characters.
const AGENT_CHARS_MAX: usize = 200;

const SIGNED_IN: &str = "signed_in";
const HALFWAY: &str = "halfway";
const FLASH: &str = "flash";

/// One membership that a session speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Membership {
    /// The team.
    pub(super) team: TeamId,
    /// The member.
    pub(super) id: Uuid,
    /// The event that their password came with: whoever signed in with another one is signed out.
    #[serde(default)]
    password: Uuid,
}

impl Membership {
    /// That of a member as they are now.
    pub(super) fn of(team: TeamId, member: &Member) -> Self {
        Self { team, id: member.id, password: member.password.as_ref().map_or(Uuid::nil(), |sealed| sealed.event_id) }
    }

    /// Whether it still speaks for the member as they are now.
    pub(super) fn holds(&self, member: &Member) -> bool {
        !self.password.is_nil() && *self == Self::of(self.team, member)
    }
}

/// Who is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SignedIn {
    /// What every form must carry.
    pub(super) csrf: String,
    /// In which teams they are whom; never empty.
    pub(super) memberships: Vec<Membership>,
    /// When the password was last given.
    pub(super) confirmed_at: Timestamp,
}

/// Somebody whose password was right and whose code is awaited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Halfway {
    /// What they will be signed in as.
    pub(super) memberships: Vec<Membership>,
    /// Since when.
    pub(super) since: Timestamp,
    /// Where they wanted to go.
    pub(super) next: String,
}

/// What is said once, on the next page.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Flash {
    /// Whether it tells of a failure.
    pub(super) failed: bool,
    /// In sentences.
    pub(super) text: String,
    /// What was filled in, when it could not be used.
    pub(super) fields: Vec<(String, String)>,
    /// The path that it was sent to.
    #[serde(default)]
    pub(super) form: String,
}

/// A browser's session.
#[derive(Debug, Clone)]
pub(super) struct Session {
    inner: tower_sessions::Session,
    /// The client's address.
    pub(super) address: IpAddr,
    agent: String,
}

/// Keeps sessions in the activity database, where losing them loses only that.
pub(super) fn layer(front: &Front) -> SessionManagerLayer<Sessions> {
    SessionManagerLayer::new(front.app.activity.sessions(front.app.clock.clone()))
        .with_name(COOKIE)
        .with_secure(true)
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_path("/")
        .with_expiry(Expiry::OnInactivity(Duration::days(SIGNED_IN_DAYS_MAX)))
}

impl FromRequestParts<Front> for Session {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, front: &Front) -> Result<Self, Problem> {
        let inner = tower_sessions::Session::from_request_parts(parts, front).await;
        let inner = inner.map_err(|(_, message)| Problem::internal(&message))?;
        let ConnectInfo(peer) =
            ConnectInfo::from_request_parts(parts, front).await.map_err(|e| Problem::internal(&e))?;
        let agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Ok(Self {
            inner,
            address: address::client(peer, &parts.headers, &front.trusted_proxies),
            agent: agent.chars().take(AGENT_CHARS_MAX).collect(),
        })
    }
}

impl Session {
    /// Who is signed in.
    ///
    /// # Errors
    /// When the session cannot be read.
    pub(super) async fn signed_in(&self) -> Result<Option<SignedIn>, Problem> {
        Ok(self.inner.get(SIGNED_IN).await?)
    }

    /// Signs somebody in, under a new id: one that was known before is worth nothing.
    ///
    /// # Errors
    /// When the session cannot be written.
    pub(super) async fn sign_in(&self, memberships: Vec<Membership>, now: Timestamp) -> Result<(), Problem> {
        self.end().await?;
        let first = memberships.first().copied();
        let csrf = BASE64URL.encode(rand::random::<[u8; 32]>());
        self.inner.insert(SIGNED_IN, SignedIn { csrf, memberships, confirmed_at: now }).await?;
        // Shown in the list of a member's sessions.
        if let Some(member) = first {
            self.inner.insert("member", json!({ "team": member.team, "id": member.id })).await?;
        }
        self.inner.insert("address", self.address.to_string()).await?;
        self.inner.insert("agent", &self.agent).await?;
        self.inner.save().await?;
        Ok(())
    }

    /// Ends the session.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) async fn end(&self) -> Result<(), Problem> {
        // A browser that brought no id has nothing in the database that could be deleted.
        if self.inner.id().is_none() {
            self.inner.clear().await;
            return Ok(());
        }
        Ok(self.inner.flush().await?)
    }

    /// Notes that the password was given again, under a new id, with everything else as it was.
    ///
    /// # Errors
    /// When the session cannot be written.
    pub(super) async fn confirm(&self, mut signed_in: SignedIn, now: Timestamp) -> Result<(), Problem> {
        signed_in.confirmed_at = now;
        self.inner.cycle_id().await?;
        Ok(self.inner.insert(SIGNED_IN, signed_in).await?)
    }

    /// Goes on as somebody who has just changed their password, in these teams.
    ///
    /// # Errors
    /// When the session cannot be written.
    pub(super) async fn go_on_as(&self, mut signed_in: SignedIn, changed: &[Membership]) -> Result<(), Problem> {
        for known in &mut signed_in.memberships {
            if let Some(now) = changed.iter().find(|now| (now.team, now.id) == (known.team, known.id)) {
                *known = *now;
            }
        }
        self.inner.insert(SIGNED_IN, signed_in).await?;
        Ok(self.inner.save().await?)
    }

    /// Begins the second step of signing in.
    ///
    /// # Errors
    /// When the session cannot be written.
    pub(super) async fn begin_code(&self, halfway: Halfway) -> Result<(), Problem> {
        self.inner.cycle_id().await?;
        Ok(self.inner.insert(HALFWAY, halfway).await?)
    }

    /// Who is at the second step, if it has not taken too long.
    ///
    /// # Errors
    /// When the session cannot be read.
    pub(super) async fn halfway(&self, now: Timestamp) -> Result<Option<Halfway>, Problem> {
        let halfway: Option<Halfway> = self.inner.get(HALFWAY).await?;
        Ok(halfway.filter(|halfway| now.as_second() - halfway.since.as_second() <= HALFWAY_SECONDS_MAX))
    }

    /// The session's handle in the list of a member's sessions.
    pub(super) fn handle(&self) -> Option<String> {
        self.inner.id().map(|id| Sessions::handle_of(&id))
    }

    /// Says something once, on the next page.
    ///
    /// # Errors
    /// When the session cannot be written.
    pub(super) async fn say(&self, flash: Flash) -> Result<(), Problem> {
        Ok(self.inner.insert(FLASH, flash).await?)
    }

    /// What is to be said, once.
    ///
    /// # Errors
    /// When the session cannot be read.
    pub(super) async fn said(&self) -> Result<Option<Flash>, Problem> {
        match self.inner.get_value(FLASH).await? {
            None => Ok(None),
            Some(_) => Ok(self.inner.remove(FLASH).await?),
        }
    }
}

impl SignedIn {
    /// Whether the password was given a moment ago.
    pub(super) fn is_confirmed(&self, now: Timestamp) -> bool {
        (0..=CONFIRMED_SECONDS).contains(&(now.as_second() - self.confirmed_at.as_second()))
    }
}
