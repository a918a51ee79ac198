//! What happens to licences.

use keyledger_events::Event;
use keyledger_events::event::license::{Expiration, LicenseAmended, ReleaseReason, SeatLimit, Terms};

use super::{because, counted, time};

pub(super) fn sentence(event: &Event) -> Option<String> {
    Some(match event {
        Event::LicenseIssued(e) => {
            let mode = e.livemode.map_or("", |live| if live { "" } else { ", in test mode" });
            format!("the licence was issued, unit {} of {}{mode}{}", e.unit + 1, e.item, validity(&e.terms))
        }
        Event::LicenseActivated(e) => match e.expires_at {
            Some(end) => format!("the licence was first used; it ends {}", time(end)),
            None => "the licence was first used".to_owned(),
        },
        Event::SubscriptionRenewed(e) => {
            format!("the licence was renewed by the invoice {}{}", e.invoice, validity(&e.terms))
        }
        Event::SubscriptionChanged(e) => format!("what was subscribed to changed{}", validity(&e.terms)),
        Event::SubscriptionEnded(e) => {
            let ended_at = e.terms.subscription.as_ref().and_then(|subscription| subscription.ended_at);
            match ended_at {
                Some(end) => format!("the subscription ended {}", time(end)),
                None => "the subscription ended".to_owned(),
            }
        }
        Event::PaymentRefunded(e) if e.refunded == 0 => {
            format!("nothing of the payment {} went back to the buyer after all", e.payment)
        }
        Event::PaymentRefunded(e) if e.full => {
            format!("the payment {} went back to the buyer in full, {} in all", e.payment, money(e.refunded))
        }
        Event::PaymentRefunded(e) => {
            format!("a part of the payment {} went back to the buyer, {} so far", e.payment, money(e.refunded))
        }
        Event::DisputeOpened(e) => format!("the buyer disputes the payment ({}); the licence is suspended", e.dispute),
        Event::DisputeClosed(e) => {
            let end = if e.won { "the seller kept the money" } else { "the buyer got the money back" };
            format!("the dispute {} is over: {end}", e.dispute)
        }
        Event::LicenseExpiringSoon(e) => format!("the licence will run out soon, on {}", time(e.expires_at)),
        Event::LicenseExpired(e) => format!("the licence ran out, due {}", time(e.due_at)),
        Event::LicenseSuspended(e) => format!("the licence was suspended{}", because(e.reason.as_deref())),
        Event::LicenseReinstated(e) => format!("the licence was reinstated{}", because(e.reason.as_deref())),
        Event::LicenseRevoked(e) => format!("the licence was revoked{}", because(e.reason.as_deref())),
        Event::LicenseUpdated(e) => {
            format!("the licence was corrected by a fact that arrived late{}", validity(&e.terms))
        }
        Event::LicenseAmended(e) => format!("the seller set {}", amended(e)),
        Event::LicenseExtended(e) => format!("the seller extended the licence to {}", time(e.until)),
        Event::LicenseKeyReplaced(_) => "the licence got another key; the old one opens nothing any more".to_owned(),
        Event::DeviceBound(e) => format!("the device {} took a seat", e.device_id),
        Event::DeviceReleased(e) => format!("the seat of the device {} became free: {}", e.device_id, why(e.reason)),
        Event::AddressBound(e) => format!("the address {} took a seat", e.address_id),
        Event::AddressReleased(e) => {
            format!("the seat of the address {} became free: {}", e.address_id, why(e.reason))
        }
        Event::PlaceholderAnswered(e) => {
            format!("the key was given to {} for the download of user {}, product {}", e.provider, e.user, e.product)
        }
        _ => return None,
    })
}

/// How long it is good now, as far as its terms decide it.
fn validity(terms: &Terms) -> String {
    if terms.revoked {
        return "; it is void".to_owned();
    }
    match (&terms.subscription, terms.offer.expiration_days) {
        (Some(subscription), _) => match subscription.paid_until {
            Some(until) => format!("; paid until {}", time(until)),
            None => "; no period of it is paid".to_owned(),
        },
        (None, Some(days)) => format!("; good for {}", counted(days.try_into().unwrap_or(usize::MAX), "day")),
        (None, None) => String::new(),
    }
}

fn amended(e: &LicenseAmended) -> String {
    let limit = |limit: SeatLimit| limit.number().map_or_else(|| "none".to_owned(), |number| number.to_string());
    let mut parts = Vec::new();
    if let Some(ids) = &e.product_ids {
        parts.push(format!("the products to {} of them", ids.len()));
    }
    if let Some(ids) = &e.customer_ids {
        parts.push(format!("the holders to {} of them", ids.len()));
    }
    parts.extend(e.ip_limit.map(|it| format!("the address limit to {}", limit(it))));
    parts.extend(e.hwid_limit.map(|it| format!("the device limit to {}", limit(it))));
    parts.extend(e.expiration.map(|it| match it {
        Expiration::Never => "that it never ends".to_owned(),
        Expiration::Date(end) => format!("its end to {}", time(end)),
        Expiration::Duration { days, .. } => format!("its end to {days} days after its beginning"),
    }));
    parts.extend(e.metadata.as_ref().map(|_| "the notes".to_owned()));
    if parts.is_empty() { "nothing new".to_owned() } else { parts.join(", ") }
}

fn why(reason: ReleaseReason) -> &'static str {
    match reason {
        ReleaseReason::TimedOut => "it had not been seen for long",
        ReleaseReason::Forgotten => "the seller said so",
    }
}

/// The ledger knows amounts and no currencies.
fn money(amount: i64) -> String {
    format!("{amount} of the currency's smallest unit")
}
