//! What follows from an attempt: sent, tried again, or given up. Pure but for the jitter.

use keyledger_events::event::delivery::{MailAbandoned, MailFailed, MailSent};
use keyledger_events::{Event, Timestamp};
use keyledger_projections::Delivery;

use crate::attempts::{is_hopeless, later, pause_ms};
use crate::mail::SendError;

/// Attempts of a mail at most: more than the three days have that it is tried for.
pub(super) const ATTEMPTS_MAX: u32 = 40;
/// The pause after the first failed attempt; it doubles each time.
const PAUSE_MS: u64 = 10_000;
/// The longest pause between attempts.
const PAUSE_MAX_MS: u64 = Delivery::WAIT_MS_MAX;

/// The event that concludes the attempt which `delivery` counts as its last.
pub(super) fn conclusion(delivery: &Delivery, attempt: Result<(), SendError>, now: Timestamp) -> Event {
    let attempts = delivery.attempts;
    match attempt {
        Ok(()) => MailSent { attempts }.into(),
        Err(SendError::Permanent { reason }) => MailAbandoned { reason }.into(),
        Err(SendError::Transient { reason }) if is_hopeless(attempts, delivery.requested_at, now, ATTEMPTS_MAX) => {
            MailAbandoned { reason: format!("given up after {attempts} attempts: {reason}") }.into()
        }
        Err(SendError::Transient { reason }) => {
            let retry_at = later(now, pause_ms(attempts, PAUSE_MS, PAUSE_MAX_MS));
            MailFailed { reason, attempts, retry_at }.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempts::AGE_SECONDS_MAX;

    /// Guards: a mail server that is down from Friday to Monday.
    #[test]
    fn the_attempts_last_as_long_as_the_days() {
        let shortest: u64 = (1..ATTEMPTS_MAX).map(|n| (PAUSE_MS << (n - 1).min(20)).min(PAUSE_MAX_MS) / 2).sum();
        assert!(i64::try_from(shortest).is_ok_and(|pauses| pauses >= AGE_SECONDS_MAX * 1_000), "{shortest}");
    }
}
