//! A purchase: the fold over its stream of facts. Folding the same facts in another order, or some of them twice,
//! gives the same purchase.

use std::collections::{BTreeMap, BTreeSet};

use keyledger_events::event::inbox::Provider;
use keyledger_events::event::license::Offer;
use keyledger_events::event::purchase::{
    DisputeRecorded, DisputeStatus, ItemSwap, PaidLine, PeriodPaid, PurchaseLine, PurchaseRecorded,
    SubscriptionObserved, UnitLicensed,
};
use keyledger_events::{Event, StreamId, StreamKind, TeamId, Timestamp, id};
use uuid::Uuid;

use super::money::Refunds;

/// The stream of a Stripe checkout session or subscription.
pub fn stripe_stream(team: TeamId, reference: &str) -> StreamId {
    StreamId::new(StreamKind::Purchase, id::derived(team, &["stripe", reference]))
}

/// The stream of what a Polymart user bought of a Polymart product.
pub fn polymart_stream(team: TeamId, product: &str, user: &str) -> StreamId {
    StreamId::new(StreamKind::Purchase, id::derived(team, &["polymart", product, user]))
}

/// Everything that providers told about one thing sold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Purchase {
    /// The number of events in its stream.
    pub version: i64,
    /// A paid checkout session.
    pub checkout: Option<Checkout>,
    /// Purchases on a marketplace by their time: a removal may lie between two.
    pub marketplace: BTreeMap<Timestamp, Bought>,
    /// Paid invoices of a subscription, by invoice.
    pub invoices: BTreeMap<String, PeriodPaid>,
    /// What a subscription was seen to consist of, by time; the same moment is kept once per content.
    pub observed: Vec<SubscriptionObserved>,
    /// The earliest end of the subscription that was told.
    pub ceased_at: Option<Timestamp>,
    /// Money that went back.
    pub refunds: Refunds,
    /// How each dispute stands.
    pub disputes: BTreeMap<String, DisputeStatus>,
    /// When a marketplace took it back.
    pub removals: BTreeSet<Timestamp>,
    /// Payments that failed, by checkout session or invoice.
    pub failures: BTreeSet<String>,
    /// Who buys, as the first fact that knew it said.
    pub customer_id: Option<Uuid>,
    /// Licences issued so far.
    pub licensed: BTreeMap<Unit, Uuid>,
    /// The same, in the order in which they were issued.
    pub issued: Vec<Uuid>,
    /// The payment intents that paid invoices which do not name theirs, by invoice.
    pub payments: BTreeMap<String, String>,
    /// Licences that another system had issued for the first units.
    pub adopted: Vec<Uuid>,
}

/// One unit of something bought.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unit {
    /// The line item, subscription item, or Polymart product.
    pub item: String,
    /// 0 for the first unit of the quantity.
    pub unit: u32,
}

/// A purchase on a marketplace.
#[derive(Debug, Clone, PartialEq)]
pub struct Bought {
    /// What was bought.
    pub line: PurchaseLine,
    /// Which of the buyer's licences it began, in the order in which we learned of them. It keeps it whatever becomes
    /// known later: somebody has the key.
    pub began: Option<u32>,
}

/// Purchases on a marketplace with no removal between them: they are one licence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ownership {
    /// The times of the purchases, the earliest first.
    pub bought_at: Vec<Timestamp>,
    /// Whether a removal ended it.
    pub removed: bool,
}

/// A paid checkout session.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkout {
    /// Stripe's id of the session.
    pub session: String,
    /// The earliest moment at which it was told to be paid.
    pub paid_at: Timestamp,
    /// The payment intent.
    pub payment: Option<String>,
    /// What was paid, in the currency's smallest unit.
    pub amount: Option<i64>,
    /// The lines that are ours, by Stripe's id of the line.
    pub lines: BTreeMap<String, PurchaseLine>,
}

impl Purchase {
    /// Folds the next event of the stream. Events that are not a purchase's facts change nothing.
    pub fn evolve(&mut self, event: &Event) {
        self.version += 1;
        match event {
            Event::PurchaseRecorded(fact) => self.sold(fact),
            Event::PeriodPaid(fact) => self.paid(fact),
            Event::SubscriptionObserved(fact) => self.observe(fact),
            Event::SubscriptionCeased(fact) => {
                self.ceased_at = Some(self.ceased_at.map_or(fact.ended_at, |known| known.min(fact.ended_at)));
            }
            Event::RefundRecorded(fact) => self.refunds.record(fact),
            Event::DisputeRecorded(fact) => self.dispute(fact),
            Event::RemovalRecorded(fact) => {
                self.removals.insert(fact.removed_at);
                self.number_ownerships();
            }
            Event::PurchaseAdopted(fact) => {
                for license_id in &fact.license_ids {
                    if !self.adopted.contains(license_id) {
                        self.adopted.push(*license_id);
                    }
                }
            }
            Event::PaymentFailed(fact) => {
                self.failures.insert(fact.reference.clone());
            }
            Event::PaymentLinked(fact) => {
                let known = self.payments.entry(fact.to_reference.clone()).or_insert_with(|| fact.reference.clone());
                if fact.reference < *known {
                    known.clone_from(&fact.reference);
                }
            }
            _ => {}
        }
    }

    fn sold(&mut self, fact: &PurchaseRecorded) {
        self.note_licensed(&fact.licensed);
        self.customer_id = self.customer_id.or(fact.customer_id);
        match fact.provider {
            Provider::Stripe => self.checked_out(fact),
            Provider::Polymart => {
                for line in &fact.lines {
                    let bought = || Bought { line: line.clone(), began: None };
                    self.marketplace.entry(fact.purchased_at).or_insert_with(bought);
                }
                self.number_ownerships();
            }
        }
    }

    /// A buyer owns a product on a marketplace once. A removal, of the same moment as a purchase or later, ends that; a
    /// purchase after it begins the next ownership. A removal with nothing to end has no effect. The earliest first.
    pub fn ownerships(&self) -> Vec<Ownership> {
        let bought = self.marketplace.keys().map(|at| (*at, false));
        let mut story: Vec<_> = bought.chain(self.removals.iter().map(|at| (*at, true))).collect();
        story.sort_unstable();
        let mut found: Vec<Ownership> = Vec::new();
        for (at, is_removal) in story {
            match (is_removal, found.last_mut()) {
                (true, Some(last)) => last.removed = true,
                (true, None) => {}
                (false, Some(last)) if !last.removed => last.bought_at.push(at),
                (false, _) => found.push(Ownership { bought_at: vec![at], removed: false }),
            }
        }
        found
    }

    /// Which of the buyer's licences an ownership is.
    pub fn number_of(&self, ownership: &Ownership) -> Option<u32> {
        ownership.bought_at.iter().filter_map(|at| self.marketplace.get(at)?.began).min()
    }

    fn number_ownerships(&mut self) {
        for ownership in self.ownerships() {
            if self.number_of(&ownership).is_some() {
                continue;
            }
            let next = self.marketplace.values().filter_map(|bought| bought.began).max().map_or(0, |last| last + 1);
            if let Some(first) = ownership.bought_at.first().and_then(|at| self.marketplace.get_mut(at)) {
                first.began = Some(next);
            }
        }
    }

    /// A session that is told twice was paid at the earlier moment, and its lines add up.
    fn checked_out(&mut self, fact: &PurchaseRecorded) {
        let checkout = self.checkout.get_or_insert_with(|| Checkout {
            session: fact.reference.clone(),
            paid_at: fact.purchased_at,
            payment: None,
            amount: None,
            lines: BTreeMap::new(),
        });
        checkout.paid_at = checkout.paid_at.min(fact.purchased_at);
        checkout.payment = checkout.payment.take().or_else(|| fact.payment.clone());
        checkout.amount = checkout.amount.max(fact.amount);
        for line in &fact.lines {
            checkout.lines.entry(line.item.clone()).or_insert_with(|| line.clone());
        }
    }

    fn paid(&mut self, fact: &PeriodPaid) {
        self.note_licensed(&fact.licensed);
        self.customer_id = self.customer_id.or(fact.customer_id);
        match self.invoices.get_mut(&fact.invoice) {
            None => {
                self.invoices.insert(fact.invoice.clone(), fact.clone());
            }
            Some(known) => {
                known.paid_at = known.paid_at.min(fact.paid_at);
                known.amount = known.amount.max(fact.amount);
                known.payment = known.payment.take().or_else(|| fact.payment.clone());
                known.customer_id = known.customer_id.or(fact.customer_id);
                known.swapped = known.swapped.take().or_else(|| fact.swapped.clone());
                for line in &fact.lines {
                    if !known.lines.iter().any(|old| same_period(old, line)) {
                        known.lines.push(line.clone());
                    }
                }
                for product in &fact.not_ours {
                    if !known.not_ours.contains(product) {
                        known.not_ours.push(product.clone());
                    }
                }
            }
        }
    }

    fn observe(&mut self, fact: &SubscriptionObserved) {
        self.note_licensed(&fact.licensed);
        self.customer_id = self.customer_id.or(fact.customer_id);
        let seen = SubscriptionObserved { licensed: Vec::new(), ..fact.clone() };
        if !self.observed.contains(&seen) {
            self.observed.push(seen);
        }
    }

    /// Won and lost are final; an inquiry may become a dispute but never undoes one.
    fn dispute(&mut self, fact: &DisputeRecorded) {
        let known = self.disputes.entry(fact.dispute.clone()).or_insert(fact.status);
        *known = (*known).max(fact.status);
    }

    fn note_licensed(&mut self, licensed: &[UnitLicensed]) {
        for unit in licensed {
            if !self.issued.contains(&unit.license_id) {
                self.issued.push(unit.license_id);
            }
            self.licensed.insert(Unit { item: unit.item.clone(), unit: unit.unit }, unit.license_id);
        }
    }

    /// Whether an event would tell anything new.
    pub fn learns_from(&self, event: &Event) -> bool {
        let mut after = self.clone();
        after.evolve(event);
        after.version = self.version;
        // Which licences were issued is our own note, not the provider's fact.
        after.licensed.clone_from(&self.licensed);
        after.issued.clone_from(&self.issued);
        after != *self
    }

    /// Swaps of one subscription item for another: those that updates told, and those that invoices read like and updates
    /// show, where nothing that is known speaks against it.
    pub fn swaps(&self) -> Vec<ItemSwap> {
        let read = self.invoices.values().filter_map(|invoice| Some((invoice.swapped.as_ref()?, invoice.paid_at)));
        let read = read.filter(|(swap, paid_at)| self.may_be(swap, *paid_at)).map(|(swap, _)| swap.clone());
        let shown = self.observed.iter().filter_map(|seen| self.shown_swap(seen));
        self.told_swaps().cloned().chain(read).chain(shown).chain(self.named_swap()).collect()
    }

    /// Where lines of invoices did not name their item, the subscription stands for it; what the only item is called becomes
    /// known when the subscription is seen.
    fn named_swap(&self) -> Option<ItemSwap> {
        let (invoice, _) = self.paid_lines().find(|(invoice, line)| line.item == invoice.subscription)?;
        let seen = self.observed.iter().filter(|seen| !seen.items.is_empty()).min_by_key(|seen| seen.observed_at)?;
        let [item] = &seen.items[..] else { return None };
        Some(ItemSwap { from: invoice.subscription.clone(), to: item.item.clone() })
    }

    /// What an update shows that does not tell what was before: one item that was paid for is gone, and one that nobody had
    /// met has come.
    fn shown_swap(&self, seen: &SubscriptionObserved) -> Option<ItemSwap> {
        if !seen.untold {
            return None;
        }
        let at = seen.observed_at;
        let before = self.paid_lines().filter(|(invoice, line)| invoice.paid_at <= at && !holds(seen, &line.item));
        let gone: BTreeSet<_> = before.map(|(_, line)| line.item.as_str()).collect();
        let from = gone.first().filter(|_| gone.len() == 1)?;
        let is_new = |item: &str| {
            let paid = self.paid_lines().any(|(invoice, line)| line.item == item && invoice.paid_at < at);
            !paid && !self.observed.iter().any(|other| other.observed_at < at && holds(other, item))
        };
        let came = seen.items.iter().filter(|item| !item.metered && is_new(&item.item));
        let came: BTreeSet<_> = came.map(|item| item.item.as_str()).collect();
        let to = came.first().filter(|_| came.len() == 1)?;
        let swap = ItemSwap { from: (*from).to_owned(), to: (*to).to_owned() };
        self.may_be(&swap, at).then_some(swap)
    }

    fn told_swaps(&self) -> impl Iterator<Item = &ItemSwap> {
        self.observed.iter().flat_map(|seen| &seen.swapped)
    }

    /// Whether what looks like a swap at that time may be one: no update told of another one of these items, the new one was
    /// not paid for before, and they were not seen side by side.
    fn may_be(&self, swap: &ItemSwap, at: Timestamp) -> bool {
        let told = self.told_swaps().any(|told| told.from == swap.from || told.to == swap.to);
        let before = self.paid_lines().any(|(invoice, line)| line.item == swap.to && invoice.paid_at < at);
        !told && !before && !self.came_beside(&swap.to, &swap.from, at)
    }

    /// Lines of all paid invoices, each with its invoice.
    pub fn paid_lines(&self) -> impl Iterator<Item = (&PeriodPaid, &PaidLine)> {
        self.invoices.values().flat_map(|invoice| invoice.lines.iter().map(move |line| (invoice, line)))
    }

    /// The offer that a Stripe product stood for when it was last met in this purchase, so that an ordinary
    /// renewal needs no call.
    pub fn known_offer(&self, stripe_product: &str) -> Option<&Offer> {
        let paid = self
            .paid_lines()
            .filter(|(_, line)| line.stripe_product == stripe_product)
            .map(|(invoice, line)| (invoice.paid_at, &line.offer));
        let seen = self.observed.iter().flat_map(|seen| {
            seen.items
                .iter()
                .filter(|item| item.stripe_product.as_deref() == Some(stripe_product))
                .filter_map(|item| item.offer.as_ref().map(|offer| (seen.observed_at, offer)))
        });
        paid.chain(seen).max_by_key(|(at, _)| *at).map(|(_, offer)| offer)
    }

    /// Whether a subscription item was met before, in an invoice or an observation.
    pub fn knows_item(&self, item: &str) -> bool {
        self.has_slot(item) || self.observed.iter().any(|seen| holds(seen, item))
    }

    /// Whether a subscription item was paid for or swapped.
    fn has_slot(&self, item: &str) -> bool {
        self.paid_lines().any(|(_, line)| line.item == item)
            || self.swaps().iter().any(|swap| swap.from == item || swap.to == item)
    }

    /// Subscription items that were paid for or came by a swap, and that no known swap has replaced.
    pub fn last_items(&self) -> BTreeSet<String> {
        let (paid, swaps) = (self.paid_lines().map(|(_, line)| line.item.clone()), self.swaps());
        let mut last: BTreeSet<_> = paid.chain(swaps.iter().map(|swap| swap.to.clone())).collect();
        for swap in swaps {
            last.remove(&swap.from);
        }
        last
    }

    /// Whether a subscription was seen with both items, or with neither after `earlier` was paid for and before `at`, when
    /// `later` was there: then `later` has not replaced it.
    pub fn came_beside(&self, later: &str, earlier: &str, at: Timestamp) -> bool {
        let paid = self.paid_lines().filter(|(_, line)| line.item == earlier).map(|(invoice, _)| invoice.paid_at);
        let paid_at = paid.min();
        self.observed.iter().filter(|seen| !seen.items.is_empty()).any(|seen| {
            match (holds(seen, later), holds(seen, earlier)) {
                (true, true) => true,
                (false, false) => paid_at.is_some_and(|paid_at| paid_at < seen.observed_at && seen.observed_at < at),
                _ => false,
            }
        })
    }

    /// Whether a Stripe product was met and is none of ours.
    pub fn is_not_ours(&self, stripe_product: &str) -> bool {
        let paid = self.invoices.values().flat_map(|invoice| &invoice.not_ours);
        let seen = self.observed.iter().flat_map(|seen| &seen.not_ours);
        paid.chain(seen).any(|product| product == stripe_product)
    }

    /// Whether a subscription item was seen to bill what is used.
    pub fn is_metered(&self, item: &str) -> bool {
        self.observed.iter().flat_map(|seen| &seen.items).any(|seen| seen.item == item && seen.metered)
    }

    /// Whether the subscription was heard of at all.
    pub fn is_known_subscription(&self) -> bool {
        !self.invoices.is_empty() || !self.observed.is_empty()
    }
}

fn holds(seen: &SubscriptionObserved, item: &str) -> bool {
    seen.items.iter().any(|known| known.item == item)
}

fn same_period(old: &PaidLine, new: &PaidLine) -> bool {
    old.item == new.item && old.period_start == new.period_start && old.period_end == new.period_end
}
