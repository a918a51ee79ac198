//! A mail as known from its stream.

use keyledger_events::event::delivery::{MailContent, MailRequested};
use keyledger_events::{Event, Position, RecordedEvent, StreamId, TeamId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::due::is_due;
use crate::sealed_field::SealedField;

/// How far a mail is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Not tried, or being tried.
    Pending,
    /// The mail server accepted it.
    Sent,
    /// Tried in vain; it waits for its next attempt.
    Failed,
    /// It will not be tried again.
    Abandoned,
}

impl DeliveryState {
    /// The word used on the wire and in the view.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

/// A mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The id of its stream.
    pub id: Uuid,
    /// Whose it is.
    pub team: TeamId,
    /// What was bought, or what else it is about.
    pub purchase: StreamId,
    /// Who bought it, the address being sealed with their key; the team's id where the seller gets it.
    pub customer_id: Uuid,
    /// The address; the field is [`Delivery::TO_FIELD`].
    pub to: SealedField,
    /// What it says.
    pub content: MailContent,
    /// The licences that it is about, in order.
    pub license_ids: Vec<Uuid>,
    /// The Message-ID, the same on every attempt.
    pub message_id: String,
    /// How far it is.
    pub state: DeliveryState,
    /// What the last attempt failed of, or why it was abandoned.
    pub reason: Option<String>,
    /// Attempts so far.
    pub attempts: u32,
    /// When it was requested.
    pub requested_at: Timestamp,
    /// The place of the request in the ledger.
    pub requested_position: Position,
    /// When the mail server accepted it.
    pub sent_at: Option<Timestamp>,
    /// When it is tried again.
    pub retry_at: Option<Timestamp>,
    /// Until when one node has it.
    pub lease_until: Option<Timestamp>,
    /// The number of events in its stream.
    pub version: i64,
}

impl Delivery {
    /// The longest that a mail waits for its next attempt, in milliseconds.
    pub const WAIT_MS_MAX: u64 = 6 * 3_600 * 1_000;
    /// The field of MailRequested that holds the address.
    pub const TO_FIELD: &'static str = "to";

    /// Folds the next event of the stream. Nothing but a MailRequested begins a mail.
    pub fn evolve(state: Option<Self>, recorded: &RecordedEvent, event: &Event) -> Option<Self> {
        match (state, event) {
            (None, Event::MailRequested(requested)) => Some(Self::requested(recorded, requested)),
            (None, _) => None,
            (Some(mut delivery), event) => {
                delivery.apply(recorded, event);
                delivery.version = recorded.stream_version;
                Some(delivery)
            }
        }
    }

    fn requested(recorded: &RecordedEvent, event: &MailRequested) -> Self {
        Self {
            id: recorded.stream.id,
            team: recorded.team,
            purchase: event.purchase,
            customer_id: event.customer_id,
            to: SealedField::new(&event.to, recorded.event_id),
            content: event.content.clone(),
            license_ids: event.license_ids.clone(),
            message_id: event.message_id.clone(),
            state: DeliveryState::Pending,
            reason: None,
            attempts: 0,
            requested_at: recorded.recorded_at,
            requested_position: recorded.position,
            sent_at: None,
            retry_at: None,
            lease_until: None,
            version: recorded.stream_version,
        }
    }

    fn apply(&mut self, recorded: &RecordedEvent, event: &Event) {
        match event {
            Event::MailAttemptStarted(started) => {
                self.state = DeliveryState::Pending;
                self.attempts = started.attempt;
                self.retry_at = None;
                self.lease_until = Some(started.lease_until);
            }
            Event::MailSent(sent) => {
                self.attempts = sent.attempts;
                self.sent_at = Some(recorded.recorded_at);
                self.leave_off(DeliveryState::Sent, None);
            }
            Event::MailFailed(failed) => {
                self.attempts = failed.attempts;
                self.leave_off(DeliveryState::Failed, Some(failed.reason.clone()));
                self.retry_at = Some(failed.retry_at);
            }
            Event::MailAbandoned(abandoned) => self.leave_off(DeliveryState::Abandoned, Some(abandoned.reason.clone())),
            _ => {}
        }
    }

    fn leave_off(&mut self, state: DeliveryState, reason: Option<String>) {
        self.state = state;
        self.reason = reason;
        self.retry_at = None;
        self.lease_until = None;
    }

    /// Whether it is somebody's turn at `now`.
    pub fn is_ready(&self, now: Timestamp) -> bool {
        let is_due = |at| is_due(at, now, Self::WAIT_MS_MAX);
        self.is_open() && self.retry_at.max(self.lease_until).is_none_or(is_due)
    }

    fn is_open(&self) -> bool {
        matches!(self.state, DeliveryState::Pending | DeliveryState::Failed)
    }

    /// From when somebody may send it; `None` when that is over. 0 is at once.
    pub(super) fn ready_at_microseconds(&self) -> Option<i64> {
        self.is_open().then(|| self.retry_at.max(self.lease_until).map_or(0, Timestamp::as_microsecond))
    }
}
