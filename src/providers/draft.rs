//! A draft of what a provider event leads to: facts learnt, licences issued and changed, money linked, a mail
//! requested, the event concluded. One append, all or nothing, resting on the versions that were read.

use std::collections::{BTreeSet, HashMap};

use keyledger_events::event::customer::CustomerRegistered;
use keyledger_events::event::delivery::{MailContent, MailRequested};
use keyledger_events::event::inbox::Provider;
use keyledger_events::event::license::LicenseIssued;
use keyledger_events::keys::{KeyLink, KeyRingError};
use keyledger_events::sealed::{DataKey, SealContext};
use keyledger_events::{
    AppendRequest, Event, Expected, LedgerError, NewEvent, Provenance, RecordedEvent, StreamId, StreamKind, id,
};
use keyledger_projections::licenses::License;
use keyledger_projections::{Customer, view};
use uuid::Uuid;

use super::inbox::Delivery;
use super::payments::LoadedPayments;
use super::person::Person;
use super::plan::{Conclusion, Plan};
use crate::app::App;
use crate::directory::{DirectoryError, Team};
use crate::keys;
use crate::licensing::consequences::Consequence;
use crate::licensing::desired::{Desired, Rules, desired};
use crate::licensing::learn::learn;
use crate::licensing::payment::{self, Payments};
use crate::licensing::purchase::Purchase;
use crate::mail::MESSAGE_ID_DOMAIN;
use crate::opened;

/// Why a draft cannot be made now.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// The ledger does not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A stored event cannot be read.
    #[error(transparent)]
    Decode(#[from] keyledger_events::event::DecodeError),
    /// A key cannot be had.
    #[error(transparent)]
    Keys(#[from] KeyRingError),
    /// The team cannot be read.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The views are not up to date.
    #[error(transparent)]
    Fresh(#[from] crate::app::FreshError),
    /// The buyer was forgotten after the delivery had been recorded: what it tells of them must not come back.
    #[error("its buyer was forgotten after it had come")]
    Forgotten,
}

/// A draft about one purchase.
pub struct Draft<'a> {
    app: &'a App,
    team: &'a Team,
    delivery: &'a Delivery,
    stream: StreamId,
    /// The purchase as it stands with what the draft has learnt.
    pub purchase: Purchase,
    payments: Payments,
    licenses: HashMap<Uuid, License>,
    request: AppendRequest,
    issued: Vec<Uuid>,
    changed: usize,
    learnt: usize,
}

impl<'a> Draft<'a> {
    /// Begins with the purchase as the ledger has it.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn begin(
        app: &'a App,
        team: &'a Team,
        delivery: &'a Delivery,
        stream: StreamId,
    ) -> Result<Self, DraftError> {
        let mut draft = Self {
            app,
            team,
            delivery,
            stream,
            purchase: Purchase::default(),
            payments: Payments::default(),
            licenses: HashMap::new(),
            request: AppendRequest::new(delivery.team, delivery.provenance()),
            issued: Vec::new(),
            changed: 0,
            learnt: 0,
        };
        for recorded in app.ledger.read_streams(delivery.team, &[stream]).await? {
            draft.purchase.evolve(&recorded.decode()?);
        }
        draft.request = draft.request.expect(stream, draft.purchase.version);
        draft.load_licenses().await?;
        Ok(draft)
    }

    fn rules(&self) -> Rules {
        Rules { team: self.delivery.team, grace_seconds: self.team.config.renewal_grace_seconds }
    }

    /// Licences that the facts known so far call for, and those that were taken over. Others that only the next fact
    /// will call for cannot exist yet: their ids are issued together with the fact.
    async fn load_licenses(&mut self) -> Result<(), DraftError> {
        let called_for = desired(&self.purchase, self.rules()).into_iter().map(|desired| desired.license_id);
        let ids: BTreeSet<_> = called_for.chain(self.purchase.adopted.iter().copied()).collect();
        let streams: Vec<_> = ids.into_iter().map(|id| StreamId::new(StreamKind::License, id)).collect();
        if streams.is_empty() {
            return Ok(());
        }
        for recorded in self.app.ledger.read_streams(self.delivery.team, &streams).await? {
            let state = self.licenses.remove(&recorded.stream.id);
            if let Some(license) = License::evolve(state, &recorded, &recorded.decode()?) {
                self.licenses.insert(license.id, license);
            }
        }
        Ok(())
    }

    /// Takes in a fact with its consequences. A fact that is known already has none.
    ///
    /// # Errors
    /// When a key cannot be had.
    pub async fn learn(&mut self, fact: Event) -> Result<(), DraftError> {
        let Some(lesson) = learn(&self.purchase, &self.licenses, self.rules(), fact) else { return Ok(()) };
        self.purchase.evolve(&lesson.fact);
        self.learnt += 1;
        self.push(NewEvent::new(self.stream, self.delivery.occurred_at, lesson.fact));
        for consequence in lesson.consequences {
            self.follow(consequence).await?;
        }
        Ok(())
    }

    async fn follow(&mut self, consequence: Consequence) -> Result<(), DraftError> {
        match consequence {
            Consequence::Issue(desired) => self.issue(desired).await,
            Consequence::Change { license_id, version, events } => {
                let stream = StreamId::new(StreamKind::License, license_id);
                self.request.expected.push(Expected { stream, version });
                self.changed += 1;
                for event in events {
                    self.push_to_license(NewEvent::new(stream, self.delivery.occurred_at, event), version);
                }
                Ok(())
            }
        }
    }

    /// Appends to a licence and folds it in at once, so that a second fact of the same draft builds on the first.
    /// The version stays the stored one, which is what the append must expect.
    fn push_to_license(&mut self, new: NewEvent, stored_version: i64) {
        let recorded = provisional(self.delivery, &new, stored_version);
        let state = self.licenses.remove(&new.stream.id);
        if let Some(license) = License::evolve(state, &recorded, &new.event) {
            self.licenses.insert(license.id, license);
        }
        self.push(new);
    }

    /// Issues a licence with a new key. Its stream must be new: what was bought is licensed once.
    async fn issue(&mut self, desired: Desired) -> Result<(), DraftError> {
        let team = self.delivery.team;
        let stream = StreamId::new(StreamKind::License, desired.license_id);
        let (key, event_id) = (keys::generate(), id::fresh());
        let context = SealContext { team, event_id, field: License::KEY_FIELD };
        let sealed = self.app.keys.team_key(team).await?.seal(context, key.as_bytes());
        self.issued.push(desired.license_id);
        self.request.expected.push(Expected { stream, version: 0 });
        let event = LicenseIssued {
            key: sealed,
            key_lookup: keys::lookup(&self.app.keys, team, &key),
            provider: self.delivery.provider.into(),
            livemode: self.delivery.livemode,
            customer_id: self.purchase.customer_id,
            purchase: self.stream,
            item: desired.unit.item,
            unit: desired.unit.unit,
            terms: desired.terms,
        };
        let event = NewEvent { stream, event_id, occurred_at: self.delivery.occurred_at, event: event.into() };
        self.push_to_license(event, 0);
        Ok(())
    }

    fn push(&mut self, event: NewEvent) {
        self.request.events.push(event);
    }

    /// Makes the buyer known, once, under a data key of their own, and links the delivery's key to them, so that
    /// forgetting them takes both. Answers the customer's id and the key.
    ///
    /// # Errors
    /// When ledger or keys store do not answer, or the buyer was forgotten after the delivery had been recorded.
    pub async fn customer(&mut self, person: &Person) -> Result<Option<(Uuid, DataKey)>, DraftError> {
        let team = self.delivery.team;
        let Some(customer_id) = person.id(&self.app.keys, team) else { return Ok(None) };
        let stream = StreamId::new(StreamKind::Customer, customer_id);
        let known = self.app.ledger.read_streams(team, &[stream]).await?;
        let (mut known_as, mut forgotten_at) = (None, None);
        for recorded in &known {
            let event = recorded.decode()?;
            if matches!(event, Event::CustomerForgotten(_)) {
                forgotten_at = Some(recorded.position);
            }
            known_as = Customer::evolve(known_as, recorded, &event);
        }
        // The delivery's body was opened before its key was destroyed, or is just about to lose it.
        if self.delivery.position.zip(forgotten_at).is_some_and(|(recorded, forgotten)| recorded < forgotten) {
            return Err(DraftError::Forgotten);
        }
        let version = i64::try_from(known.len()).unwrap_or(i64::MAX);
        self.request.expected.push(Expected { stream, version });
        let key = match self.key_of(known_as).await? {
            Some(key) => key,
            None => self.register(stream, person),
        };
        self.request.links.push(KeyLink { key_id: self.delivery.body.key_id(), customer_id });
        Ok(Some((customer_id, key)))
    }

    /// The data key that the customer's personal data is sealed with; none for a new customer, and for one who
    /// was forgotten or taken off the list and has come back.
    async fn key_of(&self, customer: Option<Customer>) -> Result<Option<DataKey>, DraftError> {
        let listed = customer.filter(|customer| !customer.removed);
        let Some(key_id) = listed.and_then(|customer| customer.key_id()) else { return Ok(None) };
        Ok(self.app.keys.key_unless_gone(key_id).await?)
    }

    fn register(&mut self, stream: StreamId, person: &Person) -> DataKey {
        let (key, wrapped) = self.app.keys.generate(id::fresh());
        let event_id = id::fresh();
        let seal =
            |field, text: &str| key.seal(SealContext { team: self.delivery.team, event_id, field }, text.as_bytes());
        let event = CustomerRegistered {
            provider: person.provider.into(),
            provider_customer: person.provider_customer.clone(),
            email_lookup: person.email_lookup(&self.app.keys, self.delivery.team),
            email: person.email.as_deref().map(|email| seal("email", email)),
            name: person.name.as_deref().map(|name| seal("name", name)),
        };
        self.request.links.push(KeyLink { key_id: key.id(), customer_id: stream.id });
        self.request.keys.push(wrapped);
        self.push(NewEvent { stream, event_id, occurred_at: self.delivery.occurred_at, event: event.into() });
        key
    }

    /// Requests the mail with all keys that the draft issues. Keys that are void from the start are not sent.
    pub fn mail(&mut self, person: &Person, customer: Option<(Uuid, DataKey)>) {
        let license_ids = self.issued.iter().filter(|id| self.is_live(id)).copied().collect();
        self.mail_keys(license_ids, person.email.as_deref(), customer);
    }

    /// The same with keys of this purchase that no mail was ever requested for: what told of the sale named no address, or
    /// they were void then.
    ///
    /// # Errors
    /// When the views do not answer.
    pub async fn mail_late(&mut self, person: &Person, customer: Option<(Uuid, DataKey)>) -> Result<(), DraftError> {
        if person.email.is_some() && !self.purchase.issued.is_empty() {
            let license_ids = self.never_mailed().await?;
            self.mail_keys(license_ids, person.email.as_deref(), customer);
        }
        Ok(())
    }

    /// The same, to the buyer whom an earlier fact named. Says whether there is a mail.
    ///
    /// # Errors
    /// When views or keys do not answer.
    pub async fn mail_what_was_not(&mut self) -> Result<bool, DraftError> {
        let (app, team) = (self.app, self.delivery.team);
        let license_ids = self.never_mailed().await?;
        app.catch_up(&[view::CUSTOMERS]).await?;
        let Some(customer_id) = self.purchase.customer_id else { return Ok(false) };
        let customer = app.views.team(team).customer(customer_id).await.map_err(DirectoryError::from)?;
        let address = customer.as_ref().and_then(|customer| customer.email.as_ref());
        let email = opened::text(app, team, address, Customer::EMAIL_FIELD).await?;
        let key = self.key_of(customer).await?.map(|key| (customer_id, key));
        Ok(self.mail_keys(license_ids, email.as_deref(), key))
    }

    /// Licences that cannot be used, whoever said so.
    pub fn void(&self) -> BTreeSet<Uuid> {
        self.licenses.values().filter(|license| license.revoked()).map(|license| license.id).collect()
    }

    fn is_live(&self, id: &Uuid) -> bool {
        self.licenses.get(id).is_some_and(|license| !license.revoked())
    }

    async fn never_mailed(&self) -> Result<Vec<Uuid>, DraftError> {
        self.app.catch_up(&[view::DELIVERIES]).await?;
        let mails = self.app.views.team(self.delivery.team).deliveries_of_purchase(self.stream).await;
        let mails = mails.map_err(DirectoryError::from)?;
        let is_mailed = |id: &Uuid| mails.iter().any(|mail| mail.license_ids.contains(id));
        Ok(self.purchase.issued.iter().filter(|id| self.is_live(id) && !is_mailed(id)).copied().collect())
    }

    fn mail_keys(&mut self, license_ids: Vec<Uuid>, email: Option<&str>, customer: Option<(Uuid, DataKey)>) -> bool {
        let (Some(email), Some((customer_id, key)), Some(first)) = (email, customer, license_ids.first()) else {
            return false;
        };
        let delivery_id = id::derived(self.delivery.team, &["mail", &self.stream.to_string(), &first.to_string()]);
        let event_id = id::fresh();
        let context = SealContext { team: self.delivery.team, event_id, field: "to" };
        let event = MailRequested {
            purchase: self.stream,
            customer_id,
            to: key.seal(context, email.as_bytes()),
            content: MailContent::LicenseKeys,
            license_ids,
            message_id: format!("<{delivery_id}@{MESSAGE_ID_DOMAIN}>"),
        };
        let stream = StreamId::new(StreamKind::Delivery, delivery_id);
        self.request.expected.push(Expected { stream, version: 0 });
        self.push(NewEvent { stream, event_id, occurred_at: self.delivery.occurred_at, event: event.into() });
        true
    }

    /// Links a payment intent, charge or invoice to another or, with `None`, to this purchase, and takes in the
    /// refunds and disputes that were waiting for a way to it.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn link(&mut self, reference: &str, other: Option<&str>, purchase: &str) -> Result<(), DraftError> {
        let team = self.delivery.team;
        let near = payment::stream(team, reference);
        let far = other.map_or((self.stream, purchase), |other| (payment::stream(team, other), other));
        self.load_payments(&[near, far.0]).await?;
        for (stream, link) in self.payments.link((near, reference), far) {
            self.push(NewEvent::new(stream, self.delivery.occurred_at, link));
        }
        Ok(())
    }

    /// Takes in what is known of the linked payments but not yet of the purchase: refunds, disputes, and which payment paid
    /// an invoice that does not name its own.
    ///
    /// # Errors
    /// When a key cannot be had.
    pub async fn learn_from_payments(&mut self) -> Result<(), DraftError> {
        let told: Vec<_> = self.payments.refunds().chain(self.payments.disputes()).collect();
        let paid = self.payments.paid_invoices().into_iter().filter(|paid| {
            let invoice = self.purchase.invoices.get(&paid.to_reference);
            invoice.is_some_and(|invoice| invoice.payment.is_none())
        });
        let paid: Vec<Event> = paid.map(Event::from).collect();
        for fact in paid.into_iter().chain(told) {
            self.learn(fact).await?;
        }
        Ok(())
    }

    /// Uses payments that were loaded before the purchase was known, with the events about them.
    pub fn adopt(&mut self, payments: LoadedPayments) {
        self.payments = payments.payments;
        self.request.expected.extend(payments.expected);
        self.request.events.extend(payments.events);
    }

    async fn load_payments(&mut self, wanted: &[StreamId]) -> Result<(), DraftError> {
        let mut loaded = LoadedPayments { payments: std::mem::take(&mut self.payments), ..Default::default() };
        let result = loaded.load(self.app, self.delivery, wanted).await;
        self.adopt(loaded);
        result
    }

    /// The licences issued by this draft.
    pub fn issued(&self) -> usize {
        self.issued.len()
    }

    /// What the draft does, for people.
    pub fn summary(&self) -> String {
        match (self.issued.len(), self.changed, self.learnt) {
            (0, 0, 0) => "already known: nothing to do".to_owned(),
            (0, 0, _) => "recorded; no licence changes".to_owned(),
            (0, changed, _) => format!("changed {}", counted(changed, "licence")),
            (issued, 0, _) => format!("issued {}", counted(issued, "licence")),
            (issued, changed, _) => {
                format!("issued {} and changed {}", counted(issued, "licence"), counted(changed, "licence"))
            }
        }
    }

    /// The plan, concluded as told.
    pub fn conclude(self, conclusion: Conclusion) -> Plan {
        let mut request = self.request;
        if request.events.is_empty() {
            // Without an effect there is nothing that the versions would protect.
            request.expected.clear();
        }
        Plan { request, conclusion }
    }
}

/// A number with its noun.
pub fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// A new event as it will stand in the ledger, as far as a fold needs to know.
fn provisional(delivery: &Delivery, new: &NewEvent, version: i64) -> RecordedEvent {
    RecordedEvent {
        position: keyledger_events::Position::START,
        team: delivery.team,
        stream: new.stream,
        stream_version: version,
        event_id: new.event_id,
        event_type: new.event.name().to_owned(),
        schema_version: new.event.schema_version(),
        occurred_at: new.occurred_at,
        recorded_at: new.occurred_at,
        provenance: Provenance::of(Provider::as_str(delivery.provider)),
        payload: Vec::new(),
        leaf_hash: [0; 32],
    }
}
