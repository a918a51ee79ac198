//! Payments as a small graph: payment intents, charges and invoices, linked to each other and to the purchase
//! they paid for. A refund or dispute is kept with its payment, and with the purchase as soon as there is a way
//! from one to the other, whichever came first.

use std::collections::{BTreeMap, BTreeSet};

use keyledger_events::event::payment::PaymentLinked;
use keyledger_events::event::purchase::{DisputeRecorded, RefundRecorded};
use keyledger_events::{Event, StreamId, StreamKind, TeamId, id};

/// The stream of a payment intent, charge or invoice.
pub fn stream(team: TeamId, reference: &str) -> StreamId {
    StreamId::new(StreamKind::Payment, id::derived(team, &["stripe", "payment", reference]))
}

fn is_intent(reference: &str) -> bool {
    reference.starts_with("pi_")
}

fn is_invoice(reference: &str) -> bool {
    reference.starts_with("in_")
}

/// A payment intent, charge or invoice: the fold over its stream.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Payment {
    /// The number of events in its stream.
    pub version: i64,
    /// The provider's id, once an event has named it.
    pub reference: Option<String>,
    /// Where it leads, with the provider's id of the other end.
    pub links: BTreeMap<StreamId, String>,
    /// Refunds told of it.
    pub refunds: Vec<RefundRecorded>,
    /// Disputes told of it.
    pub disputes: Vec<DisputeRecorded>,
}

impl Payment {
    /// Folds the next event of the stream.
    pub fn evolve(&mut self, event: &Event) {
        self.version += 1;
        match event {
            Event::PaymentLinked(PaymentLinked { reference, to, to_reference }) => {
                self.reference = Some(reference.clone());
                self.links.insert(*to, to_reference.clone());
            }
            Event::RefundRecorded(refund) => self.refunds.push(refund.clone()),
            Event::DisputeRecorded(dispute) => self.disputes.push(dispute.clone()),
            _ => {}
        }
    }
}

/// Payments that are linked with each other.
#[derive(Debug, Clone, Default)]
pub struct Payments {
    /// By stream; a stream without events is here with version 0.
    pub nodes: BTreeMap<StreamId, Payment>,
}

impl Payments {
    /// Streams that are linked to but not loaded yet.
    pub fn missing(&self) -> Vec<StreamId> {
        let linked: BTreeSet<_> = self.nodes.values().flat_map(|node| node.links.keys().copied()).collect();
        linked
            .into_iter()
            .filter(|stream| stream.kind == StreamKind::Payment && !self.nodes.contains_key(stream))
            .collect()
    }

    /// The purchase that any of them leads to.
    pub fn purchase(&self) -> Option<StreamId> {
        self.nodes.values().flat_map(|node| node.links.keys()).find(|to| to.kind == StreamKind::Purchase).copied()
    }

    /// The invoice among them.
    pub fn invoice(&self) -> Option<&str> {
        let own = self.nodes.values().filter_map(|node| node.reference.as_deref());
        let linked = self.nodes.values().flat_map(|node| node.links.values().map(String::as_str));
        own.chain(linked).find(|reference| is_invoice(reference))
    }

    /// Links two ends, each known to the provider by a reference. Says what is new, one event per payment stream;
    /// a purchase needs no link back.
    pub fn link(&mut self, from: (StreamId, &str), to: (StreamId, &str)) -> Vec<(StreamId, PaymentLinked)> {
        let both_ways = [(from, to), (to, from)];
        both_ways
            .into_iter()
            .filter(|(near, _)| near.0.kind == StreamKind::Payment)
            .filter_map(|(near, far)| {
                let node = self.nodes.entry(near.0).or_default();
                if node.links.contains_key(&far.0) {
                    return None;
                }
                node.reference = Some(near.1.to_owned());
                node.links.insert(far.0, far.1.to_owned());
                let link = PaymentLinked { reference: near.1.to_owned(), to: far.0, to_reference: far.1.to_owned() };
                Some((near.0, link))
            })
            .collect()
    }

    /// Refunds told of any of them, naming the invoice where one is known.
    pub fn refunds(&self) -> impl Iterator<Item = Event> {
        let invoice = self.invoice().map(str::to_owned);
        self.nodes.values().flat_map(|node| &node.refunds).map(move |refund| {
            let invoice = refund.invoice.clone().or_else(|| invoice.clone());
            self.named_once(RefundRecorded { invoice, ..refund.clone() }.into())
        })
    }

    /// Disputes told of any of them.
    pub fn disputes(&self) -> impl Iterator<Item = Event> {
        self.nodes.values().flat_map(|node| &node.disputes).map(|dispute| self.named_once(dispute.clone().into()))
    }

    /// Which payment intent paid which invoice, as the links tell.
    pub fn paid_invoices(&self) -> Vec<PaymentLinked> {
        let mut found = Vec::new();
        for node in self.nodes.values() {
            let Some(reference) = node.reference.as_deref().filter(|reference| is_intent(reference)) else { continue };
            for (to, to_reference) in node.links.iter().filter(|(_, other)| is_invoice(other)) {
                let (reference, to_reference) = (reference.to_owned(), to_reference.clone());
                found.push(PaymentLinked { reference, to: *to, to_reference });
            }
        }
        found
    }

    /// A refund or dispute of a charge as one of its payment intent, where that is known: the same money is told under both
    /// names.
    pub fn named_once(&self, fact: Event) -> Event {
        match fact {
            Event::RefundRecorded(fact) => RefundRecorded { payment: self.intent_of(&fact.payment), ..fact }.into(),
            Event::DisputeRecorded(fact) => DisputeRecorded { payment: self.intent_of(&fact.payment), ..fact }.into(),
            other => other,
        }
    }

    /// The payment intent that a charge belongs to: the one it is linked with, or that of the invoice which both paid alone.
    fn intent_of(&self, payment: &str) -> String {
        let named = |reference: &str| self.nodes.values().find(|node| node.reference.as_deref() == Some(reference));
        let intents =
            |node: &Payment| node.links.values().filter(|other| is_intent(other)).cloned().collect::<Vec<_>>();
        let Some(node) = named(payment).filter(|_| !is_intent(payment)) else { return payment.to_owned() };
        let through_invoice = || {
            let invoice = named(node.links.values().find(|other| is_invoice(other))?)?;
            let charges =
                invoice.links.values().filter(|other| !is_intent(other) && !other.starts_with("sub_")).count();
            (charges == 1).then(|| intents(invoice))
        };
        let found = Some(intents(node)).filter(|intents| !intents.is_empty()).or_else(through_invoice);
        match found.as_deref() {
            Some([intent]) => intent.clone(),
            _ => payment.to_owned(),
        }
    }
}
