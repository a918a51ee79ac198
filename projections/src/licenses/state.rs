//! What a licence is: a fold over its own stream. The same `evolve` serves decisions, the view and `--as-of`.

use keyledger_events::event::inbox::Origin;
use keyledger_events::event::license::{Expiration, ExpirationStart, LicenseAmended, SeatLimit, Terms};
use keyledger_events::{Event, Position, RecordedEvent, Sealed, StreamId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::sealed_field::SealedField;

/// A licence is `EXPIRING` when it has less than this left.
const EXPIRING_SECONDS: i64 = 30 * SECONDS_PER_DAY;
/// A licence is `INACTIVE` when it has not been used for this long.
const INACTIVE_SECONDS: i64 = 30 * SECONDS_PER_DAY;
const SECONDS_PER_DAY: i64 = 86_400;

/// A licence, as known from its stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct License {
    /// Its id.
    pub id: Uuid,
    /// The licence key, sealed with the team's key.
    pub key: Sealed,
    /// The event that the present key is sealed for; its field is [`License::KEY_FIELD`].
    pub key_event: Uuid,
    /// Hex of the keyed fingerprint of the licence key.
    pub key_lookup: String,
    /// Who sold it.
    pub provider: Origin,
    /// Whether real money moved.
    pub livemode: Option<bool>,
    /// Who bought it.
    pub customer_id: Option<Uuid>,
    /// What it was bought with.
    pub purchase: StreamId,
    /// The line item, subscription item or product it was bought as.
    pub item: String,
    /// 0 for the first unit of the quantity.
    pub unit: u32,
    /// What providers decide.
    pub terms: Terms,
    /// What the seller set, which outranks it.
    pub amended: Amended,
    /// When an ACTIVATION licence's clock began.
    pub activated_at: Option<Timestamp>,
    /// The due time of the latest LicenseExpired.
    pub expired_due: Option<Timestamp>,
    /// The end that the latest LicenseExpiringSoon told of.
    pub expiring_told: Option<Timestamp>,
    /// An admin suspended it.
    pub admin_suspended: bool,
    /// An admin revoked it.
    pub admin_revoked: bool,
    /// When the issue was recorded.
    pub created_at: Timestamp,
    /// The place of the issue in the ledger; licences are listed by it.
    pub created_position: Position,
    /// When the latest event of its stream was recorded.
    pub updated_at: Timestamp,
    /// The place of that event in the ledger.
    pub updated_position: Position,
    /// The number of events in its stream.
    pub version: i64,
}

/// What the seller set on a licence; what is `None` is as providers say.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Amended {
    /// What it opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_ids: Option<Vec<Uuid>>,
    /// Who holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_ids: Option<Vec<Uuid>>,
    /// Addresses at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_limit: Option<SeatLimit>,
    /// Devices at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hwid_limit: Option<SeatLimit>,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration: Option<Expiration>,
    /// Until when it lasts at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended_to: Option<Timestamp>,
    /// The seller's notes; the field is [`License::METADATA_FIELD`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<SealedField>,
}

impl Amended {
    fn apply(&mut self, recorded: &RecordedEvent, amended: &LicenseAmended) {
        let LicenseAmended { product_ids, customer_ids, ip_limit, hwid_limit, expiration, metadata } = amended;
        take(&mut self.product_ids, product_ids);
        take(&mut self.customer_ids, customer_ids);
        take(&mut self.ip_limit, ip_limit);
        take(&mut self.hwid_limit, hwid_limit);
        take(&mut self.expiration, expiration);
        if expiration.is_some() {
            self.extended_to = None;
        }
        take(&mut self.metadata, &metadata.as_ref().map(|sealed| SealedField::new(sealed, recorded.event_id)));
    }
}

fn take<T: Clone>(known: &mut Option<T>, new: &Option<T>) {
    if new.is_some() {
        known.clone_from(new);
    }
}

/// What a licence is called at a moment; the first that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LicenseStatus {
    /// Void for good.
    Revoked,
    /// Not valid for the time being.
    Suspended,
    /// Past its end.
    Expired,
    /// Less than 30 days left.
    Expiring,
    /// An ACTIVATION licence whose clock has not begun.
    Upcoming,
    /// Not used for 30 days.
    Inactive,
    /// In use.
    Active,
}

impl License {
    /// The field of LicenseIssued that holds the key.
    pub const KEY_FIELD: &'static str = "key";
    /// The field of LicenseAmended that holds the seller's notes.
    pub const METADATA_FIELD: &'static str = "metadata";

    /// Folds the next event of the stream into the state. Events that say nothing of the licence's terms
    /// only count; the stream's first event is a LicenseIssued, and nothing else begins a licence.
    pub fn evolve(state: Option<Self>, recorded: &RecordedEvent, event: &Event) -> Option<Self> {
        match (state, event) {
            (None, Event::LicenseIssued(issued)) => Some(Self {
                id: recorded.stream.id,
                key: issued.key.clone(),
                key_event: recorded.event_id,
                key_lookup: issued.key_lookup.clone(),
                provider: issued.provider,
                livemode: issued.livemode,
                customer_id: issued.customer_id,
                purchase: issued.purchase,
                item: issued.item.clone(),
                unit: issued.unit,
                terms: issued.terms.clone(),
                amended: Amended::default(),
                activated_at: None,
                expired_due: None,
                expiring_told: None,
                admin_suspended: false,
                admin_revoked: false,
                created_at: recorded.recorded_at,
                created_position: recorded.position,
                updated_at: recorded.recorded_at,
                updated_position: recorded.position,
                version: recorded.stream_version,
            }),
            (Some(mut license), event) => {
                license.apply(recorded, event);
                license.updated_at = recorded.recorded_at;
                license.updated_position = recorded.position;
                license.version = recorded.stream_version;
                Some(license)
            }
            (None, _) => None,
        }
    }

    fn apply(&mut self, recorded: &RecordedEvent, event: &Event) {
        if let Some(terms) = new_terms(event) {
            self.terms = terms.clone();
        }
        match event {
            Event::LicenseActivated(activated) => {
                self.activated_at.get_or_insert(activated.activated_at);
            }
            Event::LicenseRevoked(revoked) if revoked.terms.is_none() => self.admin_revoked = true,
            Event::LicenseExpired(expired) => self.expired_due = Some(expired.due_at),
            Event::LicenseExpiringSoon(soon) => self.expiring_told = Some(soon.expires_at),
            Event::LicenseSuspended(_) => self.admin_suspended = true,
            Event::LicenseReinstated(_) => self.admin_suspended = false,
            Event::LicenseAmended(amended) => self.amended.apply(recorded, amended),
            Event::LicenseExtended(extended) => self.amended.extended_to = Some(extended.until),
            Event::LicenseKeyReplaced(replaced) => {
                self.key = replaced.key.clone();
                self.key_event = recorded.event_id;
                self.key_lookup.clone_from(&replaced.key_lookup);
            }
            _ => {}
        }
    }

    /// Void, whoever made it so.
    pub fn revoked(&self) -> bool {
        self.admin_revoked || self.terms.revoked
    }

    /// Suspended, whoever did it.
    pub fn suspended(&self) -> bool {
        self.admin_suspended || self.terms.disputed
    }

    /// What it opens.
    pub fn product_ids(&self) -> &[Uuid] {
        self.amended.product_ids.as_ref().unwrap_or(&self.terms.offer.product_ids)
    }

    /// Who holds it.
    pub fn customer_ids(&self) -> &[Uuid] {
        self.amended.customer_ids.as_deref().unwrap_or(self.customer_id.as_slice())
    }

    /// Addresses at once; `None` is no limit.
    pub fn ip_limit(&self) -> Option<u32> {
        self.amended.ip_limit.map_or(self.terms.offer.ip_limit, SeatLimit::number)
    }

    /// Devices at once; `None` is no limit.
    pub fn hwid_limit(&self) -> Option<u32> {
        self.amended.hwid_limit.map_or(self.terms.offer.hwid_limit, SeatLimit::number)
    }

    /// What ends it, if it is not a subscription's course.
    pub fn expiration(&self) -> Expiration {
        let offer = &self.terms.offer;
        match (self.amended.expiration, offer.expiration_days) {
            (Some(Expiration::Date(end)), _) => Expiration::Date(self.extended(end)),
            (Some(expiration), _) => expiration,
            (None, None) => Expiration::Never,
            (None, Some(days)) => Expiration::Duration { days, start: offer.expiration_start },
        }
    }

    fn extended(&self, end: Timestamp) -> Timestamp {
        self.amended.extended_to.map_or(end, |extended| extended.max(end))
    }

    /// Whether a subscription's course decides when it ends.
    pub fn follows_subscription(&self) -> bool {
        self.terms.subscription.is_some() && self.amended.expiration.is_none()
    }

    /// Days of validity, where they decide.
    pub fn expiration_days(&self) -> Option<u32> {
        match self.expiration() {
            Expiration::Duration { days, .. } => Some(days),
            Expiration::Never | Expiration::Date(_) => None,
        }
    }

    /// What those days begin with; CREATION where there are none.
    pub fn expiration_start(&self) -> ExpirationStart {
        match self.expiration() {
            Expiration::Duration { start, .. } => start,
            Expiration::Never | Expiration::Date(_) => ExpirationStart::default(),
        }
    }

    /// Whether the clock waits for a first verification.
    pub fn awaits_activation(&self) -> bool {
        let waits = matches!(self.expiration(), Expiration::Duration { start: ExpirationStart::Activation, .. });
        waits && !self.follows_subscription() && self.activated_at.is_none()
    }

    /// The moment from which verification refuses; `None` while there is no end.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at_if_activated(self.activated_at)
    }

    /// The same, had its clock begun at `activated_at`.
    ///
    /// A subscription licence lasts to the end of its paid period and the grace after it, or to the subscription's
    /// end if that is earlier; with every paid period taken back it has not lasted at all. Other licences last
    /// their days from the purchase or from the activation, to a date, or for ever. What was extended lasts to then at
    /// least.
    pub fn expires_at_if_activated(&self, activated_at: Option<Timestamp>) -> Option<Timestamp> {
        if let Some(subscription) = self.terms.subscription.as_ref().filter(|_| self.follows_subscription()) {
            let lapse = match subscription.paid_until {
                Some(paid_until) => after_seconds(paid_until, i64::from(subscription.grace_seconds)),
                None => self.terms.purchased_at,
            };
            return Some(self.extended(subscription.ended_at.map_or(lapse, |ended_at| ended_at.min(lapse))));
        }
        let (days, start) = match self.expiration() {
            Expiration::Never => return None,
            Expiration::Date(end) => return Some(end),
            Expiration::Duration { days, start: ExpirationStart::Creation } => (days, self.terms.purchased_at),
            Expiration::Duration { days, start: ExpirationStart::Activation } => (days, activated_at?),
        };
        Some(self.extended(after_seconds(start, i64::from(days) * SECONDS_PER_DAY)))
    }

    /// The moment for which a LicenseExpired is owed; `None` when nothing is (any more).
    pub fn expiration_owed(&self) -> Option<Timestamp> {
        let expires_at = self.expires_at().filter(|_| !self.revoked())?;
        self.expired_due.is_none_or(|told| told < expires_at).then_some(expires_at)
    }

    /// The end that a LicenseExpiringSoon is owed for, once it comes near; `None` when nothing is. A subscription that
    /// has not ended renews by itself, so its paid-until is no end to be warned of.
    pub fn reminder_owed(&self) -> Option<Timestamp> {
        let subscription = self.terms.subscription.as_ref().filter(|_| self.follows_subscription());
        let renews = subscription.is_some_and(|subscription| subscription.ended_at.is_none());
        let expires_at = self.expires_at().filter(|_| !renews && !self.revoked() && !self.suspended())?;
        (self.expiring_told != Some(expires_at)).then_some(expires_at)
    }

    /// When the time that it lasts began: with its purchase, its activation, or, where the seller set a date, its issue.
    pub fn term_began(&self) -> Timestamp {
        match self.expiration() {
            Expiration::Date(_) => self.created_at,
            Expiration::Duration { start: ExpirationStart::Activation, .. } => {
                self.activated_at.unwrap_or(self.created_at)
            }
            Expiration::Never | Expiration::Duration { .. } => self.terms.purchased_at,
        }
    }

    /// What to call it at `now`. `last_used` is the last accepted verification, where one is known.
    pub fn status(&self, now: Timestamp, last_used: Option<Timestamp>) -> LicenseStatus {
        let expires_at = self.expires_at();
        let idle_since = last_used.max(self.activated_at).unwrap_or(self.created_at);
        if self.revoked() {
            LicenseStatus::Revoked
        } else if self.suspended() {
            LicenseStatus::Suspended
        } else if expires_at.is_some_and(|end| end <= now) {
            LicenseStatus::Expired
        } else if expires_at.is_some_and(|end| end.as_second() - now.as_second() < EXPIRING_SECONDS) {
            LicenseStatus::Expiring
        } else if self.awaits_activation() {
            LicenseStatus::Upcoming
        } else if now.as_second() - idle_since.as_second() >= INACTIVE_SECONDS {
            LicenseStatus::Inactive
        } else {
            LicenseStatus::Active
        }
    }
}

/// What providers decide from now on, where an event about a licence that is there changes it.
pub(crate) fn new_terms(event: &Event) -> Option<&Terms> {
    match event {
        Event::SubscriptionRenewed(e) => Some(&e.terms),
        Event::SubscriptionChanged(e) => Some(&e.terms),
        Event::SubscriptionEnded(e) => Some(&e.terms),
        Event::PaymentRefunded(e) => Some(&e.terms),
        Event::DisputeOpened(e) => Some(&e.terms),
        Event::DisputeClosed(e) => Some(&e.terms),
        Event::LicenseUpdated(e) => Some(&e.terms),
        Event::LicenseRevoked(e) => e.terms.as_ref(),
        _ => None,
    }
}

/// A moment later by whole seconds; the end of time where there is none so late.
fn after_seconds(start: Timestamp, seconds: i64) -> Timestamp {
    Timestamp::from_microsecond(start.as_microsecond().saturating_add(seconds.saturating_mul(1_000_000)))
        .unwrap_or(Timestamp::MAX)
}
