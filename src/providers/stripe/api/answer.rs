//! Answers that no webhook carries.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::providers::json::{BadField, Node};

/// A product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// `prod_…`, or of the seller's own making.
    pub id: String,
    /// What the seller calls it.
    pub name: Option<String>,
    /// What the seller wrote about it; empty when it was deleted.
    pub metadata: BTreeMap<String, String>,
    /// Whether it was deleted.
    pub deleted: bool,
}

impl Product {
    pub(super) fn read(product: &Node<'_>) -> Result<Self, BadField> {
        Ok(Self {
            id: product.get("id").text()?,
            name: product.get("name").label(),
            metadata: product.get("metadata").text_map().unwrap_or_default(),
            deleted: product.get("deleted").flag().unwrap_or(false),
        })
    }
}

/// A line item of a checkout session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineItem {
    /// `li_…`.
    pub id: String,
    /// Units; 1 where it is not said.
    pub quantity: u32,
    /// In the currency's smallest unit.
    pub amount_total: Option<i64>,
    /// `price_…`.
    pub price: Option<String>,
    /// `prod_…`.
    pub product: Option<String>,
    /// The product itself; `None` where the server does not expand it.
    pub expanded_product: Option<Product>,
}

impl LineItem {
    pub(super) fn read(item: &Node<'_>) -> Result<Self, BadField> {
        let price = item.get("price");
        let product = price.get("product");
        let found = product.id_or_object()?;
        let expanded = found.as_ref().and_then(|found| found.object.as_ref());
        Ok(Self {
            id: item.get("id").text()?,
            quantity: item.get("quantity").quantity()?,
            amount_total: item.get("amount_total").integer()?,
            price: price.reference()?,
            expanded_product: expanded.map(Product::read).transpose()?,
            product: found.map(|found| found.id),
        })
    }
}

/// A page of events, as they are.
#[derive(Debug, Clone, PartialEq)]
pub struct EventsPage {
    /// Whole events, as an endpoint is sent them.
    pub events: Vec<Value>,
    /// The event after which there are more; `None` on the last page.
    pub next: Option<String>,
}

impl EventsPage {
    pub(super) fn read(answer: &Value) -> Result<Self, BadField> {
        let root = Node::root(answer, "");
        let list = root.list()?.ok_or_else(|| root.bad("is missing"))?;
        let last = list.items.last().map(|event| event.get("id").text()).transpose()?;
        let more = root.get("has_more").flag().unwrap_or(false);
        let events = answer.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
        match (more, last) {
            (true, None) => Err(root.bad("says that more follow, but has no event")),
            (true, last) => Ok(Self { events, next: last }),
            (false, _) => Ok(Self { events, next: None }),
        }
    }
}
