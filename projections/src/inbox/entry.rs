//! A provider event as known from its stream.

use std::collections::BTreeMap;

use keyledger_events::event::inbox::{Provider, ProviderEventReceived};
use keyledger_events::{Event, Position, RecordedEvent, TeamId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What became of a provider event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing yet.
    Pending,
    /// It had its effect.
    Applied,
    /// We have no use for it.
    Ignored,
    /// We cannot honour it, or not all of it.
    Rejected,
}

impl Outcome {
    /// The word used on the wire and in the view.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Applied => "applied",
            Self::Ignored => "ignored",
            Self::Rejected => "rejected",
        }
    }
}

/// A provider event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxEntry {
    /// The id of its stream.
    pub id: Uuid,
    /// Whose it is.
    pub team: TeamId,
    /// Who sent it.
    pub provider: Provider,
    /// The provider's id of it.
    pub provider_event_id: String,
    /// The provider's name for what happened.
    pub event_type: String,
    /// Whether real money moved, where the provider tells.
    pub livemode: Option<bool>,
    /// The query of the request's URL, as last mended.
    pub query: BTreeMap<String, String>,
    /// The id of the data key of its body, which is in the ledger only: a body is long, and hardly ever looked at.
    pub body_key: Uuid,
    /// Hex of the SHA-256 of the raw body.
    pub body_sha256: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it was ignored, rejected, put off or reopened; what it did when it was applied.
    pub reason: Option<String>,
    /// What the seller should know although it worked.
    pub warnings: Vec<String>,
    /// Attempts to interpret it since it was received or reopened, with calls outside.
    pub attempts: u32,
    /// When we recorded it.
    pub received_at: Timestamp,
    /// Its place in the ledger.
    pub received_position: Position,
    /// When it was concluded.
    pub concluded_at: Option<Timestamp>,
    /// When it is tried again.
    pub retry_at: Option<Timestamp>,
    /// Until when one node has it.
    pub lease_until: Option<Timestamp>,
    /// The number of events in its stream.
    pub version: i64,
}

impl InboxEntry {
    /// The longest that a provider event waits for its next attempt, in milliseconds.
    pub const WAIT_MS_MAX: u64 = 15 * 60 * 1_000;
    /// The field of ProviderEventReceived that holds the raw body.
    pub const BODY_FIELD: &'static str = "body";

    /// Folds the next event of the stream. Nothing but a ProviderEventReceived begins an entry.
    pub fn evolve(state: Option<Self>, recorded: &RecordedEvent, event: &Event) -> Option<Self> {
        match (state, event) {
            (None, Event::ProviderEventReceived(received)) => Some(Self::received(recorded, received)),
            (None, _) => None,
            (Some(mut entry), event) => {
                entry.apply(recorded, event);
                entry.version = recorded.stream_version;
                Some(entry)
            }
        }
    }

    fn received(recorded: &RecordedEvent, event: &ProviderEventReceived) -> Self {
        Self {
            id: recorded.stream.id,
            team: recorded.team,
            provider: event.provider,
            provider_event_id: event.provider_event_id.clone(),
            event_type: event.event_type.clone(),
            livemode: event.livemode,
            query: event.query.clone(),
            body_key: event.body.key_id(),
            body_sha256: event.body_sha256.clone(),
            outcome: Outcome::Pending,
            reason: None,
            warnings: Vec::new(),
            attempts: 0,
            received_at: recorded.recorded_at,
            received_position: recorded.position,
            concluded_at: None,
            retry_at: None,
            lease_until: None,
            version: recorded.stream_version,
        }
    }

    fn apply(&mut self, recorded: &RecordedEvent, event: &Event) {
        match event {
            Event::ProviderEventAttempted(attempted) => {
                self.attempts = attempted.attempt;
                self.lease_until = Some(attempted.lease_until);
                self.retry_at = None;
            }
            Event::ProviderEventDeferred(deferred) => {
                self.attempts = deferred.attempts;
                self.reason = Some(deferred.reason.clone());
                self.retry_at = Some(deferred.retry_at);
                self.lease_until = None;
            }
            Event::ProviderEventApplied(applied) => {
                self.conclude(recorded, Outcome::Applied, &applied.summary);
                self.warnings.clone_from(&applied.warnings);
            }
            Event::ProviderEventIgnored(ignored) => self.conclude(recorded, Outcome::Ignored, &ignored.reason),
            Event::ProviderEventRejected(rejected) => self.conclude(recorded, Outcome::Rejected, &rejected.reason),
            Event::ProviderEventReopened(reopened) => {
                self.outcome = Outcome::Pending;
                self.reason = Some(reopened.reason.clone());
                self.attempts = 0;
                self.concluded_at = None;
                self.retry_at = None;
                self.lease_until = None;
                if let Some(query) = &reopened.query {
                    self.query.clone_from(query);
                }
            }
            _ => {}
        }
    }

    fn conclude(&mut self, recorded: &RecordedEvent, outcome: Outcome, reason: &str) {
        self.outcome = outcome;
        self.reason = Some(reason.to_owned());
        self.warnings.clear();
        self.concluded_at = Some(recorded.recorded_at);
        self.retry_at = None;
        self.lease_until = None;
    }

    /// From when somebody may work on it; `None` when it is concluded. 0 is at once.
    pub(super) fn ready_at_microseconds(&self) -> Option<i64> {
        (self.outcome == Outcome::Pending)
            .then(|| self.retry_at.max(self.lease_until).map_or(0, Timestamp::as_microsecond))
    }
}
