//! What a mail says about a key besides the key.

use keyledger_events::Timestamp;
use keyledger_projections::License;

use crate::mail::{day, moment};

/// How long the licence lasts, in a sentence for its buyer; empty when it has no end.
pub(super) fn note(license: &License, now: Timestamp) -> String {
    let subscription = license.terms.subscription.as_ref().filter(|_| license.follows_subscription());
    if let Some(subscription) = subscription.filter(|subscription| subscription.ended_at.is_none()) {
        return match subscription.paid_until {
            Some(until) => format!("Renews with your subscription, which is paid until {}.", day(until)),
            None => "Valid while your subscription is paid.".to_owned(),
        };
    }
    if license.awaits_activation() {
        return match license.expiration_days() {
            Some(1) => "Valid for 1 day, which begins with the first activation.".to_owned(),
            Some(days) => format!("Valid for {days} days, which begin with the first activation."),
            None => String::new(),
        };
    }
    match license.expires_at() {
        Some(end) if end <= now => format!("Was valid until {}.", moment(end)),
        Some(end) => format!("Valid until {}.", moment(end)),
        None => String::new(),
    }
}
