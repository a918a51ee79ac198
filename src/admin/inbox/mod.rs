//! Provider events: listed with what became of them, shown with their history, interpreted again after their cause
//! was mended, ignored, and rehearsed.

mod dry_run;
mod ignore;
mod retry;
mod show;

use std::collections::BTreeMap;

use keyledger_events::event::inbox::Provider;
use keyledger_events::{TeamId, Timestamp};
use keyledger_projections::{InboxEntry, InboxFilter, Outcome, Page, QueryError, TeamViews, view};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

pub use dry_run::{RehearsalJson, RehearsedEvent, dry_run};
pub use ignore::ignore;
pub use retry::{REOPENED_MAX, Reopened, reopen_all, retry};
pub use show::{InboxDetails, PayloadJson, details, payload};

use super::{AdminError, Listing, teams};
use crate::app::App;

/// A provider event as scripts and programs see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InboxJson {
    /// The id that a retry takes.
    pub id: Uuid,
    /// Whose it is.
    #[schema(value_type = Uuid)]
    pub team_id: TeamId,
    /// Who sent it.
    #[schema(value_type = String)]
    pub provider: Provider,
    /// The provider's id of it.
    pub provider_event_id: String,
    /// The provider's name for what happened.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Whether real money moved, where the provider tells.
    pub livemode: Option<bool>,
    /// What became of it: pending, applied, ignored or rejected.
    #[schema(value_type = String)]
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
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
    /// When it was concluded.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub concluded_at: Option<Timestamp>,
    /// When it is tried again.
    #[schema(value_type = Option<String>, format = DateTime)]
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

/// The provider events that are wanted, of one team or of all, newest first.
///
/// # Errors
/// When there is no such team.
pub async fn list(
    app: &App,
    team: Option<TeamId>,
    filter: InboxFilter,
    limit: Option<u32>,
) -> Result<Listing<InboxEntry, impl AsyncFn(TeamId, Page) -> Result<Vec<InboxEntry>, QueryError>>, AdminError> {
    let teams = teams::ids(app, team).await?;
    app.catch_up(&[view::INBOX]).await?;
    let views = app.views.clone();
    let fetch = async move |team, page| views.team(team).search_inbox(&filter, page).await;
    Ok(Listing::new(teams, limit, |entry: &InboxEntry| entry.received_position, fetch))
}

/// A page of the provider events of a team that are wanted, newest first.
///
/// # Errors
/// When the views do not answer.
pub async fn page(app: &App, team: TeamId, filter: &InboxFilter, page: Page) -> Result<Vec<InboxEntry>, AdminError> {
    app.catch_up(&[view::INBOX]).await?;
    Ok(app.views.team(team).search_inbox(filter, page).await?)
}

/// A provider event by our id or the provider's, of one team or of any. A provider tells the same event to several teams
/// where their endpoints are in one account of it: then the team must be named.
///
/// # Errors
/// When there is none, or several teams have it.
pub async fn find(app: &App, team: Option<TeamId>, id: &str) -> Result<InboxEntry, AdminError> {
    let teams = teams::ids(app, team).await?;
    app.catch_up(&[view::INBOX]).await?;
    let mut found: Option<InboxEntry> = None;
    for team in teams {
        let Some(entry) = find_in(&app.views.team(team), id).await? else { continue };
        if let Some(InboxEntry { team: other, .. }) = found {
            let message = format!("the teams {other} and {team} both have {id}: say which with --team");
            return Err(AdminError::Invalid(message));
        }
        found = Some(entry);
    }
    found.ok_or_else(|| AdminError::NotFound { what: "provider event", id: id.to_owned(), list: "inbox list" })
}

async fn find_in(views: &TeamViews<'_>, id: &str) -> Result<Option<InboxEntry>, QueryError> {
    if let Ok(id) = Uuid::parse_str(id)
        && let Some(entry) = views.inbox_entry(id).await?
    {
        return Ok(Some(entry));
    }
    for provider in [Provider::Stripe, Provider::Polymart] {
        if let Some(entry) = views.inbox_by_provider_event(provider, id).await? {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}
