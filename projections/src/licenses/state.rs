//! What a licence is: a fold over its own stream. The same `evolve` serves decisions, the view and `--as-of`.

use keyledger_events::event::inbox::Provider;
use keyledger_events::event::license::{ExpirationStart, Terms};
use keyledger_events::{Event, Position, RecordedEvent, Sealed, StreamId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

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
    /// The event that the key is sealed for; its field is [`License::KEY_FIELD`].
    pub key_event: Uuid,
    /// Hex of the keyed fingerprint of the licence key.
    pub key_lookup: String,
    /// Who sold it.
    pub provider: Provider,
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
    /// When an ACTIVATION licence's clock began.
    pub activated_at: Option<Timestamp>,
    /// The due time of the latest LicenseExpired.
    pub expired_due: Option<Timestamp>,
    /// An admin suspended it.
    pub admin_suspended: bool,
    /// An admin revoked it.
    pub admin_revoked: bool,
    /// When the issue was recorded.
    pub created_at: Timestamp,
    /// The place of the issue in the ledger; licences are listed by it.
    pub created_position: Position,
    /// The number of events in its stream.
    pub version: i64,
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
                activated_at: None,
                expired_due: None,
                admin_suspended: false,
                admin_revoked: false,
                created_at: recorded.recorded_at,
                created_position: recorded.position,
                version: recorded.stream_version,
            }),
            (Some(mut license), event) => {
                license.apply(event);
                license.version = recorded.stream_version;
                Some(license)
            }
            (None, _) => None,
        }
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::LicenseActivated(activated) => {
                self.activated_at.get_or_insert(activated.activated_at);
            }
            Event::SubscriptionRenewed(e) => self.terms = e.terms.clone(),
            Event::SubscriptionChanged(e) => self.terms = e.terms.clone(),
            Event::SubscriptionEnded(e) => self.terms = e.terms.clone(),
            Event::PaymentRefunded(e) => self.terms = e.terms.clone(),
            Event::DisputeOpened(e) => self.terms = e.terms.clone(),
            Event::DisputeClosed(e) => self.terms = e.terms.clone(),
            Event::LicenseUpdated(e) => self.terms = e.terms.clone(),
            Event::LicenseRevoked(e) => match &e.terms {
                Some(terms) => self.terms = terms.clone(),
                None => self.admin_revoked = true,
            },
            Event::LicenseExpired(expired) => self.expired_due = Some(expired.due_at),
            Event::LicenseSuspended(_) => self.admin_suspended = true,
            Event::LicenseReinstated(_) => self.admin_suspended = false,
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

    /// The moment from which verification refuses; `None` while there is no end.
    pub fn expires_at(&self) -> Option<Timestamp> {
        expires_at(&self.terms, self.activated_at)
    }

    /// The moment for which a LicenseExpired is owed; `None` when nothing is (any more).
    pub fn expiration_owed(&self) -> Option<Timestamp> {
        let expires_at = self.expires_at().filter(|_| !self.revoked())?;
        self.expired_due.is_none_or(|told| told < expires_at).then_some(expires_at)
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
        } else if awaits_activation(&self.terms, self.activated_at) {
            LicenseStatus::Upcoming
        } else if now.as_second() - idle_since.as_second() >= INACTIVE_SECONDS {
            LicenseStatus::Inactive
        } else {
            LicenseStatus::Active
        }
    }
}

/// Whether the clock waits for a first verification.
pub fn awaits_activation(terms: &Terms, activated_at: Option<Timestamp>) -> bool {
    terms.subscription.is_none()
        && terms.offer.expiration_days.is_some()
        && terms.offer.expiration_start == ExpirationStart::Activation
        && activated_at.is_none()
}

/// The moment from which verification refuses.
///
/// A subscription licence lasts to the end of its paid period and the grace after it, or to the subscription's
/// end if that is earlier; with every paid period taken back it has not lasted at all. Other licences last their
/// days from the purchase or from the activation, or for ever.
pub fn expires_at(terms: &Terms, activated_at: Option<Timestamp>) -> Option<Timestamp> {
    if let Some(subscription) = &terms.subscription {
        let lapse = match subscription.paid_until {
            Some(paid_until) => after_seconds(paid_until, i64::from(subscription.grace_seconds)),
            None => terms.purchased_at,
        };
        return Some(subscription.ended_at.map_or(lapse, |ended_at| ended_at.min(lapse)));
    }
    let days = terms.offer.expiration_days?;
    let start = match terms.offer.expiration_start {
        ExpirationStart::Creation => terms.purchased_at,
        ExpirationStart::Activation => activated_at?,
    };
    Some(after_seconds(start, i64::from(days) * SECONDS_PER_DAY))
}

/// A moment later by whole seconds; the end of time where there is none so late.
fn after_seconds(start: Timestamp, seconds: i64) -> Timestamp {
    Timestamp::from_microsecond(start.as_microsecond().saturating_add(seconds.saturating_mul(1_000_000)))
        .unwrap_or(Timestamp::MAX)
}
