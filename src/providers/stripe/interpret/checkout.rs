//! Checkout sessions: a paid one in mode `payment` is a one-off purchase; one in mode `subscription` tells who
//! subscribed, while the licence follows from the paid invoice.

use keyledger_events::event::inbox::Provider;
use keyledger_events::event::purchase::{PaymentFailed, PurchaseLine, PurchaseRecorded, SubscriptionObserved};

use super::offers::Found;
use super::{Context, Stop, UNITS_MAX};
use crate::providers::draft::Draft;
use crate::providers::person::Person;
use crate::providers::plan::{Conclusion, Plan};
use crate::providers::stripe::api::LineItem;
use crate::providers::stripe::metadata::SaleKind;
use crate::providers::stripe::payload::CheckoutSession;

pub(super) async fn interpret(context: &Context<'_>, kind: &str, session: &CheckoutSession) -> Result<Plan, Stop> {
    let ignored = |reason: &str| Ok(Plan::without_effect(context.delivery, Conclusion::Ignored(reason.to_owned())));
    match (session.mode.as_str(), &session.subscription) {
        ("payment", _) if kind == "checkout.session.async_payment_failed" => failed(context, session).await,
        ("payment", _) if session.payment_status == "unpaid" => {
            ignored("not paid yet; the licence follows when `checkout.session.async_payment_succeeded` arrives")
        }
        ("payment", _) => paid(context, session).await,
        ("subscription", Some(subscription)) => subscribed(context, session, subscription).await,
        ("subscription", None) => ignored("the session has no subscription yet; the licence follows its paid invoice"),
        _ => ignored("the session sells nothing"),
    }
}

fn person(session: &CheckoutSession) -> Person {
    Person {
        provider: Provider::Stripe,
        provider_customer: session.customer.clone(),
        email: session.email.clone(),
        name: session.name.clone(),
    }
}

async fn failed(context: &Context<'_>, session: &CheckoutSession) -> Result<Plan, Stop> {
    let stream = context.purchase(&session.id);
    let mut draft = Draft::begin(context.app, context.team, context.delivery, stream).await?;
    draft.learn(PaymentFailed { reference: session.id.clone() }.into()).await?;
    let summary = "the payment failed; nothing was issued".to_owned();
    Ok(draft.conclude(Conclusion::Applied { summary, warnings: Vec::new() }))
}

/// The lines of a session, as far as they are ours.
#[derive(Default)]
struct Lines {
    good: Vec<PurchaseLine>,
    bad: Vec<String>,
    warnings: Vec<String>,
    /// Of all lines that are ours, good or bad.
    units: u64,
}

async fn read_lines(context: &Context<'_>, items: &[LineItem]) -> Result<Lines, Stop> {
    let mut lines = Lines::default();
    for item in items {
        let metadata = item.expanded_product.as_ref().map(|product| &product.metadata);
        let found = context.offer(item.product.as_deref(), metadata, SaleKind::OneOff).await?;
        if found != Found::NotOurs {
            lines.units += u64::from(item.quantity);
        }
        match found {
            Found::NotOurs => {}
            Found::Bad(reasons) => lines.bad.extend(reasons),
            Found::Offer(offer, warnings) => {
                lines.warnings.extend(warnings);
                lines.good.push(PurchaseLine { item: item.id.clone(), quantity: item.quantity, offer });
            }
        }
    }
    Ok(lines)
}

/// One licence per line item and unit. Where one line is good and another bad, the good one is issued and the
/// delivery is concluded as rejected with the rest; interpreting it again issues what is missing.
async fn paid(context: &Context<'_>, session: &CheckoutSession) -> Result<Plan, Stop> {
    let items = context.api()?.checkout_line_items(&session.id).await?;
    let lines = read_lines(context, &items).await?;
    let units = lines.units;
    if units > UNITS_MAX {
        return Err(Stop::Reject(format!("the purchase has {units} units; at most {UNITS_MAX} are licensed at once")));
    }
    if lines.good.is_empty() {
        let conclusion = if lines.bad.is_empty() {
            Conclusion::Ignored("no line item's product has a `product_id` in its metadata".to_owned())
        } else {
            Conclusion::Rejected(lines.bad.join("; "))
        };
        return Ok(Plan::without_effect(context.delivery, conclusion));
    }
    record(context, session, lines).await
}

async fn record(context: &Context<'_>, session: &CheckoutSession, lines: Lines) -> Result<Plan, Stop> {
    let stream = context.purchase(&session.id);
    let mut draft = Draft::begin(context.app, context.team, context.delivery, stream).await?;
    let person = person(session);
    let customer = draft.customer(&person).await?;
    let fact = PurchaseRecorded {
        provider: Provider::Stripe,
        reference: session.id.clone(),
        purchased_at: context.delivery.occurred_at,
        livemode: context.delivery.livemode,
        customer_id: customer.as_ref().map(|(id, _)| *id),
        payment: session.payment_intent.clone(),
        amount: session.amount_total,
        lines: lines.good,
        licensed: Vec::new(),
    };
    draft.learn(fact.into()).await?;
    if let Some(payment_intent) = &session.payment_intent {
        draft.link(payment_intent, None, &session.id).await?;
        draft.learn_from_payments().await?;
    }
    draft.mail(&person, customer);
    let mut warnings = lines.warnings;
    if draft.issued() > 0 && person.email.is_none() {
        warnings.push("the session has no mail address, so no mail goes out".to_owned());
    }
    let conclusion = if lines.bad.is_empty() {
        Conclusion::Applied { summary: draft.summary(), warnings }
    } else {
        Conclusion::Rejected(lines.bad.join("; "))
    };
    Ok(draft.conclude(conclusion))
}

async fn subscribed(context: &Context<'_>, session: &CheckoutSession, subscription: &str) -> Result<Plan, Stop> {
    let stream = context.purchase(subscription);
    let mut draft = Draft::begin(context.app, context.team, context.delivery, stream).await?;
    let person = person(session);
    let customer = draft.customer(&person).await?;
    let fact = SubscriptionObserved {
        subscription: subscription.to_owned(),
        observed_at: context.delivery.occurred_at,
        status: None,
        items: Vec::new(),
        swapped: Vec::new(),
        not_ours: Vec::new(),
        untold: false,
        checkout_session: Some(session.id.clone()),
        customer_id: customer.as_ref().map(|(id, _)| *id),
        licensed: Vec::new(),
    };
    draft.learn(fact.into()).await?;
    draft.mail_late(&person, customer).await?;
    let conclusion = Conclusion::Applied { summary: draft.summary(), warnings: Vec::new() };
    Ok(draft.conclude(conclusion))
}
