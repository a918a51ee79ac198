//! Subscriptions: the current period is the subscription's up to acacia, and each item's since basil.

use serde_json::{Value, json};

use super::{Layout, MONTH, event, list, price};
use crate::support::unique;

/// An item of a subscription.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) product: String,
    pub(crate) quantity: u64,
}

impl Item {
    /// One unit of a product.
    pub(crate) fn of(product: &str) -> Self {
        Self { id: unique("si"), product: product.to_owned(), quantity: 1 }
    }
}

/// A subscription, with the fields that tests vary.
#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    pub(crate) layout: Layout,
    pub(crate) id: String,
    pub(crate) customer: String,
    pub(crate) status: &'static str,
    pub(crate) items: Vec<Item>,
    /// The current period's beginning; it lasts a month.
    pub(crate) begun: i64,
    pub(crate) cancel_at_period_end: bool,
    pub(crate) livemode: bool,
}

impl Subscription {
    /// An active subscription of one item, begun at `begun`.
    pub(crate) fn of(layout: Layout, product: &str, begun: i64) -> Self {
        Self {
            layout,
            id: unique("sub"),
            customer: unique("cus"),
            status: "active",
            items: vec![Item::of(product)],
            begun,
            cancel_at_period_end: false,
            livemode: false,
        }
    }

    pub(crate) fn created(&self) -> Value {
        event(self.layout, "customer.subscription.created", self.begun, self.object(None))
    }

    /// What an update at `time` changed stands in `previous`, as Stripe tells it: the old values.
    pub(crate) fn updated(&self, time: i64, previous: Value) -> Value {
        let mut event = event(self.layout, "customer.subscription.updated", time, self.object(None));
        event["data"]["previous_attributes"] = previous;
        event
    }

    /// Ended at `time`.
    pub(crate) fn deleted(&self, time: i64) -> Value {
        let ended = Self { status: "canceled", ..self.clone() };
        event(self.layout, "customer.subscription.deleted", time, ended.object(Some(time)))
    }

    /// Paused or resumed: `customer.subscription.<what>`.
    pub(crate) fn turned(&self, what: &str, time: i64) -> Value {
        event(self.layout, &format!("customer.subscription.{what}"), time, self.object(None))
    }

    /// The items as `previous_attributes` tells them.
    pub(crate) fn items_before(&self) -> Value {
        json!({ "items": self.item_list() })
    }

    fn item_list(&self) -> Value {
        let item = |item: &Item| {
            let mut object = json!({
                "id": item.id, "object": "subscription_item", "created": self.begun, "discounts": [], "metadata": {},
                "price": price(&item.product), "quantity": item.quantity, "subscription": self.id, "tax_rates": [],
            });
            if self.layout == Layout::Basil {
                object["current_period_start"] = json!(self.begun);
                object["current_period_end"] = json!(self.begun + MONTH);
            }
            object
        };
        let url = format!("/v1/subscription_items?subscription={}", self.id);
        list(&url, self.items.iter().map(item).collect(), false)
    }

    fn object(&self, ended_at: Option<i64>) -> Value {
        let mut subscription = json!({
            "id": self.id, "object": "subscription", "billing_cycle_anchor": self.begun,
            "cancel_at": null, "cancel_at_period_end": self.cancel_at_period_end, "canceled_at": ended_at,
            "collection_method": "charge_automatically", "created": self.begun, "currency": "usd",
            "customer": self.customer, "days_until_due": null, "default_payment_method": null, "discounts": [],
            "ended_at": ended_at, "items": self.item_list(), "latest_invoice": null, "livemode": self.livemode,
            "metadata": {}, "pause_collection": null, "schedule": null, "start_date": self.begun,
            "status": self.status, "trial_end": null, "trial_start": null,
        });
        if self.layout == Layout::Acacia {
            subscription["current_period_start"] = json!(self.begun);
            subscription["current_period_end"] = json!(self.begun + MONTH);
        }
        subscription
    }
}
