//! A delivery before it is recorded: what its envelope tells, and by which door it comes in.

use std::collections::BTreeMap;

use keyledger_events::event::inbox::{Provider, ProviderEventReceived};
use keyledger_events::keys::{KeyLink, WrappedKey};
use keyledger_events::sealed::SealContext;
use keyledger_events::{AppendRequest, NewEvent, StreamId, Timestamp, id};
use keyledger_projections::{InboxEntry, Outcome};
use sha2::{Digest as _, Sha256};

use super::inbox::{Delivery, InboxState, stream};
use super::intake::Intake;
use super::named::named;
use super::{mac, polymart, stripe};
use crate::app::App;
use crate::directory::Team;

/// The type of a delivery that does not say what happened.
const UNREADABLE: &str = "unreadable";

/// How a delivery came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door<'a> {
    /// The provider posted it.
    Delivered,
    /// Somebody, an admin as a rule, had the provider's API asked for what was not delivered.
    Reconciled {
        /// Who.
        actor: &'a str,
    },
}

impl Door<'_> {
    /// Writes down who brought it, where that was not the provider: `reconcile:cli`.
    pub(super) fn sign(self, request: &mut AppendRequest) {
        if let Self::Reconciled { actor } = self {
            request.provenance.actor = format!("reconcile:{actor}");
        }
    }

    /// Why a rejected delivery is judged afresh.
    pub(super) fn again(self, provider: Provider) -> String {
        match self {
            Self::Delivered => format!("delivered again by {provider}"),
            Self::Reconciled { .. } => format!("found again among what {provider} could not deliver"),
        }
    }
}

/// What is known of a delivery before it is recorded.
#[derive(Debug)]
pub(super) struct Incoming<'a> {
    pub(super) team: &'a Team,
    pub(super) provider: Provider,
    pub(super) door: Door<'a>,
    pub(super) provider_event_id: String,
    pub(super) event_type: String,
    pub(super) livemode: Option<bool>,
    pub(super) occurred_at: Option<Timestamp>,
    pub(super) query: BTreeMap<String, String>,
    pub(super) body: &'a [u8],
}

/// A delivery that is ready to be recorded.
pub(super) struct Recording {
    pub(super) delivery: Delivery,
    pub(super) received: NewEvent,
    pub(super) key: WrappedKey,
    /// The key goes when somebody whom the delivery names is forgotten.
    pub(super) links: Vec<KeyLink>,
}

/// Why deliveries are rejected while a provider's connection is off.
pub(super) fn switched_off(provider: Provider) -> String {
    format!("the {provider} integration is switched off")
}

impl<'a> Incoming<'a> {
    /// Reads the envelope. Of a body that cannot be read only its hash is known; why it cannot, comes with it.
    pub(super) fn read(
        team: &'a Team,
        provider: Provider,
        door: Door<'a>,
        query: BTreeMap<String, String>,
        body: &'a [u8],
    ) -> (Self, Option<String>) {
        let mut incoming = Self {
            team,
            provider,
            door,
            provider_event_id: String::new(),
            event_type: UNREADABLE.to_owned(),
            livemode: None,
            occurred_at: None,
            query,
            body,
        };
        match incoming.read_envelope() {
            Ok(()) => (incoming, None),
            Err(reason) => {
                incoming.provider_event_id = mac::body_id(body);
                (incoming, Some(reason))
            }
        }
    }

    fn read_envelope(&mut self) -> Result<(), String> {
        match self.provider {
            Provider::Stripe => {
                let envelope = stripe::payload::parse_envelope(self.body).map_err(|error| error.to_string())?;
                self.provider_event_id = envelope.id;
                self.event_type = envelope.event_type;
                self.livemode = envelope.livemode;
                self.occurred_at = envelope.created;
            }
            Provider::Polymart => {
                let envelope = polymart::payload::parse_envelope(self.body).map_err(|error| error.to_string())?;
                self.provider_event_id = envelope.delivery_id;
                self.event_type = envelope.event;
                self.occurred_at = envelope.time;
            }
        }
        Ok(())
    }

    /// Its inbox stream.
    pub(super) fn stream(&self) -> StreamId {
        stream(self.team.config.id, self.provider, &self.provider_event_id)
    }

    /// Why it is ignored the moment it arrives, where its type alone says so.
    pub(super) fn useless(&self) -> Option<String> {
        let stripe = self.provider == Provider::Stripe;
        let handled = !stripe || stripe::interpret::HANDLED.contains(&self.event_type.as_str());
        (!handled).then(|| format!("we have no use for `{}`", self.event_type))
    }

    /// Why it is rejected while the connection is off.
    pub(super) fn is_switched_off(&self) -> String {
        switched_off(self.provider)
    }

    /// Seals the body under a key of its own. The event's id is derived from the provider's, so the same
    /// delivery again is `AlreadyApplied`.
    pub(super) fn recording(&self, app: &App) -> Recording {
        let (received, key) = self.sealed(app);
        let (stream, occurred_at) = (self.stream(), self.occurred_at.unwrap_or_else(|| app.clock.now()));
        let delivery = Delivery {
            team: self.team.config.id,
            provider: self.provider,
            stream,
            version: 0,
            received_event: stream.id,
            position: None,
            livemode: self.livemode,
            occurred_at,
            query: self.query.clone(),
            body: received.body.clone(),
        };
        let link = |customer_id| KeyLink { key_id: key.id, customer_id };
        let links = named(&app.keys, delivery.team, self.body).into_iter().map(link).collect();
        Recording { delivery, received: self.event(received, occurred_at), key, links }
    }

    /// What would be recorded, and the key that the body is sealed with, which is stored nowhere yet.
    pub(super) fn sealed(&self, app: &App) -> (ProviderEventReceived, WrappedKey) {
        let (key, wrapped) = app.keys.generate(id::fresh());
        let (team, event_id) = (self.team.config.id, self.stream().id);
        let received = ProviderEventReceived {
            provider: self.provider,
            provider_event_id: self.provider_event_id.clone(),
            event_type: self.event_type.clone(),
            livemode: self.livemode,
            query: self.query.clone(),
            body_sha256: hex::encode(Sha256::digest(self.body)),
            body: key.seal(SealContext { team, event_id, field: InboxEntry::BODY_FIELD }, self.body),
        };
        (received, wrapped)
    }

    /// The event that records it.
    pub(super) fn event(&self, received: ProviderEventReceived, occurred_at: Timestamp) -> NewEvent {
        let stream = self.stream();
        NewEvent { stream, event_id: stream.id, occurred_at, event: received.into() }
    }

    /// How it would stand in the ledger at `now`, had it been recorded.
    pub(super) fn state(&self, received: ProviderEventReceived, now: Timestamp) -> InboxState {
        InboxState {
            query: self.query.clone(),
            received,
            received_event: self.stream().id,
            received_at: now,
            position: None,
            outcome: Outcome::Pending,
            reason: None,
            reopened: false,
            attempts: 0,
            lease_until: None,
            version: 0,
        }
    }

    /// That it is in the ledger.
    pub(super) fn received(&self, duplicate: bool) -> Intake {
        Intake::Received { event_id: self.provider_event_id.clone(), duplicate }
    }
}
