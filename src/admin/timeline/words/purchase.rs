//! What providers tell of purchases and payments.

use keyledger_events::Event;
use keyledger_events::event::purchase::{DisputeStatus, RefundStatus};

use super::{counted, time};

pub(super) fn sentence(event: &Event) -> Option<String> {
    Some(match event {
        Event::PurchaseRecorded(e) => {
            let amount =
                e.amount.map(|amount| format!(", {amount} of the currency's smallest unit")).unwrap_or_default();
            format!("{} sold {}{amount}, paid {}", e.provider, e.reference, time(e.purchased_at))
        }
        Event::PaymentFailed(e) => format!("a payment of {} failed", e.reference),
        Event::PeriodPaid(e) => {
            let until = e.lines.iter().map(|line| line.period_end).max();
            let until = until.map(|until| format!(", for a period until {}", time(until))).unwrap_or_default();
            let (invoice, subscription) = (&e.invoice, &e.subscription);
            format!(
                "the invoice {invoice} of {subscription} was paid, {} of the currency's smallest unit{until}",
                e.amount
            )
        }
        Event::SubscriptionObserved(e) => {
            let status = e.status.as_deref().map(|status| format!(", {status}")).unwrap_or_default();
            format!("the subscription {} has {}{status}", e.subscription, counted(e.items.len(), "item"))
        }
        Event::SubscriptionCeased(e) => format!("the subscription {} ended {}", e.subscription, time(e.ended_at)),
        Event::RefundRecorded(e) => {
            let state = match e.status {
                RefundStatus::Pending => "is on its way",
                RefundStatus::Succeeded => "has succeeded",
                RefundStatus::Failed => "has failed",
            };
            let refund = e.refund.as_deref().unwrap_or("all refunds so far");
            format!(
                "a refund ({refund}) of the payment {} {state}: {} of the currency's smallest unit",
                e.payment, e.amount
            )
        }
        Event::DisputeRecorded(e) => {
            let state = match e.status {
                DisputeStatus::Inquiry => "is a mere inquiry",
                DisputeStatus::Open => "is open",
                DisputeStatus::Won => "was won",
                DisputeStatus::Lost => "was lost",
            };
            format!("the dispute {} about the payment {} {state}", e.dispute, e.payment)
        }
        Event::RemovalRecorded(e) => {
            format!("the marketplace took the purchase back {} ({})", time(e.removed_at), e.reason)
        }
        Event::PurchaseAdopted(e) => {
            format!("the purchase {} of {} was taken over from another system", e.reference, e.provider)
        }
        Event::PaymentLinked(e) => format!("{} was found to belong to {}", e.reference, e.to_reference),
        _ => return None,
    })
}
