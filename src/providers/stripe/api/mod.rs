//! The questions that we ask Stripe's API, with the team's restricted key. All of them read; there is no call that
//! writes.
//!
//! Requests are built by async-stripe. Its response types are not used: they insist on every field of one API
//! version, and a key's account, an older server or an emulator answers in another. Answers are read by the same
//! tolerant views as webhooks. Its client is not used either: it opens a connection for each question, keeps an
//! error's status to itself when the body is not Stripe's, and its error type alone brings all of Stripe's objects
//! into the program.
//!
//! A call is made once. Whoever asks records the failure in the ledger and asks again later.

mod address;
mod answer;
mod call;
mod connections;
mod error;

pub use address::normalise_base_url;
pub use answer::{EventsPage, LineItem, Product};
pub use connections::StripeConnections;
pub use error::ApiError;

use std::fmt;
use std::time::Duration;

use hyper::header::HeaderValue;
use keyledger_events::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use stripe_billing::invoice_line_item::ListInvoiceInvoiceLineItem;
use stripe_billing::invoice_payment::{ListInvoicePayment, ListInvoicePaymentPayment, ListInvoicePaymentPaymentType};
use stripe_billing::subscription_item::ListSubscriptionItem;
use stripe_checkout::checkout_session::ListLineItemsCheckoutSession;
use stripe_core::event::ListEvent;
use stripe_product::product::RetrieveProduct;
use stripe_types::RangeQueryTs;

use super::payload::{InvoiceLine, InvoicePayment, SubscriptionItem};
use crate::providers::json::Node;
use address::path_segment;
use call::PAGE_ITEMS;

/// The longest that one call may take, from connecting to the last byte of the answer.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Stripe's own API.
const STRIPES_OWN: &str = "https://api.stripe.com";

/// Stripe's API, asked with one key.
#[derive(Clone)]
pub struct StripeApi {
    connections: StripeConnections,
    base_url: String,
    authorization: HeaderValue,
    key: SecretString,
    call_timeout: Duration,
}

impl fmt::Debug for StripeApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StripeApi")
    }
}

impl StripeApi {
    /// A client that asks at `base_url`, or at Stripe's own API. It connects only when asked something.
    ///
    /// # Errors
    /// When the base URL or the key cannot be used at all.
    pub fn new(connections: &StripeConnections, key: &SecretString, base_url: Option<&str>) -> Result<Self, ApiError> {
        let key_text = key.expose_secret();
        let bad_key = || {
            let message = "the Stripe API key is empty or has characters that no key has; copy it again from the \
                           dashboard";
            ApiError::Configuration(message.to_owned())
        };
        if key_text.is_empty() || !key_text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(bad_key());
        }
        let mut authorization = HeaderValue::try_from(format!("Bearer {key_text}")).map_err(|_| bad_key())?;
        authorization.set_sensitive(true);
        Ok(Self {
            connections: connections.clone(),
            base_url: normalise_base_url(base_url.unwrap_or(STRIPES_OWN))?,
            authorization,
            key: key.clone(),
            call_timeout: CALL_TIMEOUT,
        })
    }

    /// What a checkout session sold, with the products.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn checkout_line_items(&self, session: &str) -> Result<Vec<LineItem>, ApiError> {
        let what = format!("the line items of the checkout session `{session}`");
        let first = ListLineItemsCheckoutSession::new(path_segment(session, &what)?)
            .limit(PAGE_ITEMS)
            .expand(["data.price.product".to_owned()]);
        let page = |after: Option<&str>| match after {
            None => first.clone(),
            Some(after) => first.clone().starting_after(after),
        };
        self.list(&what, page, LineItem::read).await
    }

    /// A product; one that was deleted is still found, as such.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn product(&self, id: &str) -> Result<Product, ApiError> {
        let what = format!("the product `{id}`");
        let answer = self.call(&what, RetrieveProduct::new(path_segment(id, &what)?)).await?;
        Product::read(&Node::root(&answer, "")).map_err(|bad| ApiError::unreadable(&what, &bad))
    }

    /// A page of the events of the key's mode that happened at `since` or later and that not every endpoint has
    /// taken, the newest first: what comes after the event `after`. Each is rendered in the version that the account
    /// had when it happened.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn undelivered_events(&self, since: Timestamp, after: Option<&str>) -> Result<EventsPage, ApiError> {
        let what = format!("the undelivered events since {since}");
        let first =
            ListEvent::new().delivery_success(false).created(RangeQueryTs::gte(since.as_second())).limit(PAGE_ITEMS);
        let answer = match after {
            None => self.call(&what, first).await?,
            Some(after) => self.call(&what, first.starting_after(after)).await?,
        };
        let page = EventsPage::read(&answer).map_err(|bad| ApiError::unreadable(&what, &bad))?;
        if page.next.is_some() && page.next.as_deref() == after {
            return Err(ApiError::unreadable(&what, &"a page says that more follow, but leads no further"));
        }
        Ok(page)
    }

    /// All lines of an invoice.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn invoice_lines(&self, invoice: &str) -> Result<Vec<InvoiceLine>, ApiError> {
        let what = format!("the lines of the invoice `{invoice}`");
        let first = ListInvoiceInvoiceLineItem::new(path_segment(invoice, &what)?).limit(PAGE_ITEMS);
        let page = |after: Option<&str>| match after {
            None => first.clone(),
            Some(after) => first.clone().starting_after(after),
        };
        self.list(&what, page, InvoiceLine::read).await
    }

    /// All items of a subscription.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn subscription_items(&self, subscription: &str) -> Result<Vec<SubscriptionItem>, ApiError> {
        let what = format!("the items of the subscription `{subscription}`");
        let first = ListSubscriptionItem::new(subscription).limit(PAGE_ITEMS);
        let page = |after: Option<&str>| match after {
            None => first.clone(),
            Some(after) => first.clone().starting_after(after),
        };
        self.list(&what, page, SubscriptionItem::read).await
    }

    /// The invoices that a payment intent paid, or was to pay.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn invoice_payments_of_intent(&self, payment_intent: &str) -> Result<Vec<InvoicePayment>, ApiError> {
        let what = format!("the invoice payments of the payment intent `{payment_intent}`");
        let mut payment = ListInvoicePaymentPayment::new(ListInvoicePaymentPaymentType::PaymentIntent);
        payment.payment_intent = Some(payment_intent.to_owned());
        self.invoice_payments(&what, ListInvoicePayment::new().payment(payment)).await
    }

    /// The payments made on an invoice.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn invoice_payments_of_invoice(&self, invoice: &str) -> Result<Vec<InvoicePayment>, ApiError> {
        let what = format!("the payments of the invoice `{invoice}`");
        self.invoice_payments(&what, ListInvoicePayment::new().invoice(invoice)).await
    }

    async fn invoice_payments(&self, what: &str, list: ListInvoicePayment) -> Result<Vec<InvoicePayment>, ApiError> {
        let first = list.limit(PAGE_ITEMS);
        let page = |after: Option<&str>| match after {
            None => first.clone(),
            Some(after) => first.clone().starting_after(after),
        };
        self.list(what, page, InvoicePayment::read).await
    }
}

#[cfg(test)]
mod tests;
