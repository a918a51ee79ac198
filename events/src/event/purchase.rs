//! Events of a purchase: the provider's facts, whenever they come. All times are the provider's.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::inbox::Provider;
use super::license::Offer;
use crate::clock::Timestamp;

/// A licence that a fact gave rise to, so that the same thing bought is never licensed twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitLicensed {
    /// The line item, subscription item, or Polymart product it was bought as.
    pub item: String,
    /// 0 for the first unit of the quantity.
    pub unit: u32,
    /// The licence.
    pub license_id: Uuid,
}

/// A one-off purchase was paid: a checkout session, or a Polymart purchase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PurchaseRecorded {
    /// Who sold.
    pub provider: Provider,
    /// The checkout session, or the Polymart product and user.
    pub reference: String,
    /// When it was paid.
    pub purchased_at: Timestamp,
    /// Whether real money moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub livemode: Option<bool>,
    /// Who bought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<Uuid>,
    /// The payment intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<String>,
    /// What was paid, in the currency's smallest unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<i64>,
    /// The lines that are ours and good.
    pub lines: Vec<PurchaseLine>,
    /// The licences issued with this event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub licensed: Vec<UnitLicensed>,
}

/// A line of a one-off purchase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PurchaseLine {
    /// The provider's id of the line.
    pub item: String,
    /// Units bought.
    pub quantity: u32,
    /// What a unit entitles to.
    pub offer: Offer,
}

/// A payment failed. It shortens nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PaymentFailed {
    /// The checkout session or invoice.
    pub reference: String,
}

/// An invoice of a subscription was paid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PeriodPaid {
    /// Stripe's id of the invoice.
    pub invoice: String,
    /// Stripe's id of the subscription.
    pub subscription: String,
    /// Why there was an invoice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing_reason: Option<String>,
    /// When it was paid.
    pub paid_at: Timestamp,
    /// Whether real money moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub livemode: Option<bool>,
    /// Who pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<Uuid>,
    /// The payment intent, where the invoice names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<String>,
    /// What was paid, in the currency's smallest unit.
    pub amount: i64,
    /// The lines that are ours and good.
    pub lines: Vec<PaidLine>,
    /// Stripe's ids of the products of other lines that license nothing, so that the next renewal does not depend on
    /// Stripe's answer about them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_ours: Vec<String>,
    /// What the invoice reads like by itself: it gives back the unused time of one item and charges for another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swapped: Option<ItemSwap>,
    /// The licences issued with this event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub licensed: Vec<UnitLicensed>,
}

/// A line of a paid subscription invoice: a service period of one subscription item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PaidLine {
    /// Stripe's id of the subscription item.
    pub item: String,
    /// Units paid for.
    pub quantity: u32,
    /// When the period begins.
    pub period_start: Timestamp,
    /// When the period ends.
    pub period_end: Timestamp,
    /// Stripe's id of its product.
    pub stripe_product: String,
    /// What a unit entitles to, as the product's metadata said at the time.
    pub offer: Offer,
}

/// The provider told what a subscription consists of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubscriptionObserved {
    /// Stripe's id of the subscription.
    pub subscription: String,
    /// When it was so.
    pub observed_at: Timestamp,
    /// Stripe's status, for the record: it decides nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The items.
    pub items: Vec<ObservedItem>,
    /// Items that this update replaced by others: the licence and its key follow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub swapped: Vec<ItemSwap>,
    /// Stripe's ids of the products of items that license nothing, where that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_ours: Vec<String>,
    /// Whether the update did not tell what the items had been before.
    #[serde(default, skip_serializing_if = "is_false")]
    pub untold: bool,
    /// The checkout session that began it, where this fact names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkout_session: Option<String>,
    /// Who pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<Uuid>,
    /// The licences issued with this event: what had been taken for a swap was none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub licensed: Vec<UnitLicensed>,
}

/// An item of a subscription.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObservedItem {
    /// Stripe's id of the subscription item.
    pub item: String,
    /// Units.
    pub quantity: u32,
    /// Stripe's id of its product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe_product: Option<String>,
    /// What a unit entitles to, when the product was already known or had to be asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<Offer>,
    /// Whether it bills what was used, after it was.
    #[serde(default, skip_serializing_if = "is_false")]
    pub metered: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks that way")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// One subscription item replaced by another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemSwap {
    /// The item that went.
    pub from: String,
    /// The item that came.
    pub to: String,
}

/// A subscription ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubscriptionCeased {
    /// Stripe's id of the subscription.
    pub subscription: String,
    /// When it ended.
    pub ended_at: Timestamp,
}

/// How a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// On its way; counts for nothing yet.
    Pending,
    /// The money is back.
    Succeeded,
    /// It came to nothing, even if it had succeeded before.
    Failed,
}

/// Money went back to the buyer, or did not after all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefundRecorded {
    /// Stripe's id of the refund; `None` for the running total that `charge.refunded` tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund: Option<String>,
    /// The payment intent, or the charge where there is no intent.
    pub payment: String,
    /// The invoice, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoice: Option<String>,
    /// This refund's amount, or the running total; in the currency's smallest unit.
    pub amount: i64,
    /// How it stands.
    pub status: RefundStatus,
    /// All that was paid by this payment, where the provider says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid: Option<i64>,
}

/// How a dispute stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeStatus {
    /// A question by the bank; decides nothing.
    Inquiry,
    /// The money is contested.
    Open,
    /// The seller keeps the money.
    Won,
    /// The buyer has it back.
    Lost,
}

/// A dispute was opened or closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DisputeRecorded {
    /// Stripe's id of the dispute.
    pub dispute: String,
    /// The payment intent, or the charge where there is no intent.
    pub payment: String,
    /// How it stands.
    pub status: DisputeStatus,
}

/// A marketplace took a purchase back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RemovalRecorded {
    /// When it did.
    pub removed_at: Timestamp,
    /// The provider's word for it.
    pub reason: String,
}

/// A purchase that another system had licensed was taken over: further facts about it concern these licences.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PurchaseAdopted {
    /// Who sold.
    pub provider: Provider,
    /// The checkout session or subscription, or the Polymart product and user.
    pub reference: String,
    /// The licences, one for each of the first units that were bought.
    pub license_ids: Vec<Uuid>,
}
