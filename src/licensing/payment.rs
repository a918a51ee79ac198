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
        own.chain(linked).find(|reference| reference.starts_with("in_"))
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
    pub fn refunds(&self) -> impl Iterator<Item = RefundRecorded> {
        let invoice = self.invoice().map(str::to_owned);
        self.nodes.values().flat_map(|node| &node.refunds).map(move |refund| RefundRecorded {
            invoice: refund.invoice.clone().or_else(|| invoice.clone()),
            ..refund.clone()
        })
    }

    /// Disputes told of any of them.
    pub fn disputes(&self) -> impl Iterator<Item = &DisputeRecorded> {
        self.nodes.values().flat_map(|node| &node.disputes)
    }
}
