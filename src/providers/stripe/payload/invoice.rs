//! Invoices, and the payments made on them.

use super::line::{InvoiceLine, first};
use crate::providers::json::{BadField, Node};

/// An invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    /// `in_…`.
    pub id: String,
    /// `sub_…`; none for a one-off invoice.
    pub subscription: Option<String>,
    /// `subscription_create`, `subscription_cycle`, `subscription_update`, `subscription_threshold`, `manual`, …
    pub billing_reason: Option<String>,
    /// `cus_…`.
    pub customer: Option<String>,
    /// The payer's mail address.
    pub customer_email: Option<String>,
    /// The payer's name.
    pub customer_name: Option<String>,
    /// In the currency's smallest unit; 0 where it is not said.
    pub amount_paid: i64,
    /// What was paid with money that the customer had left with the seller before; in the same unit.
    pub paid_from_balance: i64,
    /// `pi_…`, the invoice's own first; since basil only where the invoice's payments are included.
    pub payment_intents: Vec<String>,
    /// `ch_…`, likewise.
    pub charges: Vec<String>,
    /// What it bills, as far as it is here.
    pub lines: Vec<InvoiceLine>,
    /// Whether there are more lines than are here.
    pub lines_truncated: bool,
}

impl Invoice {
    pub(super) fn read(invoice: &Node<'_>) -> Result<Self, BadField> {
        let parent = invoice.get("parent");
        let details = parent.get("subscription_details");
        let customer = invoice.get("customer");
        let mut payment_intents = Vec::from_iter(invoice.get("payment_intent").reference()?);
        let mut charges = Vec::from_iter(invoice.get("charge").reference()?);
        for payment in invoice.get("payments").list()?.map(|list| list.items).unwrap_or_default() {
            let payment = payment.get("payment");
            add(&mut payment_intents, payment.get("payment_intent").reference()?);
            add(&mut charges, payment.get("charge").reference()?);
        }
        let (lines, lines_truncated) = read_lines(&invoice.get("lines"))?;
        Ok(Self {
            id: invoice.get("id").text()?,
            subscription: first([invoice.get("subscription").reference()?, details.get("subscription").reference()?]),
            billing_reason: invoice.get("billing_reason").label(),
            customer: customer.reference()?,
            customer_email: invoice.get("customer_email").label().or_else(|| customer.get("email").label()),
            customer_name: invoice.get("customer_name").label().or_else(|| customer.get("name").label()),
            amount_paid: invoice.get("amount_paid").integer()?.unwrap_or(0),
            paid_from_balance: paid_from_balance(invoice)?,
            payment_intents,
            charges,
            lines,
            lines_truncated,
        })
    }
}

/// A balance is negative while the seller owes the customer.
fn paid_from_balance(invoice: &Node<'_>) -> Result<i64, BadField> {
    let (before, after) = (invoice.get("starting_balance").integer()?, invoice.get("ending_balance").integer()?);
    Ok(before
        .zip(after)
        .map_or(0, |(before, after)| after.saturating_sub(before).clamp(0, before.min(0).saturating_neg())))
}

/// An invoice without its lines counts as one whose lines were cut off before the first.
fn read_lines(lines: &Node<'_>) -> Result<(Vec<InvoiceLine>, bool), BadField> {
    let Some(list) = lines.list()? else { return Ok((Vec::new(), true)) };
    Ok((list.items.iter().map(InvoiceLine::read).collect::<Result<_, _>>()?, list.truncated))
}

fn add(ids: &mut Vec<String>, id: Option<String>) {
    ids.extend(id.filter(|id| !ids.contains(id)));
}

/// A payment made on an invoice: since basil the only link between the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoicePayment {
    /// `inpay_…`.
    pub id: String,
    /// `in_…`.
    pub invoice: String,
    /// `pi_…`.
    pub payment_intent: Option<String>,
    /// `ch_…`.
    pub charge: Option<String>,
    /// `open`, `paid` or `canceled`.
    pub status: Option<String>,
    /// In the currency's smallest unit.
    pub amount_paid: Option<i64>,
}

impl InvoicePayment {
    pub(crate) fn read(node: &Node<'_>) -> Result<Self, BadField> {
        let payment = node.get("payment");
        let invoice = node.get("invoice");
        Ok(Self {
            id: node.get("id").text()?,
            invoice: invoice.reference()?.ok_or_else(|| invoice.bad("is missing"))?,
            payment_intent: payment.get("payment_intent").reference()?,
            charge: payment.get("charge").reference()?,
            status: node.get("status").label(),
            amount_paid: node.get("amount_paid").integer()?,
        })
    }
}
