//! Lines of invoices, and what a line or a subscription item is priced by.

use std::collections::BTreeMap;

use keyledger_events::Timestamp;

use crate::providers::json::{BadField, Node};

/// What an invoice line bills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineKind {
    /// A service period of a subscription item.
    Subscription,
    /// An invoice item: something billed once, or a proration.
    InvoiceItem,
    /// Something else, or it is not said.
    Other,
}

/// A line of an invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceLine {
    /// What it bills.
    pub kind: LineKind,
    /// `sub_…`.
    pub subscription: Option<String>,
    /// `si_…`.
    pub subscription_item: Option<String>,
    /// `price_…`, or `plan_…` in old versions.
    pub price: Option<String>,
    /// `prod_…`.
    pub product: Option<String>,
    /// The product's metadata, where the product was expanded.
    pub product_metadata: Option<BTreeMap<String, String>>,
    /// Units; 1 where it is not said.
    pub quantity: u32,
    /// In the currency's smallest unit; negative for a credit, 0 where it is not said.
    pub amount: i64,
    /// Whether it adjusts a period that has begun.
    pub proration: bool,
    /// Whether it gives back unused time; what cost nothing is given back for nothing.
    pub credit: bool,
    /// Whether it bills what was used, after it was; `None` where the line does not say.
    pub metered: Option<bool>,
    /// When its service period begins; where that is not said, its end, for then its payment comes first.
    pub period_start: Timestamp,
    /// When its service period ends.
    pub period_end: Timestamp,
}

impl InvoiceLine {
    /// Reads a line in either layout: `type`, `subscription`, `price` up to 2025-02-24.acacia; `parent` and
    /// `pricing` from 2025-03-31.basil on.
    pub(crate) fn read(line: &Node<'_>) -> Result<Self, BadField> {
        let parent = line.get("parent");
        let details_name = match parent.get("type").label().as_deref() {
            Some("invoice_item_details") => "invoice_item_details",
            _ => "subscription_item_details",
        };
        let details = parent.get(details_name);
        let subscription = first([line.get("subscription").reference()?, details.get("subscription").reference()?]);
        let subscription_item =
            first([line.get("subscription_item").reference()?, details.get("subscription_item").reference()?]);
        let Priced { price, product, product_metadata } = Priced::read(line)?;
        let period = line.get("period");
        let amount = line.get("amount").integer()?.unwrap_or(0);
        let period_end = period.get("end").required_time()?;
        let credited = |owner: &Node<'_>| !owner.get("proration_details").get("credited_items").is_absent();
        Ok(Self {
            kind: kind(line, &parent, subscription_item.is_some()),
            subscription,
            subscription_item,
            price,
            product,
            product_metadata,
            quantity: line.get("quantity").quantity()?,
            amount,
            credit: amount < 0 || credited(line) || credited(&details),
            metered: usage_type(line).map(|usage| usage == "metered"),
            proration: line.get("proration").flag().or_else(|| details.get("proration").flag()).unwrap_or(false),
            period_start: period.get("start").time()?.unwrap_or(period_end),
            period_end,
        })
    }
}

fn kind(line: &Node<'_>, parent: &Node<'_>, has_item: bool) -> LineKind {
    match parent.get("type").label().or_else(|| line.get("type").label()).as_deref() {
        Some("subscription" | "subscription_item_details") => LineKind::Subscription,
        Some("invoiceitem" | "invoice_item_details") => LineKind::InvoiceItem,
        None if has_item => LineKind::Subscription,
        _ => LineKind::Other,
    }
}

/// `licensed`, or `metered` for what bills usage; none where a version does not say.
pub(crate) fn usage_type(owner: &Node<'_>) -> Option<String> {
    let usage = owner.get("price").get("recurring").get("usage_type").label();
    usage.or_else(|| owner.get("plan").get("usage_type").label())
}

/// What something is priced by: the price and its product, wherever a version keeps them.
#[derive(Debug, Default)]
pub(crate) struct Priced {
    pub(crate) price: Option<String>,
    pub(crate) product: Option<String>,
    pub(crate) product_metadata: Option<BTreeMap<String, String>>,
}

impl Priced {
    /// Looks at `price`, `pricing.price_details` and `plan`, in this order. The first that names a product decides,
    /// so that price and product always come from the same place.
    pub(crate) fn read(owner: &Node<'_>) -> Result<Self, BadField> {
        let pricing = owner.get("pricing");
        let details = pricing.get("price_details");
        let (price, details_price, plan) = (owner.get("price"), details.get("price"), owner.get("plan"));
        let places = [
            (price.reference()?, price.get("product")),
            (details_price.reference()?, details.get("product")),
            (details_price.reference()?, details_price.get("product")),
            (plan.reference()?, plan.get("product")),
        ];
        let mut without_product = Self::default();
        for (price, product) in places {
            if let Some(found) = product.id_or_object()? {
                let metadata = found.object.and_then(|object| object.get("metadata").text_map());
                return Ok(Self { price, product: Some(found.id), product_metadata: metadata });
            }
            without_product.price = without_product.price.or(price);
        }
        Ok(without_product)
    }
}

pub(super) fn first<const N: usize>(candidates: [Option<String>; N]) -> Option<String> {
    candidates.into_iter().flatten().next()
}
