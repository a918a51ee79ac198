//! Invoices of subscriptions: a paid one pays for a service period of each item, and issues what is not licensed
//! yet, whether or not we ever saw the subscription begin.

use std::collections::{BTreeMap, BTreeSet};

use keyledger_events::event::inbox::Provider;
use keyledger_events::event::purchase::{
    ItemSwap, ObservedItem, PaidLine, PaymentFailed, PeriodPaid, SubscriptionObserved,
};

use super::offers::Found;
use super::{Context, Stop, UNITS_MAX};
use crate::licensing::purchase::Purchase;
use crate::licensing::subscription::slots;
use crate::providers::draft::Draft;
use crate::providers::person::Person;
use crate::providers::plan::{Conclusion, Plan};
use crate::providers::stripe::metadata::SaleKind;
use crate::providers::stripe::payload::{Invoice, InvoiceLine, LineKind};

/// How long an invoice for an item that may have replaced another waits for the update that says so.
const SWAP_WAIT_SECONDS: i64 = 600;
/// How long a paid invoice waits for Stripe's answer about what it does not depend on.
const ANSWER_WAIT_SECONDS: i64 = 600;

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
    let service = service_lines(all, subscription, &draft.purchase);
    let outline = PeriodPaid {
        invoice: invoice.id.clone(),
        subscription: subscription.to_owned(),
        billing_reason: invoice.billing_reason.clone(),
        paid_at: context.delivery.occurred_at,
        livemode: context.delivery.livemode,
        customer_id: None,
        payment: invoice.payment_intents.first().or(invoice.charges.first()).cloned(),
        amount: invoice.amount_paid.saturating_add(invoice.paid_from_balance),
        lines: Vec::new(),
        not_ours: Vec::new(),
        swapped: swap_told(invoice, all, &service).or_else(|| named_at_last(&service, subscription, &draft.purchase)),
        licensed: Vec::new(),
    };
    let mut with_swap = draft.purchase.clone();
    with_swap.evolve(&outline.clone().into());
    wait_for_swap(context, all, &with_swap, &service)?;
    let mut lines = read_lines(context, &draft.purchase, &service).await?;
    lines.bad.extend(others_lines(context, all, subscription).await?);
    lines.warnings.extend(paid_once(context, invoice, all, &service).await);
    if lines.good.is_empty() {
        let conclusion = if lines.bad.is_empty() {
            let reason = if service.is_empty() {
                "no line pays for service: credits for unused time, metered usage and one-off lines license nothing"
            } else if service.iter().all(|service| service.line.product.is_none()) {
                "no line names its product, so nothing says whether it is one of yours"
            } else {
                "no line's product has a `product_id` in its metadata"
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
    let customer_id = customer.as_ref().map(|(id, _)| *id);
    let fact = PeriodPaid { customer_id, lines: lines.good, not_ours: lines.not_ours, ..outline };
    draft.learn(fact.into()).await?;
    complete_observation(context, &mut draft).await?;
    for payment in invoice.payment_intents.iter().chain(&invoice.charges) {
        draft.link(payment, Some(&invoice.id), subscription).await?;
    }
    draft.link(&invoice.id, None, subscription).await?;
    draft.learn_from_payments().await?;
    draft.mail(&person, customer);
    let mut warnings = lines.warnings;
    if draft.issued() > 0 && person.email.is_none() && !draft.mail_what_was_not().await? {
        warnings.push("the invoice has no mail address, so no mail goes out".to_owned());
    }
    let conclusion = if lines.bad.is_empty() {
        Conclusion::Applied { summary: draft.summary(), warnings }
    } else {
        Conclusion::Rejected(lines.bad.join("; "))
    };
    Ok(draft.conclude(conclusion))
}

/// What is paid for of a subscription item.
struct Service<'l> {
    item: String,
    /// Of several lines the first.
    line: &'l InvoiceLine,
    /// Units, over all lines.
    quantity: u32,
}

impl Service<'_> {
    /// Graduated prices make a line of each tier, each with the units that fall into it. What is prorated is one line for
    /// each change.
    fn goes_on_in(&self, item: &str, line: &InvoiceLine) -> bool {
        let (before, regular) = (self.line, !self.line.proration && !line.proration);
        let is_same = self.item == item && before.product == line.product && before.price == line.price;
        regular && is_same && (before.period_start, before.period_end) == (line.period_start, line.period_end)
    }
}

/// The service that is paid for: lines of a subscription item that cost something or, in a trial, nothing. Credits for
/// unused time pay for none, and neither does what was used of something metered, whose units are no units of a licence.
/// Old layouts may leave the item out: then there is one for each product.
fn service_lines<'l>(lines: &'l [InvoiceLine], subscription: &'l str, purchase: &Purchase) -> Vec<Service<'l>> {
    let is_metered = |line: &InvoiceLine| {
        line.metered.is_none() && line.subscription_item.as_deref().is_some_and(|item| purchase.is_metered(item))
    };
    let pay = |line: &&InvoiceLine| !is_metered(line) && pays(lines, line) && !is_of_another(line, subscription);
    let paying: Vec<_> = lines.iter().filter(pay).collect();
    let is_unnamed = |line: &InvoiceLine| line.subscription_item.is_none() && line.kind == LineKind::Subscription;
    let unnamed: Vec<_> = paying.iter().copied().filter(|line| is_unnamed(line)).collect();
    let stand_in = stand_in(&unnamed, subscription, purchase);
    let mut found: Vec<Service<'l>> = Vec::new();
    for line in paying {
        let item = match &line.subscription_item {
            Some(item) => item.clone(),
            None if is_unnamed(line) => stand_in(line),
            None => continue,
        };
        match found.iter_mut().find(|service| service.goes_on_in(&item, line)) {
            Some(service) => service.quantity = service.quantity.saturating_add(line.quantity),
            None => found.push(Service { item, line, quantity: line.quantity }),
        }
    }
    found
}

/// What stands for the items that lines do not name: the subscription itself for one product, the one that it stood for
/// before or the first new one, and the subscription with the product for the others.
fn stand_in<'l>(
    lines: &[&'l InvoiceLine],
    subscription: &str,
    purchase: &Purchase,
) -> impl Fn(&'l InvoiceLine) -> String {
    let product = |line: &&&'l InvoiceLine| line.product.as_deref().unwrap_or_default();
    let beside = |product: &str| format!("{subscription}/{product}");
    let stood_for = |line: &&&'l InvoiceLine| {
        purchase.paid_lines().any(|(_, paid)| paid.item == subscription && paid.stripe_product == product(line))
    };
    let is_new = |line: &&&'l InvoiceLine| !purchase.knows_item(&beside(product(line)));
    let whole = lines.iter().find(stood_for).or_else(|| lines.iter().find(is_new)).map(|line| &line.product);
    // Earlier invoices named the product's item.
    let named = move |product: &str| {
        let paid = purchase.paid_lines().filter(|(_, paid)| paid.stripe_product == product);
        let items: BTreeSet<_> = paid.map(|(_, paid)| paid.item.as_str()).collect();
        items.first().filter(|item| items.len() == 1 && !item.starts_with(subscription)).map(|item| (*item).to_owned())
    };
    move |line| match &line.product {
        Some(product) => match named(product) {
            Some(item) => item,
            None if whole != Some(&line.product) => format!("{subscription}/{product}"),
            None => subscription.to_owned(),
        },
        None => subscription.to_owned(),
    }
}

/// Whether a line pays for service, where it is for a subscription.
fn pays(lines: &[InvoiceLine], line: &InvoiceLine) -> bool {
    !line.credit && line.quantity > 0 && !is_usage(lines, line)
}

/// The subscription items of which unused time is given back.
fn credited(lines: &[InvoiceLine]) -> BTreeSet<&str> {
    lines.iter().filter(|line| line.credit).filter_map(|line| line.subscription_item.as_deref()).collect()
}

/// Whether a line bills usage. From basil on it does not say so, but usage is billed when its period is over: beside a flat
/// price of the same product, whose next period begins then.
fn is_usage(lines: &[InvoiceLine], line: &InvoiceLine) -> bool {
    line.metered.unwrap_or_else(|| {
        let is_flat = |other: &InvoiceLine| {
            let pays = !other.credit && !other.proration && other.quantity > 0;
            let beside = other.subscription_item != line.subscription_item && other.product == line.product;
            pays && beside && other.period_start >= line.period_end
        };
        !line.proration && lines.iter().any(is_flat)
    })
}

fn is_of_another(line: &InvoiceLine, subscription: &str) -> bool {
    line.subscription.as_deref().is_some_and(|its| its != subscription)
}

/// Why lines of other subscriptions license nothing, where they are for something of ours: an invoice is one subscription's.
async fn others_lines(context: &Context<'_>, lines: &[InvoiceLine], subscription: &str) -> Result<Vec<String>, Stop> {
    let mut others = BTreeSet::new();
    for line in lines.iter().filter(|line| is_of_another(line, subscription) && line.subscription_item.is_some()) {
        if !pays(lines, line) {
            continue;
        }
        let offer = context.offer(line.product.as_deref(), line.product_metadata.as_ref(), SaleKind::Subscription);
        match offer.await {
            Ok(Found::NotOurs) => {}
            Err(stop @ Stop::NeedsClaim) => return Err(stop),
            Ok(Found::Offer(..) | Found::Bad(_)) | Err(_) => drop(others.insert(line.subscription.as_deref())),
        }
    }
    let reason = |other: &str| {
        format!(
            "the invoice is the subscription `{subscription}`'s and has lines of `{other}`, which license nothing here; \
             make what was bought there by hand"
        )
    };
    Ok(others.into_iter().flatten().map(reason).collect())
}

/// What was bought once in a subscription's checkout: no licence comes of it, which whoever sold a product of ours that way is
/// to hear. It is only a note, so nothing waits for Stripe to answer.
async fn paid_once(
    context: &Context<'_>,
    invoice: &Invoice,
    all: &[InvoiceLine],
    service: &[Service<'_>],
) -> Vec<String> {
    let mut warnings = Vec::new();
    if invoice.billing_reason.as_deref() != Some("subscription_create") {
        return warnings;
    }
    // A fee for setting up what is licensed anyway is no second product.
    let mut met: BTreeSet<_> = service.iter().filter_map(|service| service.line.product.as_deref()).collect();
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

/// What the invoice reads like by itself, before an update tells more: a change of plan that credits one item and charges for
/// another. With more of either nobody can say which replaced which.
fn swap_told(invoice: &Invoice, all: &[InvoiceLine], service: &[Service<'_>]) -> Option<ItemSwap> {
    if invoice.billing_reason.as_deref() != Some("subscription_update") {
        return None;
    }
    let charged: BTreeSet<_> = service.iter().map(|service| service.item.as_str()).collect();
    let credited: BTreeSet<_> = credited(all).into_iter().filter(|item| !charged.contains(item)).collect();
    if (credited.len(), charged.len()) != (1, 1) {
        return None;
    }
    Some(ItemSwap { from: (*credited.first()?).to_owned(), to: (*charged.first()?).to_owned() })
}

/// An item that is named for the first time, where the subscription stood for the only one before.
fn named_at_last(service: &[Service<'_>], subscription: &str, purchase: &Purchase) -> Option<ItemSwap> {
    let [only] = service else { return None };
    let stood =
        purchase.paid_lines().next().is_some() && purchase.paid_lines().all(|(_, line)| line.item == subscription);
    let swap = || ItemSwap { from: subscription.to_owned(), to: only.item.clone() };
    (stood && only.item != subscription).then(swap)
}

/// An invoice for an item that was never paid for, which does not go on with one that was, may be about a swap whose update
/// has not arrived, be it of the new item or, where invoices overtake one another, of the old one. Licensing it now could
/// license the same thing twice, so it waits, but not for ever.
fn wait_for_swap(
    context: &Context<'_>,
    all: &[InvoiceLine],
    purchase: &Purchase,
    service: &[Service<'_>],
) -> Result<(), Stop> {
    let items: BTreeSet<_> = service.iter().map(|service| service.item.as_str()).collect();
    let credited = credited(all);
    let goes_on = |item: &str| items.contains(item) && !credited.contains(item);
    let mut gone = purchase.last_items();
    gone.retain(|item| !goes_on(item));
    let (slots, at) = (slots(purchase), context.delivery.occurred_at);
    let may_replace = |item: &&&str| {
        let slot = slots.iter().find(|slot| slot.items.contains(**item));
        let is_other = |gone: &str| !slot.is_some_and(|slot| slot.items.contains(gone));
        // What is known to be the same thing as something that was paid for is no other one.
        let is_paid = slot.is_some_and(|slot| slot.quantity(purchase) > 0);
        !is_paid && gone.iter().any(|gone| is_other(gone) && !purchase.came_beside(item, gone, at))
    };
    match items.iter().find(may_replace) {
        Some(item) if context.age_seconds < SWAP_WAIT_SECONDS => Err(Stop::Later(format!(
            "the subscription item `{item}` may have replaced another, or been replaced; \
             waiting for the `customer.subscription.updated` that says so"
        ))),
        _ => Ok(()),
    }
}

/// The lines of an invoice, as far as they are ours.
#[derive(Default)]
struct Lines {
    good: Vec<PaidLine>,
    bad: Vec<String>,
    warnings: Vec<String>,
    not_ours: Vec<String>,
}

async fn read_lines(context: &Context<'_>, purchase: &Purchase, service: &[Service<'_>]) -> Result<Lines, Stop> {
    let mut units: BTreeMap<&str, u64> = BTreeMap::new();
    let mut lines = Lines::default();
    let mut asked: BTreeMap<&str, Found> = BTreeMap::new();
    for Service { item, line, quantity } in service {
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
            *most = (*most).max(u64::from(*quantity));
        }
        match found {
            Found::NotOurs => lines.not_ours.extend(line.product.clone()),
            Found::Bad(reasons) => lines.bad.extend(reasons),
            Found::Offer(offer, warnings) => {
                lines.warnings.extend(warnings);
                lines.good.push(PaidLine {
                    item: (*item).to_owned(),
                    quantity: *quantity,
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
    lines.not_ours.sort();
    lines.not_ours.dedup();
    Ok(lines)
}

/// A change of plan that was observed before the first licence was issued has no offer yet, because nobody knew
/// then that the subscription is ours. Now it counts. What was paid for does not depend on it: where Stripe has no answer for
/// long, the next invoice asks again.
async fn complete_observation(context: &Context<'_>, draft: &mut Draft<'_>) -> Result<(), Stop> {
    let with_items = draft.purchase.observed.iter().filter(|seen| !seen.items.is_empty());
    let latest = with_items.max_by_key(|seen| seen.observed_at).cloned();
    let is_open = |item: &ObservedItem| {
        let is_not_ours = item.stripe_product.as_deref().is_some_and(|product| draft.purchase.is_not_ours(product));
        item.offer.is_none() && !is_not_ours
    };
    let Some(latest) = latest.filter(|seen| seen.items.iter().any(is_open)) else {
        return Ok(());
    };
    let mut completed = SubscriptionObserved { swapped: Vec::new(), ..latest.clone() };
    for item in completed.items.iter_mut().filter(|item| is_open(item)) {
        let product = item.stripe_product.as_deref();
        match context.subscription_offer(&draft.purchase, product, None).await {
            Ok(Found::Offer(offer, _)) => item.offer = Some(offer),
            Ok(Found::NotOurs) => completed.not_ours.extend(item.stripe_product.clone()),
            Ok(Found::Bad(_)) | Err(Stop::Reject(_)) => {}
            Err(Stop::Later(_)) if context.age_seconds >= ANSWER_WAIT_SECONDS => {}
            Err(stop) => return Err(stop),
        }
    }
    if completed.items != latest.items || completed.not_ours != latest.not_ours {
        draft.learn(completed.into()).await?;
    }
    Ok(())
}
