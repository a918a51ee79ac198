//! Events of a licence. A licence's own stream is enough to know the licence: every event that a provider
//! caused carries the complete [`Terms`] that follow from all facts known at the time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::inbox::{Origin, Provider};
use crate::clock::Timestamp;
use crate::id::StreamId;
use crate::sealed::Sealed;

/// When the clock of a licence with `expiration_days` starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExpirationStart {
    /// With the first accepted verification.
    Activation,
    /// With the purchase.
    #[default]
    Creation,
}

/// What a seller offers for one unit of a product: the metadata of a Stripe product, or a Polymart URL's query.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Offer {
    /// Our products.
    pub product_ids: Vec<Uuid>,
    /// Addresses at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_limit: Option<u32>,
    /// Devices at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hwid_limit: Option<u32>,
    /// Days of validity, for one-off purchases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration_days: Option<u32>,
    /// When those days begin.
    #[serde(default)]
    pub expiration_start: ExpirationStart,
}

/// What a licence is, as far as providers decide it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// What was bought.
    pub offer: Offer,
    /// When it was bought.
    pub purchased_at: Timestamp,
    /// For subscriptions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<SubscriptionTerms>,
    /// All that was paid went back, a dispute was lost, or the marketplace took it back.
    #[serde(default)]
    pub revoked: bool,
    /// A dispute is open.
    #[serde(default)]
    pub disputed: bool,
    /// The provider's ids: `stripeSubscription`, `polymartUser` and so on, as the contract names them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub references: BTreeMap<String, String>,
}

/// What a subscription adds to a licence's terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionTerms {
    /// The latest end of a paid period; `None` when all of them were taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid_until: Option<Timestamp>,
    /// How long past it the licence stays valid, in seconds.
    pub grace_seconds: u32,
    /// When the subscription ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

/// A licence was issued.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LicenseIssued {
    /// The licence key, under the team's data key.
    pub key: Sealed,
    /// Hex of the keyed fingerprint of the licence key, for look-ups.
    pub key_lookup: String,
    /// Who sold it.
    pub provider: Origin,
    /// Whether real money moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub livemode: Option<bool>,
    /// Who bought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<Uuid>,
    /// What it was bought with. A licence that the seller made by hand has a stream of its own here, without facts.
    pub purchase: StreamId,
    /// The line item, subscription item, or Polymart product it was bought as; `manual` for one made by hand.
    pub item: String,
    /// 0 for the first unit of the quantity.
    pub unit: u32,
    /// What it is.
    pub terms: Terms,
}

/// The clock of an ACTIVATION licence began, once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LicenseActivated {
    /// The moment of the first accepted verification.
    pub activated_at: Timestamp,
    /// When the licence runs out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// A further period was paid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubscriptionRenewed {
    /// The invoice.
    pub invoice: String,
    /// What the licence is now.
    pub terms: Terms,
}

/// What was bought changed: another plan, other limits, another item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubscriptionChanged {
    /// What the licence is now.
    pub terms: Terms,
}

/// The subscription ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubscriptionEnded {
    /// What the licence is now.
    pub terms: Terms,
}

/// A payment was refunded, in full or in part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PaymentRefunded {
    /// The payment.
    pub payment: String,
    /// What has gone back of it so far, in the currency's smallest unit.
    pub refunded: i64,
    /// Whether that is all that was paid.
    pub full: bool,
    /// What the licence is now.
    pub terms: Terms,
}

/// A dispute suspends the licence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DisputeOpened {
    /// Which one.
    pub dispute: String,
    /// What the licence is now.
    pub terms: Terms,
}

/// A dispute is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DisputeClosed {
    /// Which one.
    pub dispute: String,
    /// Whether the seller kept the money.
    pub won: bool,
    /// What the licence is now.
    pub terms: Terms,
}

/// The licence will run out soon, and nothing renews it by itself. Once for each end that it gets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LicenseExpiringSoon {
    /// When it runs out.
    pub expires_at: Timestamp,
}

/// The licence ran out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LicenseExpired {
    /// The moment it was due, whenever it is recorded.
    pub due_at: Timestamp,
}

/// An admin suspended the licence. Nothing that a provider sends lifts it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LicenseSuspended {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// An admin lifted a suspension.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LicenseReinstated {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Who made a licence void, and what it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LicenseRevoked {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the licence is now, when a provider took the purchase back; `None` when an admin revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
}

/// The terms changed for no other reason that has a name: an earlier fact arrived late.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LicenseUpdated {
    /// What the licence is now.
    pub terms: Terms,
}

/// The key was given to a marketplace for a buyer's download. The key itself is not recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlaceholderAnswered {
    /// Who asked.
    pub provider: Provider,
    /// The marketplace's id of the buyer.
    pub user: String,
    /// The marketplace's id of the product.
    pub product: String,
    /// The request's nonce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
}

/// A limit that the seller set, or took away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeatLimit {
    /// As many as want to.
    Unlimited,
    /// So many at once.
    AtMost(u32),
}

impl SeatLimit {
    /// The number; `None` where there is no limit.
    pub fn number(self) -> Option<u32> {
        match self {
            Self::Unlimited => None,
            Self::AtMost(number) => Some(number),
        }
    }
}

impl From<Option<u32>> for SeatLimit {
    fn from(number: Option<u32>) -> Self {
        number.map_or(Self::Unlimited, Self::AtMost)
    }
}

/// When a licence ends, as the seller decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expiration {
    /// Not at all.
    Never,
    /// At a moment.
    Date(Timestamp),
    /// Days after something.
    Duration {
        /// How many.
        days: u32,
        /// After what.
        start: ExpirationStart,
    },
}

/// The seller, or a program of theirs, set something on a licence. It outranks what providers say of the same;
/// what is `None` stays as it was.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LicenseAmended {
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
    /// The seller's own notes on it, a JSON list of [`MetadataEntry`](super::metadata::MetadataEntry), under the
    /// team's data key: sellers write names into them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Sealed>,
}

/// The seller put off the end: the licence lasts until then at least, whatever a subscription behind it does, and longer
/// where more is paid. An end that is set later by [`LicenseAmended`] takes its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LicenseExtended {
    /// The moment from which verification refuses, unless a later one holds.
    pub until: Timestamp,
}

/// The licence got another key; the old one opens nothing any more and is never given again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LicenseKeyReplaced {
    /// The new licence key, under the team's data key.
    pub key: Sealed,
    /// Hex of the keyed fingerprint of the new key.
    pub key_lookup: String,
}

/// A device took a seat. Only licences with a limit have seats, so that a stranger with a key cannot make the
/// ledger grow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceBound {
    /// Its id, derived from the licence and the hardware identifier.
    pub device_id: Uuid,
    /// Hex of the keyed fingerprint of the hardware identifier.
    pub lookup: String,
    /// The hardware identifier, under the buyer's data key or, where there is none, the team's.
    pub identifier: Sealed,
}

/// Why a seat became free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseReason {
    /// It was not seen for longer than the team's timeout, and somebody else wanted the seat.
    TimedOut,
    /// The seller said so.
    Forgotten,
}

/// A device's seat became free.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceReleased {
    /// Which one.
    pub device_id: Uuid,
    /// Why.
    pub reason: ReleaseReason,
}

/// An address took a seat, as a device does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AddressBound {
    /// Its id, derived from the licence and the address.
    pub address_id: Uuid,
    /// Hex of the keyed fingerprint of the address.
    pub lookup: String,
    /// The address, under the buyer's data key or, where there is none, the team's.
    pub address: Sealed,
}

/// An address's seat became free.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AddressReleased {
    /// Which one.
    pub address_id: Uuid,
    /// Why.
    pub reason: ReleaseReason,
}
