//! One provider event: its stream folded, and the delivery that it came with.

use std::collections::BTreeMap;

use keyledger_events::event::DecodeError;
use keyledger_events::event::inbox::{Provider, ProviderEventReceived};
use keyledger_events::{Event, LedgerError, Position, Provenance, Sealed, StreamId, StreamKind, TeamId, Timestamp, id};
use keyledger_projections::{InboxEntry, Outcome};
use uuid::Uuid;

use crate::app::App;

/// The stream of a provider event; its id is also that of the event that records the delivery.
pub fn stream(team: TeamId, provider: Provider, provider_event_id: &str) -> StreamId {
    StreamId::new(StreamKind::Inbox, id::derived(team, &[provider.as_str(), provider_event_id]))
}

/// A provider event as its own stream tells it, never older than the ledger.
#[derive(Debug, Clone)]
pub struct InboxState {
    /// What arrived.
    pub received: ProviderEventReceived,
    /// The event that recorded it.
    pub received_event: Uuid,
    /// When it was recorded.
    pub received_at: Timestamp,
    /// Its place in the ledger; `None` while it is not recorded.
    pub position: Option<Position>,
    /// The query in force.
    pub query: BTreeMap<String, String>,
    /// Where it stands.
    pub outcome: Outcome,
    /// Why it was rejected or ignored.
    pub reason: Option<String>,
    /// Whether it had been concluded before, and is to be judged afresh.
    pub reopened: bool,
    /// Attempts so far.
    pub attempts: u32,
    /// Nobody else may try before.
    pub lease_until: Option<Timestamp>,
    /// The number of events in the stream.
    pub version: i64,
}

impl InboxState {
    /// Reads a provider event's stream; `None` when nothing was received.
    ///
    /// # Errors
    /// When the ledger does not answer or holds what we cannot read.
    pub async fn load(app: &App, team: TeamId, stream: StreamId) -> Result<Option<Self>, LoadError> {
        let mut state = None;
        for recorded in app.ledger.read_streams(team, &[stream]).await? {
            let event = recorded.decode()?;
            match (&mut state, event) {
                (None, Event::ProviderEventReceived(received)) => {
                    state = Some(Self {
                        query: received.query.clone(),
                        received,
                        received_event: recorded.event_id,
                        received_at: recorded.recorded_at,
                        position: Some(recorded.position),
                        outcome: Outcome::Pending,
                        reason: None,
                        reopened: false,
                        attempts: 0,
                        lease_until: None,
                        version: recorded.stream_version,
                    });
                }
                (None, _) => {}
                (Some(state), event) => state.apply(event, recorded.stream_version),
            }
        }
        Ok(state)
    }

    fn apply(&mut self, event: Event, version: i64) {
        self.version = version;
        match event {
            Event::ProviderEventAttempted(attempted) => {
                self.attempts = attempted.attempt;
                self.lease_until = Some(attempted.lease_until);
            }
            Event::ProviderEventDeferred(deferred) => {
                self.attempts = self.attempts.max(deferred.attempts);
                self.lease_until = None;
            }
            Event::ProviderEventApplied(_) => self.conclude(Outcome::Applied, None),
            Event::ProviderEventIgnored(ignored) => self.conclude(Outcome::Ignored, Some(ignored.reason)),
            Event::ProviderEventRejected(rejected) => self.conclude(Outcome::Rejected, Some(rejected.reason)),
            Event::ProviderEventReopened(reopened) => {
                self.conclude(Outcome::Pending, None);
                self.reopened = true;
                if let Some(query) = reopened.query {
                    self.query = query;
                }
            }
            _ => {}
        }
    }

    fn conclude(&mut self, outcome: Outcome, reason: Option<String>) {
        self.outcome = outcome;
        self.reason = reason;
        self.lease_until = None;
    }
}

/// Why a provider event cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The ledger does not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The ledger holds what we cannot read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// A provider event to interpret: what is known of it besides its body.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Whose.
    pub team: TeamId,
    /// From whom.
    pub provider: Provider,
    /// Its inbox stream.
    pub stream: StreamId,
    /// The stream's version that a conclusion rests on; 0 while it is not recorded yet.
    pub version: i64,
    /// The event that records (or will record) it.
    pub received_event: Uuid,
    /// Its place in the ledger; `None` while it is not recorded.
    pub position: Option<Position>,
    /// Whether real money moved.
    pub livemode: Option<bool>,
    /// When it happened, as the provider says; when it was recorded, where the provider does not.
    pub occurred_at: Timestamp,
    /// The query in force.
    pub query: BTreeMap<String, String>,
    /// The raw body, sealed.
    pub body: Sealed,
}

impl Delivery {
    /// The delivery behind a recorded provider event.
    pub fn of(team: TeamId, stream: StreamId, state: &InboxState, occurred_at: Option<Timestamp>) -> Self {
        Self {
            team,
            provider: state.received.provider,
            stream,
            version: state.version,
            received_event: state.received_event,
            position: state.position,
            livemode: state.received.livemode,
            occurred_at: occurred_at.unwrap_or(state.received_at),
            query: state.query.clone(),
            body: state.received.body.clone(),
        }
    }

    /// Everything that follows is caused by this delivery.
    pub fn provenance(&self) -> Provenance {
        Provenance::caused_by(self.provider.as_str(), self.received_event)
    }
}

/// The stream of a row of the inbox view.
pub fn stream_of(entry: &InboxEntry) -> StreamId {
    StreamId::new(StreamKind::Inbox, entry.id)
}
