//! Invoices of subscriptions: a paid one pays for a service period of each item, and issues what is not licensed
//! yet, whether or not we ever saw the subscription begin.

use std::collections::{BTreeMap, BTreeSet};

use keyledger_events::event::inbox::Provider;
use keyledger_events::event::purchase::{ItemSwap, PaidLine, PaymentFailed, PeriodPaid, SubscriptionObserved};

use super::offers::Found;
use super::{Context, Stop, UNITS_MAX};
use crate::licensing::purchase::Purchase;
use crate::providers::draft::Draft;
use crate::providers::person::Person;
use crate::providers::plan::{Conclusion, Plan};
use crate::providers::stripe::metadata::SaleKind;
use crate::providers::stripe::payload::{Invoice, InvoiceLine, LineKind};

/// How long an invoice for an item that may have replaced another waits for the update that says so.
const SWAP_WAIT_SECONDS: i64 = 600;

fn subscription_of(invoice: &Invoice) -> Option<&str> {
    invoice.subscription.as_deref().or_else(|| invoice.lines.iter().find_map(|line| line.subscription.as_deref()))
}

fn not_a_subscription(context: &Context<'_>, invoice: &Invoice) -> Plan {
    let reason = format!("the invoice `{}` is not for a subscription", invoice.id);
    Plan::without_effect(context.delivery, Conclusion::Ignored(reason))
}

/// A failed payment shortens nothing; it is kept for whoever asks why no renewal came.
pub(super) async fn failed(context: &Context<'_>, invoice: &Invoice) -> Result<Plan, Stop> {
    let Some(subscription) = subscription_of(invoice) else { return Ok(not_a_subscription(context, invoice)) };
    let stream = context.purchase(subscription);
    let mut draft = Draft::begin(context.app, context.team, context.delivery, stream).await?;
    draft.learn(PaymentFailed { reference: invoice.id.clone() }.into()).await?;
    let summary = "the payment failed; what was paid for before stays valid".to_owned();
    Ok(draft.conclude(Conclusion::Applied { summary, warnings: Vec::new() }))
}

pub(super) async fn paid(context: &Context<'_>, invoice: &Invoice) -> Result<Plan, Stop> {
    let Some(subscription) = subscription_of(invoice) else { return Ok(not_a_subscription(context, invoice)) };
    let stream = context.purchase(subscription);
    let mut draft = Draft::begin(context.app, context.team, context.delivery, stream).await?;
    let fetched = match invoice.lines_truncated {
        true => Some(context.api()?.invoice_lines(&invoice.id).await?),
        false => None,
    };
    let all = fetched.as_deref().unwrap_or(&invoice.lines);
    let service = service_lines(all, subscription);
    let swap = swap_told(invoice, all, &service, &draft.purchase);
    if swap.is_none() {
        wait_for_swap(context, invoice, &draft.purchase, &service)?;
    }
    let mut lines = read_lines(context, &draft.purchase, &service).await?;
    lines.warnings.extend(paid_once(context, invoice, all, &service).await);
    if lines.good.is_empty() {
        let conclusion = if lines.bad.is_empty() {
            let reason = match service.is_empty() {
                true => "no line pays for service: credits for unused time and one-off lines license nothing",
                false => "no line's product has a `product_id` in its metadata",
            };
            let reasons = std::iter::once(reason.to_owned()).chain(lines.warnings);
            Conclusion::Ignored(reasons.collect::<Vec<_>>().join("; "))
        } else {
            Conclusion::Rejected(lines.bad.join("; "))
        };
        return Ok(Plan::without_effect(context.delivery, conclusion));
    }
    let person = Person {
        provider: Provider::Stripe,
        provider_customer: invoice.customer.clone(),
        email: invoice.customer_email.clone(),
        name: invoice.customer_name.clone(),
    };
    let customer = draft.customer(&person).await?;
    if let Some(swap) = swap {
        let fact = SubscriptionObserved {
            subscription: subscription.to_owned(),
            observed_at: context.delivery.occurred_at,
            status: None,
            items: Vec::new(),
            swapped: vec![swap],
            checkout_session: None,
            customer_id: None,
        };
        draft.learn(fact.into()).await?;
    }
    let fact = PeriodPaid {
        invoice: invoice.id.clone(),
        subscription: subscription.to_owned(),
        billing_reason: invoice.billing_reason.clone(),
        paid_at: context.delivery.occurred_at,
        livemode: context.delivery.livemode,
        customer_id: customer.as_ref().map(|(id, _)| *id),
        payment: invoice.payment_intents.first().or(invoice.charges.first()).cloned(),
        amount: invoice.amount_paid,
        lines: lines.good,
        licensed: Vec::new(),
    };
    draft.learn(fact.into()).await?;
    complete_observation(context, &mut draft).await?;
    for payment in invoice.payment_intents.iter().chain(&invoice.charges) {
        draft.link(payment, Some(&invoice.id), subscription).await?;
    }
    draft.link(&invoice.id, None, subscription).await?;
    draft.learn_from_payments().await?;
    draft.mail(&person, customer);
    let mut warnings = lines.warnings;
    if draft.issued() > 0 && person.email.is_none() {
        warnings.push("the invoice has no mail address, so no mail goes out".to_owned());
    }
    let conclusion = if lines.bad.is_empty() {
        Conclusion::Applied { summary: draft.summary(), warnings }
    } else {
        Conclusion::Rejected(lines.bad.join("; "))
    };
    Ok(draft.conclude(conclusion))
}

/// Lines that pay for service: those of a subscription item that cost something or, in a trial, nothing. Credits
/// for unused time are negative and pay for none. Old layouts may leave the item out: then there is one.
fn service_lines<'l>(lines: &'l [InvoiceLine], subscription: &'l str) -> Vec<(&'l str, &'l InvoiceLine)> {
    lines
        .iter()
        .filter(|line| line.amount >= 0 && line.quantity > 0)
        .filter_map(|line| match (&line.subscription_item, line.kind) {
            (Some(item), _) => Some((item.as_str(), line)),
            (None, LineKind::Subscription) => Some((subscription, line)),
            (None, _) => None,
        })
        .collect()
}

/// What was bought once in a subscription's checkout: no licence comes of it, which whoever sold a product of ours that way is
/// to hear. It is only a note, so nothing waits for Stripe to answer.
async fn paid_once(
    context: &Context<'_>,
    invoice: &Invoice,
    all: &[InvoiceLine],
    service: &[(&str, &InvoiceLine)],
) -> Vec<String> {
    let mut warnings = Vec::new();
    if invoice.billing_reason.as_deref() != Some("subscription_create") {
        return warnings;
    }
    // A fee for setting up what is licensed anyway is no second product.
    let mut met: BTreeSet<_> = service.iter().filter_map(|(_, line)| line.product.as_deref()).collect();
    for line in all {
        let bought = line.kind == LineKind::InvoiceItem && line.subscription_item.is_none() && !line.proration;
        let Some(product) = line.product.as_deref().filter(|_| bought && line.amount > 0 && line.quantity > 0) else {
            continue;
        };
        if !met.insert(product) {
            continue;
        }
        let found = context.offer(Some(product), line.product_metadata.as_ref(), SaleKind::OneOff).await;
        if matches!(found, Ok(Found::Offer(..) | Found::Bad(_))) {
            warnings.push(format!(
                "Stripe product `{product}` was paid once beside a subscription, and no licence is issued for it: sell \
                 it in a checkout of its own, or make the licence by hand"
            ));
        }
    }
    warnings
}

/// A swap that the invoice tells by itself, before the update does: a change of plan that credits one item and charges for
/// another. With more of either nobody can say which replaced which.
fn swap_told(
    invoice: &Invoice,
    all: &[InvoiceLine],
    service: &[(&str, &InvoiceLine)],
    purchase: &Purchase,
) -> Option<ItemSwap> {
    if invoice.billing_reason.as_deref() != Some("subscription_update") {
        return None;
    }
    let charged: BTreeSet<_> = service.iter().map(|(item, _)| *item).collect();
    let credits = all.iter().filter(|line| line.amount < 0).filter_map(|line| line.subscription_item.as_deref());
    let credited: BTreeSet<_> = credits.filter(|item| !charged.contains(item)).collect();
    if (credited.len(), charged.len()) != (1, 1) {
        return None;
    }
    let (from, to) = (*credited.first()?, *charged.first()?);
    let swap = ItemSwap { from: from.to_owned(), to: to.to_owned() };
    // One that was told already is known by its items.
    (!purchase.knows_item(to)).then_some(swap)
}

/// An invoice that names an item we never met, and lacks one that we know, may be about a swap whose update has
/// not arrived. Licensing it now could license the same thing twice, so it waits, but not for ever.
fn wait_for_swap(
    context: &Context<'_>,
    invoice: &Invoice,
    purchase: &Purchase,
    service: &[(&str, &InvoiceLine)],
) -> Result<(), Stop> {
    let items: BTreeSet<_> = service.iter().map(|(item, _)| *item).collect();
    let unknown = items.iter().find(|item| !purchase.knows_item(item));
    let gone = purchase.paid_lines().any(|(_, line)| !items.contains(line.item.as_str()));
    match unknown {
        Some(item)
            if gone
                && invoice.billing_reason.as_deref() != Some("subscription_create")
                && context.age_seconds < SWAP_WAIT_SECONDS =>
        {
            Err(Stop::Later(format!(
                "the subscription item `{item}` may have replaced another; \
                 waiting for the `customer.subscription.updated` that says so"
            )))
        }
        _ => Ok(()),
    }
}

/// The lines of an invoice, as far as they are ours.
#[derive(Default)]
struct Lines {
    good: Vec<PaidLine>,
    bad: Vec<String>,
    warnings: Vec<String>,
}

async fn read_lines(
    context: &Context<'_>,
    purchase: &Purchase,
    service: &[(&str, &InvoiceLine)],
) -> Result<Lines, Stop> {
    let mut units: BTreeMap<&str, u64> = BTreeMap::new();
    let mut lines = Lines::default();
    let mut asked: BTreeMap<&str, Found> = BTreeMap::new();
    for (item, line) in service {
        let product = line.product.as_deref().unwrap_or_default();
        let found = match asked.get(product) {
            Some(found) => found.clone(),
            None => {
                context.subscription_offer(purchase, line.product.as_deref(), line.product_metadata.as_ref()).await?
            }
        };
        asked.insert(product, found.clone());
        if found != Found::NotOurs {
            let most = units.entry(item).or_default();
            *most = (*most).max(u64::from(line.quantity));
        }
        match found {
            Found::NotOurs => {}
            Found::Bad(reasons) => lines.bad.extend(reasons),
            Found::Offer(offer, warnings) => {
                lines.warnings.extend(warnings);
                lines.good.push(PaidLine {
                    item: (*item).to_owned(),
                    quantity: line.quantity,
                    period_start: line.period_start,
                    period_end: line.period_end,
                    stripe_product: product.to_owned(),
                    offer,
                });
            }
        }
    }
    let units: u64 = units.values().sum();
    if units > UNITS_MAX {
        return Err(Stop::Reject(format!("the invoice has {units} units; at most {UNITS_MAX} are licensed at once")));
    }
    lines.bad.dedup();
    lines.warnings.dedup();
    Ok(lines)
}

/// A change of plan that was observed before the first licence was issued has no offer yet, because nobody knew
/// then that the subscription is ours. Now it counts.
async fn complete_observation(context: &Context<'_>, draft: &mut Draft<'_>) -> Result<(), Stop> {
    let with_items = draft.purchase.observed.iter().filter(|seen| !seen.items.is_empty());
    let latest = with_items.max_by_key(|seen| seen.observed_at).cloned();
    let Some(latest) = latest.filter(|seen| seen.items.iter().any(|item| item.offer.is_none())) else {
        return Ok(());
    };
    let mut completed = SubscriptionObserved { swapped: Vec::new(), ..latest.clone() };
    for item in completed.items.iter_mut().filter(|item| item.offer.is_none()) {
        let product = item.stripe_product.as_deref();
        if let Found::Offer(offer, _) = context.subscription_offer(&draft.purchase, product, None).await? {
            item.offer = Some(offer);
        }
    }
    if completed.items != latest.items {
        draft.learn(completed.into()).await?;
    }
    Ok(())
}
