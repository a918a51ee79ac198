//! Purchases against licences: each provider event, what came of it, and the licences that it touched.

use keyledger_events::event::inbox::Provider;
use keyledger_events::{Position, StreamKind, TeamId, Timestamp};
use keyledger_projections::{InboxEntry, Outcome, Outcomes, view};
use serde::Serialize;
use std::collections::HashMap;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::admin::AdminError;
use crate::app::App;

/// Provider events of one page at most: each comes with its sealed body.
pub const ROWS_MAX: u32 = 200;
/// Provider events without a conclusion that a summary names.
const PENDING_NAMED_MAX: u32 = 100;

/// A stretch of the ledger: what was recorded in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    after: Position,
    last: Position,
}

impl Period {
    /// What was recorded from `from` on and before `until`, as far as the ledger reaches now.
    ///
    /// # Errors
    /// When the ledger does not answer, or the views do not follow.
    pub async fn find(app: &App, from: Option<Timestamp>, until: Option<Timestamp>) -> Result<Self, AdminError> {
        let head = app.catch_up(&[view::INBOX, view::TIMELINE]).await?;
        let after = match from {
            Some(from) => app.ledger.last_before(from).await?,
            None => Position::START,
        };
        let last = match until {
            Some(until) => app.ledger.last_before(until).await?.min(head),
            None => head,
        };
        Ok(Self { after, last })
    }
}

/// A provider event and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PurchaseReportRow)]
pub struct Row {
    /// Our id of it.
    pub id: Uuid,
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
    /// Hex of the SHA-256 of the body as it was delivered.
    pub body_sha256: String,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
    /// Its place in the ledger.
    #[schema(value_type = i64)]
    pub position: Position,
    /// pending, applied, ignored or rejected.
    #[schema(value_type = String)]
    pub outcome: Outcome,
    /// Why, or what it did.
    pub reason: Option<String>,
    /// What the seller should know although it worked.
    pub warnings: Vec<String>,
    /// Attempts that called the provider.
    pub attempts: u32,
    /// When it was concluded.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub concluded_at: Option<Timestamp>,
    /// The licences that it issued or changed.
    pub license_ids: Vec<Uuid>,
}

impl Row {
    fn new(entry: InboxEntry, license_ids: Vec<Uuid>) -> Self {
        Self {
            id: entry.id,
            provider: entry.provider,
            provider_event_id: entry.provider_event_id,
            event_type: entry.event_type,
            livemode: entry.livemode,
            body_sha256: entry.body_sha256,
            received_at: entry.received_at,
            position: entry.received_position,
            outcome: entry.outcome,
            reason: entry.reason,
            warnings: entry.warnings,
            attempts: entry.attempts,
            concluded_at: entry.concluded_at,
            license_ids,
        }
    }
}

/// How the provider events of a period ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// How many there are.
    pub received: u64,
    /// Of each outcome.
    #[serde(flatten)]
    pub outcomes: Outcomes,
    /// How many have no conclusion: none, unless they came in a moment ago or wait for the provider's answers.
    pub without_conclusion: u64,
    /// The oldest of them, by the provider's ids.
    pub pending_ids: Vec<String>,
}

/// Summarises a period of a team.
///
/// # Errors
/// When the views do not answer.
pub async fn summary(app: &App, team: TeamId, period: Period) -> Result<Summary, AdminError> {
    let views = app.views.team(team);
    let outcomes = views.outcomes_between(period.after, period.last).await?;
    let pending = match outcomes.pending {
        0 => Vec::new(),
        _ => views.inbox_between(period.after, period.last, Some(Outcome::Pending), PENDING_NAMED_MAX).await?,
    };
    let pending_ids = pending.into_iter().map(|entry| entry.provider_event_id).collect();
    Ok(Summary { received: outcomes.total(), outcomes, without_conclusion: outcomes.pending, pending_ids })
}

/// Provider events of a period, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// What came in.
    pub rows: Vec<Row>,
    /// The position after which the next page begins; `None` when this is the last one.
    pub next_after: Option<Position>,
}

/// The provider events of a period behind `after`, at most `limit` (at most [`ROWS_MAX`]), with an outcome or with any.
///
/// # Errors
/// When the views do not answer.
pub async fn page(
    app: &App,
    team: TeamId,
    period: Period,
    outcome: Option<Outcome>,
    after: Position,
    limit: u32,
) -> Result<Page, AdminError> {
    let (views, limit) = (app.views.team(team), limit.clamp(1, ROWS_MAX));
    let mut entries = views.inbox_between(period.after.max(after), period.last, outcome, limit + 1).await?;
    let more = entries.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    entries.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let ids: Vec<Uuid> = entries.iter().map(|entry| entry.id).collect();
    let mut licenses: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
    for (cause, stream) in views.effects_of(&ids).await? {
        if stream.kind == StreamKind::License {
            licenses.entry(cause).or_default().push(stream.id);
        }
    }
    let row = |entry: InboxEntry| {
        let touched = licenses.remove(&entry.id).unwrap_or_default();
        Row::new(entry, touched)
    };
    let next_after = entries.last().filter(|_| more).map(|entry| entry.received_position);
    Ok(Page { rows: entries.into_iter().map(row).collect(), next_after })
}

/// The columns of [`Row::cells`].
pub const COLUMNS: [&str; 13] = [
    "receivedAt",
    "position",
    "provider",
    "providerEventId",
    "type",
    "livemode",
    "outcome",
    "reason",
    "warnings",
    "attempts",
    "concludedAt",
    "licenseIds",
    "bodySha256",
];

impl Row {
    /// The row for a spreadsheet.
    pub fn cells(&self) -> [String; 13] {
        let ids: Vec<String> = self.license_ids.iter().map(Uuid::to_string).collect();
        [
            self.received_at.to_string(),
            self.position.to_string(),
            self.provider.to_string(),
            self.provider_event_id.clone(),
            self.event_type.clone(),
            self.livemode.map(|live| live.to_string()).unwrap_or_default(),
            self.outcome.as_str().to_owned(),
            self.reason.clone().unwrap_or_default(),
            self.warnings.join("; "),
            self.attempts.to_string(),
            self.concluded_at.map(|at| at.to_string()).unwrap_or_default(),
            ids.join(" "),
            self.body_sha256.clone(),
        ]
    }
}
