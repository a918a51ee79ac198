//! Payments as the ledger has them, read together with everything that they are linked with.

use std::collections::BTreeMap;

use keyledger_events::{Expected, NewEvent, StreamId, StreamKind};

use super::draft::DraftError;
use super::inbox::Delivery;
use crate::app::App;
use crate::licensing::payment::{self, Payments};

/// Payments read from the ledger, with the versions they rest on and new events about them.
#[derive(Debug, Default)]
pub struct LoadedPayments {
    /// The payments.
    pub payments: Payments,
    /// The versions that were read.
    pub expected: Vec<Expected>,
    /// What is new about them.
    pub events: Vec<NewEvent>,
}

impl LoadedPayments {
    /// Reads the streams and everything they are linked with.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn load(&mut self, app: &App, delivery: &Delivery, wanted: &[StreamId]) -> Result<(), DraftError> {
        let of_payments = |stream: &&StreamId| stream.kind == StreamKind::Payment;
        let mut missing: Vec<_> = wanted.iter().filter(of_payments).copied().collect();
        missing.retain(|stream| !self.payments.nodes.contains_key(stream));
        while !missing.is_empty() {
            let mut found: BTreeMap<_, payment::Payment> =
                missing.iter().map(|stream| (*stream, payment::Payment::default())).collect();
            for recorded in app.ledger.read_streams(delivery.team, &missing).await? {
                found.entry(recorded.stream).or_default().evolve(&recorded.decode()?);
            }
            self.expected
                .extend(found.iter().map(|(stream, node)| Expected { stream: *stream, version: node.version }));
            self.payments.nodes.extend(found);
            missing = self.payments.missing();
        }
        Ok(())
    }
}
