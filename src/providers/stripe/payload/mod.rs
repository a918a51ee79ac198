//! What a Stripe event says, in whatever API version it was rendered.
//!
//! The envelope is read apart from the object: a verified event is recorded by its envelope even when its object
//! turns out to be unreadable, and is then concluded as rejected with the field that was at fault.

mod envelope;
mod invoice;
mod line;
mod money;
mod session;
mod subscription;

pub use envelope::{Envelope, parse_envelope};
pub use invoice::{Invoice, InvoicePayment};
pub use line::{InvoiceLine, LineKind};
pub use money::{Charge, Dispute, Refund};
pub use session::CheckoutSession;
pub use subscription::{Subscription, SubscriptionItem};

use keyledger_events::Timestamp;
use serde_json::Value;

use crate::providers::json::{BadField, Node};

/// Why an event cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// The body is not JSON.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// The body has no event id, so nobody could tell a second delivery from the first.
    #[error("the body has no event `id`")]
    NoEventId,
    /// The event is of a type that we handle, but a field is not what it must be.
    #[error("the `{event_type}` event cannot be read: {problem}")]
    Malformed {
        /// The event's type.
        event_type: String,
        /// The field, by its path in the body, and what is wrong with it.
        problem: BadField,
    },
}

/// An event with its object.
#[derive(Debug, Clone, PartialEq)]
pub struct StripeEvent {
    /// `evt_…`.
    pub id: String,
    /// Stripe's name for what happened.
    pub event_type: String,
    /// When it happened; emulators leave it out.
    pub created: Option<Timestamp>,
    /// Whether real money moved.
    pub livemode: Option<bool>,
    /// The version that the object was rendered in.
    pub api_version: Option<String>,
    /// What it happened to.
    pub object: StripeObject,
}

/// The object of an event whose type we handle.
#[derive(Debug, Clone, PartialEq)]
pub enum StripeObject {
    /// Of `checkout.session.completed`, `.async_payment_succeeded` and `.async_payment_failed`.
    CheckoutSession(CheckoutSession),
    /// Of `invoice.paid`, `invoice.payment_succeeded` and `invoice.payment_failed`.
    Invoice(Invoice),
    /// Of `invoice_payment.paid`.
    InvoicePayment(InvoicePayment),
    /// Of `customer.subscription.created`, `.updated`, `.deleted`, `.paused` and `.resumed`.
    Subscription(Subscription),
    /// Of `refund.created`, `.updated` and `.failed`.
    Refund(Refund),
    /// Of `charge.refunded`.
    Charge(Charge),
    /// Of `charge.dispute.created` and `.closed`.
    Dispute(Dispute),
    /// Of every other type.
    Other,
}

/// Reads an event and its object.
///
/// # Errors
/// As [`parse_envelope`] and [`parse_object`].
pub fn parse(body: &[u8]) -> Result<StripeEvent, PayloadError> {
    let Envelope { id, event_type, created, livemode, api_version } = parse_envelope(body)?;
    let object = parse_object(body)?;
    Ok(StripeEvent { id, event_type, created, livemode, api_version, object })
}

/// Reads the object of an event whose envelope was read before.
///
/// # Errors
/// When the body is no JSON, or nested too deeply to be read; when a field that its type must have is missing or
/// is not what it must be.
pub fn parse_object(body: &[u8]) -> Result<StripeObject, PayloadError> {
    let value: Value = serde_json::from_slice(body).map_err(|error| PayloadError::NotJson(error.to_string()))?;
    let event = Node::root(&value, "");
    let Some(event_type) = event.get("type").label() else { return Ok(StripeObject::Other) };
    read_object(&event_type, &event).map_err(|problem| PayloadError::Malformed { event_type, problem })
}

fn read_object(event_type: &str, event: &Node<'_>) -> Result<StripeObject, BadField> {
    let data = event.get("data");
    let object = &data.get("object");
    let read = match event_type {
        "checkout.session.completed"
        | "checkout.session.async_payment_succeeded"
        | "checkout.session.async_payment_failed" => StripeObject::CheckoutSession(CheckoutSession::read(object)?),
        // Endpoints of the oldest versions, and emulators, know only `payment_succeeded`.
        "invoice.paid" | "invoice.payment_succeeded" | "invoice.payment_failed" => {
            StripeObject::Invoice(Invoice::read(object)?)
        }
        "invoice_payment.paid" => StripeObject::InvoicePayment(InvoicePayment::read(object)?),
        "customer.subscription.created"
        | "customer.subscription.updated"
        | "customer.subscription.deleted"
        | "customer.subscription.paused"
        | "customer.subscription.resumed" => {
            StripeObject::Subscription(Subscription::read(object, &data.get("previous_attributes"))?)
        }
        "refund.created" | "refund.updated" | "refund.failed" => StripeObject::Refund(Refund::read(object)?),
        "charge.refunded" => StripeObject::Charge(Charge::read(object)?),
        "charge.dispute.created" => StripeObject::Dispute(Dispute::read(object, false)?),
        "charge.dispute.closed" => StripeObject::Dispute(Dispute::read(object, true)?),
        _ => return Ok(StripeObject::Other),
    };
    // A purchase is dated by it, so a bad one must not pass for a missing one.
    event.get("created").time()?;
    Ok(read)
}

#[cfg(test)]
mod tests;
