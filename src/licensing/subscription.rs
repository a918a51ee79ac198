//! What the facts of a subscription amount to: which of its items are the same thing bought, what it entitles to
//! now, and until when it is paid. Pure.

use std::collections::{BTreeMap, BTreeSet};

use keyledger_events::Timestamp;
use keyledger_events::event::license::Offer;
use keyledger_events::event::purchase::{ItemSwap, PaidLine};

use super::purchase::Purchase;

/// Subscription items that followed one another by swaps: one thing bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The items, in the order of their names.
    pub items: BTreeSet<String>,
    /// The item that came first: no swap leads to it.
    pub root: String,
}

/// Groups all items that were paid for or swapped into slots.
pub fn slots(purchase: &Purchase) -> Vec<Slot> {
    let mut groups: Vec<BTreeSet<String>> = Vec::new();
    let paid = purchase.paid_lines().map(|(_, line)| BTreeSet::from([line.item.clone()]));
    let swaps = purchase.swaps();
    let swapped = swaps.iter().map(|swap| BTreeSet::from([swap.from.clone(), swap.to.clone()]));
    for mut group in paid.chain(swapped) {
        let (joined, apart): (Vec<_>, Vec<_>) = groups.into_iter().partition(|other| !other.is_disjoint(&group));
        group.extend(joined.into_iter().flatten());
        groups = apart;
        groups.push(group);
    }
    let later: BTreeSet<_> = swaps.iter().map(|swap| &swap.to).collect();
    let slot = |items: BTreeSet<String>| {
        let root = items.iter().find(|item| !later.contains(item)).or_else(|| items.first())?.clone();
        Some(Slot { items, root })
    };
    let mut slots: Vec<_> = groups.into_iter().filter_map(slot).collect();
    slots.sort_by(|a, b| a.root.cmp(&b.root));
    slots
}

impl Slot {
    /// Lines of paid invoices for this slot, each with whether the money of its invoice went back in full.
    fn lines<'a>(&'a self, purchase: &'a Purchase) -> impl Iterator<Item = PaidPeriod<'a>> {
        purchase.paid_lines().filter(|(_, line)| self.items.contains(&line.item)).map(|(invoice, line)| {
            let balance = purchase.refunds.of_invoice(&invoice.invoice, invoice.payment.as_deref(), invoice.amount);
            PaidPeriod { line, invoice: &invoice.invoice, paid_at: invoice.paid_at, taken_back: balance.full() }
        })
    }

    /// Units that were ever paid for.
    pub fn quantity(&self, purchase: &Purchase) -> u32 {
        self.lines(purchase).map(|period| period.line.quantity).max().unwrap_or(0)
    }

    /// The paid period of this unit that ends last, among those whose money was kept.
    pub fn last_period<'a>(&'a self, purchase: &'a Purchase, unit: u32) -> Option<PaidPeriod<'a>> {
        self.lines(purchase)
            .filter(|period| period.line.quantity > unit && !period.taken_back)
            .max_by_key(|period| (period.line.period_end, period.paid_at, period.invoice))
    }

    /// When this unit was first paid for.
    pub fn first_paid_at(&self, purchase: &Purchase, unit: u32) -> Option<Timestamp> {
        self.lines(purchase).filter(|period| period.line.quantity > unit).map(|period| period.paid_at).min()
    }

    /// What it entitles to now: what the latest fact says. A line of an invoice says what was bought from the beginning of
    /// its period on, however late it was paid, or from its payment on where that came first. Where an observation and a
    /// line are of the same second, the observation is of the state after the change; of several observations the one that a
    /// line agrees with; of several lines the longer one, or the one that was paid later.
    pub fn offer<'a>(&'a self, purchase: &'a Purchase) -> Option<(&'a Offer, &'a str)> {
        let paid = self.lines(purchase).map(|period| {
            let line = period.line;
            let (from, until) = (line.period_start.min(period.paid_at), line.period_end);
            ((from, 0, (until, period.paid_at), line.stripe_product.as_str(), line.item.as_str()), &line.offer)
        });
        let seen = purchase.observed.iter().flat_map(|seen| {
            let ours = seen.items.iter().filter(|item| self.items.contains(&item.item));
            ours.filter_map(|item| {
                let (at, product) = (seen.observed_at, item.stripe_product.as_deref().unwrap_or_default());
                let agrees = |line: &PaidLine| line.period_start == at && line.stripe_product == product;
                let rank = if self.lines(purchase).any(|period| agrees(period.line)) { 2 } else { 1 };
                Some(((at, rank, (at, at), product, item.item.as_str()), item.offer.as_ref()?))
            })
        });
        paid.chain(seen).max_by_key(|(at, _)| *at).map(|((_, _, _, _, item), offer)| (offer, item))
    }
}

/// A paid service period of a slot.
#[derive(Debug, Clone, Copy)]
pub struct PaidPeriod<'a> {
    /// The invoice's line.
    pub line: &'a PaidLine,
    /// The invoice.
    pub invoice: &'a str,
    /// When it was paid.
    pub paid_at: Timestamp,
    /// All of the invoice's money went back.
    pub taken_back: bool,
}

/// An item on one side of an update, as far as it tells which other one it may have replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side<'i> {
    /// The item.
    pub item: &'i str,
    /// Stripe's id of its product.
    pub product: Option<&'i str>,
    /// Whether it bills what was used.
    pub metered: bool,
}

/// Pairs items that an update removed with those it added: first those of the same product and kind, as when all prices go
/// from monthly to yearly; then those of the same kind, and the rest, in the order in which they stand.
pub fn swaps_between(before: &[Side<'_>], after: &[Side<'_>]) -> Vec<ItemSwap> {
    let without = |sides: &[Side<'_>], other: &Side<'_>| !sides.iter().any(|side| side.item == other.item);
    let mut gone: Vec<_> = before.iter().filter(|side| without(after, side)).collect();
    let mut came: Vec<_> = after.iter().filter(|side| without(before, side)).collect();
    let is_same_product = |from: &Side<'_>, to: &Side<'_>| {
        from.product.is_some() && from.product == to.product && from.metered == to.metered
    };
    let is_same_kind = |from: &Side<'_>, to: &Side<'_>| from.metered == to.metered;
    let mut pairs = Vec::new();
    for fits in [&is_same_product as &dyn Fn(&Side<'_>, &Side<'_>) -> bool, &is_same_kind, &|_, _| true] {
        gone.retain(|from| {
            let Some(at) = came.iter().position(|to| fits(from, to)) else { return true };
            pairs.push(ItemSwap { from: from.item.to_owned(), to: came.remove(at).item.to_owned() });
            false
        });
    }
    pairs
}

/// References of a subscription that do not depend on the slot.
pub fn shared_references(purchase: &Purchase) -> BTreeMap<String, String> {
    let subscription = purchase
        .invoices
        .values()
        .map(|invoice| &invoice.subscription)
        .chain(purchase.observed.iter().map(|seen| &seen.subscription))
        .next();
    let session = purchase.observed.iter().filter_map(|seen| seen.checkout_session.as_ref()).min();
    [("stripeSubscription", subscription), ("stripeCheckoutSession", session)]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.clone())))
        .collect()
}
