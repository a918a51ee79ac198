//! Interpreting provider events afresh, after the cause was mended.

use std::collections::BTreeMap;
use std::time::Duration;

use keyledger_events::event::inbox::ProviderEventReopened;
use keyledger_events::{NewEvent, TeamId};
use keyledger_projections::{InboxEntry, InboxFilter, Outcome, Page, view};
use serde::Serialize;
use utoipa::ToSchema;

use super::find;
use crate::admin::{AdminError, CONFLICTS_MAX, append};
use crate::app::App;
use crate::providers::inbox::{InboxState, stream_of};
use crate::providers::interpreter;

/// How long a retry waits for what it cannot have at once, Stripe's answers as a rule.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(20);
/// The first pause between two attempts; it doubles each time.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Deliveries reopened in one go at most.
pub const REOPENED_MAX: u32 = 1_000;

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
    tracing::info!(actor, team = %entry.team, delivery = %entry.id, "a delivery is retried");
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

/// What came of reopening many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reopened {
    /// So many were reopened.
    pub reopened: u32,
    /// Whether there were more than [`REOPENED_MAX`]: ask again.
    pub more: bool,
}

/// Reopens the rejected provider events of a team that `filter` takes, the oldest first, and leaves it to the
/// server's interpreter to conclude them.
///
/// # Errors
/// When something inside does not answer; what was reopened by then stays so.
pub async fn reopen_all(app: &App, actor: &str, team: TeamId, filter: InboxFilter) -> Result<Reopened, AdminError> {
    app.catch_up(&[view::INBOX]).await?;
    let filter = InboxFilter { outcomes: vec![Outcome::Rejected], ..filter };
    let page = Page { before: None, limit: Some(REOPENED_MAX + 1) };
    let mut found = app.views.team(team).search_inbox(&filter, page).await?;
    let limit = usize::try_from(REOPENED_MAX).unwrap_or(usize::MAX);
    let more = found.len() > limit;
    found.truncate(limit);
    let mut reopened = 0;
    for entry in found.iter().rev() {
        match reopen(app, actor, entry, None).await {
            Ok(()) => reopened += 1,
            // Its provider has delivered it again meanwhile, and it was applied.
            Err(AdminError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
    }
    tracing::info!(actor, %team, reopened, "rejected deliveries were reopened");
    Ok(Reopened { reopened, more })
}
