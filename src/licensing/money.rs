//! Money that went back, counted once. A refund is told by its own events and again in the running total of
//! `charge.refunded`; a refund that succeeded may still fail later.

use std::collections::BTreeMap;

use keyledger_events::event::purchase::{RefundRecorded, RefundStatus};

/// Refunds of a purchase, by payment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Refunds {
    payments: BTreeMap<String, RefundedPayment>,
}

/// What went back of one payment.
#[derive(Debug, Clone, PartialEq, Default)]
struct RefundedPayment {
    /// The invoice it paid, where that is known.
    invoice: Option<String>,
    /// Each refund's amount and how it stands, by refund.
    refunds: BTreeMap<String, (i64, RefundStatus)>,
    /// The highest running total that was told.
    total_told: i64,
    /// All that was paid, where the provider said so.
    paid: Option<i64>,
}

impl RefundedPayment {
    fn sum(&self, status: RefundStatus) -> i64 {
        self.refunds.values().filter(|(_, stands)| *stands == status).map(|(amount, _)| *amount).sum()
    }

    /// The running total counts refunds that are on their way or failed afterwards; those told by name count when they
    /// have succeeded.
    fn refunded(&self) -> i64 {
        let not_back = self.sum(RefundStatus::Pending) + self.sum(RefundStatus::Failed);
        self.sum(RefundStatus::Succeeded).max(self.total_told - not_back).max(0)
    }
}

/// What went back and what had been paid, in the currency's smallest unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balance {
    /// Gone back.
    pub refunded: i64,
    /// Paid; 0 when nobody said.
    pub paid: i64,
}

impl Balance {
    /// Whether all that was paid went back. Nothing paid is never a full refund.
    pub fn full(self) -> bool {
        self.refunded > 0 && self.paid > 0 && self.refunded >= self.paid
    }
}

impl Refunds {
    /// Takes in what was told of a refund. Later stages outrank earlier ones in whatever order they come.
    pub fn record(&mut self, fact: &RefundRecorded) {
        let payment = self.payments.entry(fact.payment.clone()).or_default();
        payment.invoice = payment.invoice.take().or_else(|| fact.invoice.clone());
        payment.paid = payment.paid.max(fact.paid);
        match &fact.refund {
            None => payment.total_told = payment.total_told.max(fact.amount),
            Some(id) => {
                let known = payment.refunds.entry(id.clone()).or_insert((fact.amount, fact.status));
                *known = (known.0.max(fact.amount), known.1.max(fact.status));
            }
        }
    }

    /// The balance over all payments, of which `amount` had been paid in all if that is known.
    pub fn of_sale(&self, amount: Option<i64>) -> Balance {
        self.balance(amount, |_, _| true)
    }

    /// The balance of one invoice.
    pub fn of_invoice(&self, invoice: &str, payment: Option<&str>, amount: i64) -> Balance {
        // An invoice that does not say what was paid for it says 0.
        let amount = (amount > 0).then_some(amount);
        self.balance(amount, |id, refunded| refunded.invoice.as_deref() == Some(invoice) || payment == Some(id))
    }

    /// What went back of one payment.
    pub fn of_payment(&self, payment: &str) -> i64 {
        self.payments.get(payment).map_or(0, RefundedPayment::refunded)
    }

    fn balance(&self, amount: Option<i64>, concerns: impl Fn(&str, &RefundedPayment) -> bool) -> Balance {
        let concerned = || self.payments.iter().filter(|(id, payment)| concerns(id, payment)).map(|(_, p)| p);
        let told: i64 = concerned().filter_map(|payment| payment.paid).sum();
        Balance { refunded: concerned().map(RefundedPayment::refunded).sum(), paid: amount.unwrap_or(told) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(refund: Option<&str>, amount: i64, status: RefundStatus) -> RefundRecorded {
        RefundRecorded {
            refund: refund.map(str::to_owned),
            payment: "pi_1".into(),
            invoice: None,
            amount,
            status,
            paid: Some(1000),
        }
    }

    fn balance(facts: &[RefundRecorded]) -> Balance {
        let mut refunds = Refunds::default();
        facts.iter().for_each(|fact| refunds.record(fact));
        refunds.of_sale(Some(1000))
    }

    #[test]
    fn the_same_money_is_not_counted_twice() {
        use RefundStatus::{Pending, Succeeded};
        let facts = [told(Some("re_1"), 400, Pending), told(Some("re_1"), 400, Succeeded), told(None, 400, Succeeded)];
        assert_eq!(balance(&facts).refunded, 400);
        assert!(!balance(&facts).full());
    }

    #[test]
    fn a_pending_refund_counts_for_nothing() {
        use RefundStatus::{Pending, Succeeded};
        let (pending, total) = (told(Some("re_1"), 1000, Pending), told(None, 1000, Succeeded));
        assert_eq!(balance(std::slice::from_ref(&pending)).refunded, 0);
        assert_eq!(balance(&[total.clone(), pending.clone()]).refunded, 0, "the running total has it already");
        assert!(balance(&[total, told(Some("re_1"), 1000, Succeeded), pending]).full());
    }

    #[test]
    fn two_halves_make_a_full_refund() {
        use RefundStatus::Succeeded;
        assert!(balance(&[told(Some("re_1"), 500, Succeeded), told(Some("re_2"), 500, Succeeded)]).full());
    }

    #[test]
    fn a_failed_refund_is_undone_in_any_order() {
        use RefundStatus::{Failed, Succeeded};
        let total = told(None, 1000, Succeeded);
        let (went, failed) = (told(Some("re_1"), 1000, Succeeded), told(Some("re_1"), 1000, Failed));
        for facts in [[&total, &went, &failed], [&failed, &went, &total], [&went, &failed, &total]] {
            let facts: Vec<_> = facts.into_iter().cloned().collect();
            assert_eq!(balance(&facts).refunded, 0);
        }
    }
}
