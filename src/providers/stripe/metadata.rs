//! What a Stripe product offers, as its metadata says.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::providers::json::quote;
use crate::providers::offer::{Names, OfferDraft, Reader};

/// The key that makes a Stripe product ours.
pub const PRODUCT_ID: &str = "product_id";

const NAMES: Names = Names {
    ip_limit: "ip_limit",
    hwid_limit: "hwid_limit",
    expiration_days: "expiration_days",
    expiration_start: "expiration_start",
};

/// How a product is sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaleKind {
    /// With a one-time payment.
    OneOff,
    /// By subscription, whose paid periods decide when it expires.
    Subscription,
}

/// The offer that the metadata describes; `None` when there is no `product_id`: such a product is not ours.
///
/// # Errors
/// Every bad key with its value, all at once.
pub fn read_offer(metadata: &BTreeMap<String, String>, kind: SaleKind) -> Result<Option<OfferDraft>, Vec<String>> {
    let Some(products) = metadata.get(PRODUCT_ID) else { return Ok(None) };
    let mut reader = Reader::new(metadata, &NAMES);
    match product_ids(products) {
        Ok(ids) => reader.offer.product_ids = ids,
        Err(errors) => reader.errors.extend(errors),
    }
    reader.limits();
    match kind {
        SaleKind::OneOff => reader.expiration(),
        SaleKind::Subscription => reader.no_expiration_on_subscriptions(),
    }
    reader.finish().map(Some)
}

/// The well-formed ids in the metadata's list, so that those which are unknown can be named beside the malformed.
pub fn well_formed_ids(metadata: &BTreeMap<String, String>) -> Vec<Uuid> {
    let list = metadata.get(PRODUCT_ID).map_or("", String::as_str);
    list.split(',').filter_map(|part| Uuid::parse_str(part.trim()).ok()).collect()
}

/// The ids of a list separated by commas, each once, in the order given.
fn product_ids(list: &str) -> Result<Vec<Uuid>, Vec<String>> {
    let (mut ids, mut errors) = (Vec::new(), Vec::new());
    for part in list.split(',') {
        let text: String = part.chars().filter(|c| !c.is_whitespace()).collect();
        if text.is_empty() {
            continue;
        }
        match Uuid::parse_str(&text) {
            Ok(id) if !ids.contains(&id) => ids.push(id),
            Ok(_) => {}
            Err(_) => errors.push(format!("`{PRODUCT_ID}` names {}, which is not a UUID", quote(&text))),
        }
    }
    if ids.is_empty() && errors.is_empty() {
        errors.push(format!("`{PRODUCT_ID}` is {}, which names no product", quote(list)));
    }
    if errors.is_empty() { Ok(ids) } else { Err(errors) }
}

#[cfg(test)]
mod tests;
