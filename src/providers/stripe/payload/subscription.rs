//! Subscriptions and their items.

use std::collections::BTreeMap;

use keyledger_events::Timestamp;

use super::line::{Priced, usage_type};
use crate::providers::json::{BadField, Node};

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// `sub_…`.
    pub id: String,
    /// `active`, `past_due`, `canceled`, … It decides nothing here.
    pub status: Option<String>,
    /// `cus_…`.
    pub customer: Option<String>,
    /// What it consists of, as far as it is here.
    pub items: Vec<SubscriptionItem>,
    /// Whether there are more items than are here.
    pub items_truncated: bool,
    /// What it consisted of before, where this event changed that.
    pub previous_items: Option<Vec<SubscriptionItem>>,
    /// Whether there were more items than those.
    pub previous_items_truncated: bool,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When it was cancelled, which need not be when it ends.
    pub canceled_at: Option<Timestamp>,
    /// Whether it ends with the current period.
    pub cancel_at_period_end: bool,
    /// When the current period ends: since basil the latest end of the items' periods.
    pub current_period_end: Option<Timestamp>,
}

impl Subscription {
    pub(super) fn read(subscription: &Node<'_>, previous: &Node<'_>) -> Result<Self, BadField> {
        let list = subscription.get("items");
        let (items, items_truncated) = match list.list()? {
            Some(list) => (read_items(&list.items)?, list.truncated),
            None => (Vec::new(), true),
        };
        let previous_list = previous.get("items");
        let (previous_items, previous_items_truncated) = match previous_list.list()? {
            Some(list) => (Some(read_items(&list.items)?), list.truncated),
            None => (None, false),
        };
        let items_end = items.iter().filter_map(|item| item.current_period_end).max();
        Ok(Self {
            id: subscription.get("id").text()?,
            status: subscription.get("status").label(),
            customer: subscription.get("customer").reference()?,
            items,
            items_truncated,
            previous_items,
            previous_items_truncated,
            ended_at: subscription.get("ended_at").time()?,
            canceled_at: subscription.get("canceled_at").time()?,
            cancel_at_period_end: subscription.get("cancel_at_period_end").flag().unwrap_or(false),
            current_period_end: subscription.get("current_period_end").time()?.or(items_end),
        })
    }
}

fn read_items(items: &[Node<'_>]) -> Result<Vec<SubscriptionItem>, BadField> {
    items.iter().map(SubscriptionItem::read).collect()
}

/// An item of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionItem {
    /// `si_…`.
    pub id: String,
    /// Units; 1 where it is not said.
    pub quantity: u32,
    /// `price_…`, or `plan_…` in old versions.
    pub price: Option<String>,
    /// `prod_…`.
    pub product: Option<String>,
    /// The product's metadata, where the product was expanded.
    pub product_metadata: Option<BTreeMap<String, String>>,
    /// Whether it bills what was used, after it was.
    pub metered: bool,
    /// When the item's current period ends; since basil.
    pub current_period_end: Option<Timestamp>,
}

impl SubscriptionItem {
    pub(crate) fn read(item: &Node<'_>) -> Result<Self, BadField> {
        let Priced { price, product, product_metadata } = Priced::read(item)?;
        Ok(Self {
            id: item.get("id").text()?,
            quantity: item.get("quantity").quantity()?,
            price,
            product,
            product_metadata,
            metered: usage_type(item).as_deref() == Some("metered"),
            current_period_end: item.get("current_period_end").time()?,
        })
    }
}
