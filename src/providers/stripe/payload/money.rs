//! Money that goes back or is contested: refunds, refunded charges, disputes.

use keyledger_events::event::purchase::{DisputeStatus, RefundStatus};

use crate::providers::json::{BadField, Node};

/// A refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// `re_…`.
    pub id: String,
    /// `ch_…`.
    pub charge: Option<String>,
    /// `pi_…`.
    pub payment_intent: Option<String>,
    /// In the currency's smallest unit.
    pub amount: i64,
    /// How it stands.
    pub status: RefundStatus,
}

impl Refund {
    pub(super) fn read(refund: &Node<'_>) -> Result<Self, BadField> {
        Ok(Self {
            id: refund.get("id").text()?,
            charge: refund.get("charge").reference()?,
            payment_intent: refund.get("payment_intent").reference()?,
            amount: refund.get("amount").required_integer()?,
            status: refund_status(refund.get("status").label().as_deref()),
        })
    }
}

/// A status that we do not know counts for nothing yet; a later event will tell.
fn refund_status(status: Option<&str>) -> RefundStatus {
    match status {
        Some("succeeded") => RefundStatus::Succeeded,
        Some("failed" | "canceled") => RefundStatus::Failed,
        _ => RefundStatus::Pending,
    }
}

/// A charge of which something was refunded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// `ch_…`.
    pub id: String,
    /// `pi_…`.
    pub payment_intent: Option<String>,
    /// `in_…`; up to acacia only.
    pub invoice: Option<String>,
    /// What was charged, in the currency's smallest unit.
    pub amount: i64,
    /// What was captured of it.
    pub amount_captured: Option<i64>,
    /// What has gone back so far: a running total.
    pub amount_refunded: i64,
    /// Whether all of it has gone back.
    pub refunded: bool,
    /// Every refund so far; `None` where the version does not embed them, or not all of them.
    pub refunds: Option<Vec<Refund>>,
}

impl Charge {
    pub(super) fn read(charge: &Node<'_>) -> Result<Self, BadField> {
        let list = charge.get("refunds");
        let refunds = list.list()?.filter(|list| !list.truncated);
        Ok(Self {
            id: charge.get("id").text()?,
            payment_intent: charge.get("payment_intent").reference()?,
            invoice: charge.get("invoice").reference()?,
            amount: charge.get("amount").required_integer()?,
            amount_captured: charge.get("amount_captured").integer()?,
            amount_refunded: charge.get("amount_refunded").required_integer()?,
            refunded: charge.get("refunded").flag().unwrap_or(false),
            refunds: refunds.map(|list| list.items.iter().map(Refund::read).collect()).transpose()?,
        })
    }
}

/// A dispute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    /// `dp_…` or `du_…`.
    pub id: String,
    /// `ch_…`.
    pub charge: Option<String>,
    /// `pi_…`.
    pub payment_intent: Option<String>,
    /// How it stands.
    pub status: DisputeStatus,
}

impl Dispute {
    /// `closed`: whether the event tells that it is over.
    pub(super) fn read(dispute: &Node<'_>, closed: bool) -> Result<Self, BadField> {
        Ok(Self {
            id: dispute.get("id").text()?,
            charge: dispute.get("charge").reference()?,
            payment_intent: dispute.get("payment_intent").reference()?,
            status: dispute_status(dispute.get("status").label().as_deref(), closed),
        })
    }
}

/// A status that we do not know decides nothing, like the inquiries (`warning_…`) and disputes that were prevented. Only when
/// a dispute is over it says so: what is not lost then (`prevented`, in old versions `charge_refunded`) suspends nothing any
/// more.
fn dispute_status(status: Option<&str>, closed: bool) -> DisputeStatus {
    match status {
        Some("lost") => DisputeStatus::Lost,
        Some("won") => DisputeStatus::Won,
        Some(status) if status.starts_with("warning_") => DisputeStatus::Inquiry,
        Some(_) if closed => DisputeStatus::Won,
        Some("needs_response" | "under_review") => DisputeStatus::Open,
        _ => DisputeStatus::Inquiry,
    }
}
