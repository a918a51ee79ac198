//! Taking in a fact: what it changes in what we know, and what must happen because of it.

use std::collections::HashMap;

use keyledger_events::Event;
use keyledger_events::event::purchase::UnitLicensed;
use keyledger_projections::licenses::License;
use uuid::Uuid;

use super::consequences::{Consequence, consequences};
use super::desired::{Desired, Rules, adopted_as_they_are, desired};
use super::purchase::Purchase;

/// A fact worth recording, with its consequences.
#[derive(Debug, Clone, PartialEq)]
pub struct Lesson {
    /// The fact, naming the licences that it gives rise to.
    pub fact: Event,
    /// What must happen to licences, in the order in which they were bought.
    pub consequences: Vec<Consequence>,
}

/// What a fact teaches about a purchase whose licences are given by id; `None` when it is known already.
pub fn learn(purchase: &Purchase, licenses: &HashMap<Uuid, License>, rules: Rules, mut fact: Event) -> Option<Lesson> {
    if !purchase.learns_from(&fact) {
        return None;
    }
    let mut after = purchase.clone();
    after.evolve(&fact);
    let mut called_for = desired(&after, rules);
    called_for.extend(adopted_as_they_are(&after, &called_for, licenses));
    let consequences = consequences(&after, called_for, licenses, &fact);
    let issued = consequences.iter().filter_map(|consequence| match consequence {
        Consequence::Issue(desired) => Some(desired),
        Consequence::Change { .. } => None,
    });
    note_licensed(&mut fact, issued);
    Some(Lesson { fact, consequences })
}

/// Writes the licences that a fact gives rise to into the fact, where it has a place for them.
fn note_licensed<'d>(fact: &mut Event, issued: impl Iterator<Item = &'d Desired>) {
    let licensed = issued.map(|desired| UnitLicensed {
        item: desired.unit.item.clone(),
        unit: desired.unit.unit,
        license_id: desired.license_id,
    });
    match fact {
        Event::PurchaseRecorded(sale) => sale.licensed = licensed.collect(),
        Event::PeriodPaid(paid) => paid.licensed = licensed.collect(),
        Event::SubscriptionObserved(seen) => seen.licensed = licensed.collect(),
        _ => {}
    }
}
