//! A hook: what it tells of, and how far it is.

use keyledger_events::event::webhook::HookTestRequested;
use keyledger_events::{Event, Position, RecordedEvent, Sealed, StreamId, TeamId, Timestamp, id};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::kind;
use crate::due::is_due;
use crate::sealed_field::SealedField;

/// How far a hook is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookState {
    /// Not tried, or being tried.
    Pending,
    /// The endpoint took it.
    Delivered,
    /// Tried in vain; it waits for its next attempt.
    Failed,
    /// It will not be tried again by itself.
    Abandoned,
}

impl HookState {
    /// The word used on the wire and in the view.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

/// The event that a hook tells of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookSource {
    /// Its id.
    pub event_id: Uuid,
    /// Its place in the ledger; receivers order by it.
    pub position: Position,
    /// Its stream.
    pub stream: StreamId,
    /// Its place in the stream.
    pub stream_version: i64,
}

/// A hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Its id, which is the `webhook-id` of every attempt, and that of its stream.
    pub id: Uuid,
    /// Whose it is.
    pub team: TeamId,
    /// Where it goes.
    pub endpoint_id: Uuid,
    /// Its type.
    pub kind: String,
    /// What it tells of.
    pub source: HookSource,
    /// How far it is.
    pub state: HookState,
    /// What the last attempt failed of, or why it was abandoned.
    pub reason: Option<String>,
    /// The status that was last answered.
    pub status: Option<u16>,
    /// The beginning of what was last answered in refusal; the field is [`Hook::RESPONSE_FIELD`].
    pub response: Option<SealedField>,
    /// Attempts since it was last asked for.
    pub attempts: u32,
    /// When what it tells of was recorded, or when somebody asked for it again.
    pub requested_at: Timestamp,
    /// When the endpoint took it.
    pub delivered_at: Option<Timestamp>,
    /// When it is tried again.
    pub retry_at: Option<Timestamp>,
    /// Until when one node has it.
    pub lease_until: Option<Timestamp>,
    /// The number of events in its stream; 0 before its first attempt.
    pub version: i64,
}

/// The id of the hook by which an endpoint hears of an event: the same on every node and at every attempt.
pub fn hook_id(team: TeamId, endpoint_id: Uuid, event_id: Uuid) -> Uuid {
    id::derived(team, &["hook", &endpoint_id.to_string(), &event_id.to_string()])
}

impl Hook {
    /// The longest that a hook waits for its next attempt, in milliseconds.
    pub const WAIT_MS_MAX: u64 = 8 * 3_600 * 1_000;
    /// The field that holds what was answered.
    pub const RESPONSE_FIELD: &'static str = "response";

    /// The hook that an endpoint is owed because of an event.
    pub fn owed(endpoint_id: Uuid, recorded: &RecordedEvent, kind: &str) -> Self {
        Self {
            id: hook_id(recorded.team, endpoint_id, recorded.event_id),
            team: recorded.team,
            endpoint_id,
            kind: kind.to_owned(),
            source: HookSource {
                event_id: recorded.event_id,
                position: recorded.position,
                stream: recorded.stream,
                stream_version: recorded.stream_version,
            },
            state: HookState::Pending,
            reason: None,
            status: None,
            response: None,
            attempts: 0,
            requested_at: recorded.recorded_at,
            delivered_at: None,
            retry_at: None,
            lease_until: None,
            version: 0,
        }
    }

    /// Folds the next event of its stream.
    pub fn evolve(state: Option<Self>, recorded: &RecordedEvent, event: &Event) -> Option<Self> {
        let mut hook = match (state, event) {
            (None, Event::HookTestRequested(asked)) => Self::test(recorded, asked),
            (None, _) => return None,
            (Some(hook), _) => hook,
        };
        match event {
            Event::HookRedeliveryRequested(_) => {
                hook.leave_off(HookState::Pending, None, None);
                hook.attempts = 0;
                hook.requested_at = recorded.recorded_at;
            }
            Event::HookAttemptStarted(started) => {
                hook.state = HookState::Pending;
                hook.attempts = started.attempt;
                hook.retry_at = None;
                hook.lease_until = Some(started.lease_until);
            }
            Event::HookDelivered(delivered) => {
                hook.leave_off(HookState::Delivered, Some(delivered.status), None);
                hook.attempts = delivered.attempts;
                hook.delivered_at = Some(recorded.recorded_at);
            }
            Event::HookFailed(failed) => {
                hook.leave_off(HookState::Failed, failed.status, Some(failed.reason.clone()));
                hook.attempts = failed.attempts;
                hook.retry_at = Some(failed.retry_at);
                hook.response = response(recorded, failed.response.as_ref());
            }
            Event::HookAbandoned(abandoned) => {
                hook.leave_off(HookState::Abandoned, abandoned.status, Some(abandoned.reason.clone()));
                hook.attempts = abandoned.attempts;
                hook.response = response(recorded, abandoned.response.as_ref());
            }
            _ => {}
        }
        hook.version = recorded.stream_version;
        Some(hook)
    }

    /// A test tells of nothing but that it was asked for; its own id tells it apart.
    fn test(recorded: &RecordedEvent, asked: &HookTestRequested) -> Self {
        Self { id: recorded.stream.id, ..Self::owed(asked.endpoint_id, recorded, kind::TEST) }
    }

    fn leave_off(&mut self, state: HookState, status: Option<u16>, reason: Option<String>) {
        self.state = state;
        self.status = status;
        self.reason = reason;
        self.response = None;
        self.retry_at = None;
        self.lease_until = None;
    }

    /// Whether it is somebody's turn at `now`.
    pub fn is_ready(&self, now: Timestamp) -> bool {
        let is_due = |at| is_due(at, now, Self::WAIT_MS_MAX);
        self.is_open() && self.retry_at.max(self.lease_until).is_none_or(is_due)
    }

    fn is_open(&self) -> bool {
        matches!(self.state, HookState::Pending | HookState::Failed)
    }

    /// From when somebody may send it; `None` when that is over. 0 is at once.
    pub(super) fn ready_at_microseconds(&self) -> Option<i64> {
        self.is_open().then(|| self.retry_at.max(self.lease_until).map_or(0, Timestamp::as_microsecond))
    }
}

fn response(recorded: &RecordedEvent, sealed: Option<&Sealed>) -> Option<SealedField> {
    sealed.map(|sealed| SealedField::new(sealed, recorded.event_id))
}
