//! Provider events: listed with what became of them, and interpreted again after their cause was mended.

use std::collections::BTreeMap;
use std::time::Duration;

use keyledger_events::event::inbox::{Provider, ProviderEventReopened};
use keyledger_events::{NewEvent, TeamId, Timestamp};
use keyledger_projections::{InboxEntry, Outcome, Page, QueryError, view};
use serde::Serialize;
use uuid::Uuid;

use super::{AdminError, CONFLICTS_MAX, Listing, append, teams};
use crate::app::App;
use crate::providers::inbox::{InboxState, stream_of};
use crate::providers::interpreter;

/// How long a retry waits for what it cannot have at once, Stripe's answers as a rule.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(20);
/// The first pause between two attempts; it doubles each time.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// A provider event as scripts and programs see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InboxJson {
    /// The id that a retry takes.
    pub id: Uuid,
    /// Whose it is.
    pub team_id: TeamId,
    /// Who sent it.
    pub provider: Provider,
    /// The provider's id of it.
    pub provider_event_id: String,
    /// The provider's name for what happened.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Whether real money moved, where the provider tells.
    pub livemode: Option<bool>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, or what it did.
    pub reason: Option<String>,
    /// What the seller should know although it worked.
    pub warnings: Vec<String>,
    /// The query of the request's URL, as last mended.
    pub query: BTreeMap<String, String>,
    /// Attempts that called Stripe.
    pub attempts: u32,
    /// When it was recorded.
    pub received_at: Timestamp,
    /// When it was concluded.
    pub concluded_at: Option<Timestamp>,
    /// When it is tried again.
    pub retry_at: Option<Timestamp>,
}

impl From<InboxEntry> for InboxJson {
    fn from(entry: InboxEntry) -> Self {
        Self {
            id: entry.id,
            team_id: entry.team,
            provider: entry.provider,
            provider_event_id: entry.provider_event_id,
            event_type: entry.event_type,
            livemode: entry.livemode,
            outcome: entry.outcome,
            reason: entry.reason,
            warnings: entry.warnings,
            query: entry.query,
            attempts: entry.attempts,
            received_at: entry.received_at,
            concluded_at: entry.concluded_at,
            retry_at: entry.retry_at,
        }
    }
}

/// Provider events of one team or of all, newest first. No outcome means all of them.
///
/// # Errors
/// When there is no such team.
pub async fn list(
    app: &App,
    team: Option<TeamId>,
    outcomes: Vec<Outcome>,
    limit: Option<u32>,
) -> Result<Listing<InboxEntry, impl AsyncFn(TeamId, Page) -> Result<Vec<InboxEntry>, QueryError>>, AdminError> {
    let teams = teams::ids(app, team).await?;
    app.catch_up(&[view::INBOX]).await?;
    let views = app.views.clone();
    let fetch = async move |team, page| views.team(team).inbox(&outcomes, page).await;
    Ok(Listing::new(teams, limit, |entry: &InboxEntry| entry.received_position, fetch))
}

/// A provider event by our id or the provider's, of one team or of any.
///
/// # Errors
/// When there is none.
pub async fn find(app: &App, team: Option<TeamId>, id: &str) -> Result<InboxEntry, AdminError> {
    let teams = teams::ids(app, team).await?;
    app.catch_up(&[view::INBOX]).await?;
    for team in teams {
        let views = app.views.team(team);
        if let Ok(id) = Uuid::parse_str(id)
            && let Some(entry) = views.inbox_entry(id).await?
        {
            return Ok(entry);
        }
        for provider in [Provider::Stripe, Provider::Polymart] {
            if let Some(entry) = views.inbox_by_provider_event(provider, id).await? {
                return Ok(entry);
            }
        }
    }
    Err(AdminError::NotFound { what: "provider event", id: id.to_owned(), list: "inbox list" })
}

/// Interprets a provider event afresh, with `query` instead of what its URL said, and waits a while for its
/// conclusion. Works beside a server: whoever concludes it, it is concluded once.
///
/// # Errors
/// When it was applied already, which nothing can add to.
pub async fn retry(
    app: &App,
    actor: &str,
    entry: &InboxEntry,
    query: Option<&BTreeMap<String, String>>,
) -> Result<InboxEntry, AdminError> {
    reopen(app, actor, entry, query).await?;
    let (team, stream) = (entry.team, stream_of(entry));
    let deadline = tokio::time::Instant::now() + RETRY_WAIT_MAX;
    let mut pause = RETRY_PAUSE;
    loop {
        interpreter::conclude(app, team, stream).await?;
        let state = InboxState::load(app, team, stream).await?;
        let pending = state.is_some_and(|state| state.outcome == Outcome::Pending);
        if !pending || tokio::time::Instant::now() + pause > deadline {
            return find(app, Some(team), &entry.id.to_string()).await;
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

async fn reopen(
    app: &App,
    actor: &str,
    entry: &InboxEntry,
    query: Option<&BTreeMap<String, String>>,
) -> Result<(), AdminError> {
    let stream = stream_of(entry);
    for _ in 0..CONFLICTS_MAX {
        let Some(state) = InboxState::load(app, entry.team, stream).await? else {
            let id = entry.id.to_string();
            return Err(AdminError::NotFound { what: "provider event", id, list: "inbox list" });
        };
        if state.outcome == Outcome::Applied {
            return Err(AdminError::Refused(format!(
                "{} ({}) was applied already; there is nothing to retry",
                entry.provider_event_id, entry.event_type
            )));
        }
        let reopened = ProviderEventReopened { reason: "retried by an admin".to_owned(), query: query.cloned() };
        let event = NewEvent::new(stream, app.clock.now(), reopened);
        if append(app, actor, entry.team, state.version, event).await? {
            return Ok(());
        }
    }
    Err(AdminError::Contended)
}
