//! What follows from a Stripe event: one file per kind of object.

mod checkout;
mod invoice;
mod money;
mod offers;
mod subscription;

use keyledger_events::event::inbox::Provider;
use keyledger_events::{StreamId, TeamId};

use super::api::{ApiError, StripeApi};
use super::payload::{PayloadError, StripeEvent, StripeObject};
use crate::app::App;
use crate::directory::Team;
use crate::licensing::purchase::stripe_stream;
use crate::providers::draft::DraftError;
use crate::providers::inbox::Delivery;
use crate::providers::plan::{Conclusion, Plan};

/// Units of one purchase at most.
const UNITS_MAX: u64 = 1_000;

/// Why a delivery gets no plan now.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// Stripe must be asked, and the delivery is not claimed for that yet.
    #[error("Stripe must be asked")]
    NeedsClaim,
    /// Something outside is not as it must be; trying again later may help.
    #[error("{0}")]
    Later(String),
    /// What was bought cannot be honoured.
    #[error("{0}")]
    Reject(String),
    /// Something inside does not answer.
    #[error(transparent)]
    Draft(#[from] DraftError),
}

impl From<ApiError> for Stop {
    fn from(error: ApiError) -> Self {
        if error.is_retryable() || matches!(error, ApiError::Configuration(_)) {
            Self::Later(error.to_string())
        } else {
            Self::Reject(error.to_string())
        }
    }
}

/// What an interpretation may use.
pub struct Context<'a> {
    /// The process.
    pub app: &'a App,
    /// Whose delivery.
    pub team: &'a Team,
    /// The delivery.
    pub delivery: &'a Delivery,
    /// Whether Stripe may be asked: the delivery is claimed, so that of several nodes one asks.
    pub may_ask: bool,
    /// Seconds since the delivery was recorded.
    pub age_seconds: i64,
}

impl Context<'_> {
    fn team_id(&self) -> TeamId {
        self.delivery.team
    }

    /// The stream of a checkout session or subscription.
    fn purchase(&self, reference: &str) -> StreamId {
        stripe_stream(self.team_id(), reference)
    }

    fn api_key_is_there(&self) -> bool {
        self.team.api_key(Provider::Stripe, self.delivery.livemode).is_some()
    }

    /// Stripe's API with the key for the event's mode.
    fn api(&self) -> Result<StripeApi, Stop> {
        let livemode = self.delivery.livemode;
        let Some(key) = self.team.api_key(Provider::Stripe, livemode) else {
            let mode = if livemode == Some(true) { "live" } else { "test" };
            return Err(Stop::Later(format!(
                "there is no Stripe API key for {mode} mode; add one with `keyledger integration set stripe --api-key`"
            )));
        };
        if !self.may_ask {
            return Err(Stop::NeedsClaim);
        }
        let integration = self.team.config.integration(Provider::Stripe);
        let base = integration.and_then(|integration| integration.api_base.as_deref());
        Ok(StripeApi::new(&self.app.stripe, key, base)?)
    }
}

/// The types that have an effect. Others are concluded as ignored the moment they arrive.
pub const HANDLED: &[&str] = &[
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "invoice.paid",
    "invoice.payment_succeeded",
    "invoice.payment_failed",
    "invoice_payment.paid",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "charge.refunded",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.closed",
];

/// Plans what follows from an event.
///
/// # Errors
/// When it must be asked or tried again, or something inside does not answer. What cannot be honoured is a plan:
/// one that concludes as rejected.
pub async fn interpret(context: &Context<'_>, event: Result<StripeEvent, PayloadError>) -> Result<Plan, Stop> {
    let rejected = |reason: String| Plan::without_effect(context.delivery, Conclusion::Rejected(reason));
    let event = match event {
        Ok(event) => event,
        Err(error) => return Ok(rejected(error.to_string())),
    };
    match dispatch(context, &event).await {
        Err(Stop::Reject(reason)) => Ok(rejected(reason)),
        result => result,
    }
}

async fn dispatch(context: &Context<'_>, event: &StripeEvent) -> Result<Plan, Stop> {
    let kind = event.event_type.as_str();
    match &event.object {
        StripeObject::CheckoutSession(session) => checkout::interpret(context, kind, session).await,
        StripeObject::Invoice(invoice) if kind == "invoice.payment_failed" => invoice::failed(context, invoice).await,
        StripeObject::Invoice(invoice) => invoice::paid(context, invoice).await,
        StripeObject::InvoicePayment(payment) => money::invoice_payment(context, payment).await,
        StripeObject::Subscription(subscription) if kind == "customer.subscription.deleted" => {
            subscription::ceased(context, subscription).await
        }
        StripeObject::Subscription(subscription) => {
            subscription::observed(context, subscription, kind == "customer.subscription.updated").await
        }
        StripeObject::Refund(refund) => money::refund(context, refund).await,
        StripeObject::Charge(charge) => money::charge(context, charge).await,
        StripeObject::Dispute(dispute) => money::dispute(context, dispute).await,
        StripeObject::Other => {
            Ok(Plan::without_effect(context.delivery, Conclusion::Ignored(format!("we have no use for `{kind}`"))))
        }
    }
}
