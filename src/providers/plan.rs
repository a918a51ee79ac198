//! What a provider event leads to, ready to be appended, and how the event is concluded.

use keyledger_events::event::inbox::{ProviderEventApplied, ProviderEventIgnored, ProviderEventRejected};
use keyledger_events::{AppendRequest, Event, Expected, NewEvent, Timestamp};

use super::inbox::Delivery;

/// How a provider event is concluded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conclusion {
    /// It had its effect.
    Applied {
        /// For people.
        summary: String,
        /// What the seller should know although it worked.
        warnings: Vec<String>,
    },
    /// We have no use for it.
    Ignored(String),
    /// We cannot honour it, or not all of it.
    Rejected(String),
}

impl Conclusion {
    fn event(self) -> Event {
        match self {
            Self::Applied { summary, warnings } => ProviderEventApplied { summary, warnings }.into(),
            Self::Ignored(reason) => ProviderEventIgnored { reason }.into(),
            Self::Rejected(reason) => ProviderEventRejected { reason }.into(),
        }
    }
}

/// What a provider event leads to, ready to be appended.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Events, keys, and the versions they rest on, without the conclusion.
    pub request: AppendRequest,
    /// How it is concluded.
    pub conclusion: Conclusion,
}

impl Plan {
    /// A plan without effect.
    pub fn without_effect(delivery: &Delivery, conclusion: Conclusion) -> Self {
        Self { request: AppendRequest::new(delivery.team, delivery.provenance()), conclusion }
    }

    /// Whether it does anything but conclude.
    pub fn has_effect(&self) -> bool {
        !self.request.events.is_empty()
    }

    /// The request that appends it: what must come before, the effect, the conclusion.
    pub fn into_request(self, delivery: &Delivery, before: Vec<NewEvent>, now: Timestamp) -> AppendRequest {
        let mut request = self.request;
        request.expected.push(Expected { stream: delivery.stream, version: delivery.version });
        request.events.splice(0..0, before);
        request.events.push(NewEvent::new(delivery.stream, now, self.conclusion.event()));
        request
    }
}
