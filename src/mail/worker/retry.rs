//! What follows from an attempt: sent, tried again, or given up. Pure but for the jitter.

use keyledger_events::event::delivery::{MailAbandoned, MailFailed, MailSent};
use keyledger_events::{Event, Timestamp};
use keyledger_projections::Delivery;
use rand::RngExt as _;

use crate::mail::SendError;

/// Attempts of a mail at most.
pub(super) const ATTEMPTS_MAX: u32 = 20;
/// A mail is not tried again when it was requested this long ago …
const AGE_SECONDS_MAX: i64 = 3 * 86_400;
/// … and has had as many attempts: an outage of our own must not leave a mail with a single one.
const ATTEMPTS_MIN: u32 = 3;
/// The pause after the first failed attempt; it doubles each time.
const PAUSE_MS: u64 = 10_000;
/// The longest pause between attempts.
const PAUSE_MAX_MS: u64 = 6 * 3_600 * 1_000;

/// The event that concludes the attempt which `delivery` counts as its last.
pub(super) fn conclusion(delivery: &Delivery, attempt: Result<(), SendError>, now: Timestamp) -> Event {
    let attempts = delivery.attempts;
    match attempt {
        Ok(()) => MailSent { attempts }.into(),
        Err(SendError::Permanent { reason }) => MailAbandoned { reason }.into(),
        Err(SendError::Transient { reason }) if is_hopeless(delivery, now) => {
            MailAbandoned { reason: format!("given up after {attempts} attempts: {reason}") }.into()
        }
        Err(SendError::Transient { reason }) => {
            let retry_at = later(now, pause_ms(attempts));
            MailFailed { reason, attempts, retry_at }.into()
        }
    }
}

fn is_hopeless(delivery: &Delivery, now: Timestamp) -> bool {
    let age_seconds = now.as_second() - delivery.requested_at.as_second();
    delivery.attempts >= ATTEMPTS_MAX || (delivery.attempts >= ATTEMPTS_MIN && age_seconds >= AGE_SECONDS_MAX)
}

/// The pause after so many attempts, in milliseconds: between half of the full pause and all of it.
fn pause_ms(attempts: u32) -> i64 {
    let full = PAUSE_MS.saturating_mul(1 << attempts.saturating_sub(1).min(20)).min(PAUSE_MAX_MS);
    i64::try_from(rand::rng().random_range(full / 2..=full)).unwrap_or(i64::MAX)
}

/// A moment later by milliseconds.
pub(super) fn later(now: Timestamp, milliseconds: i64) -> Timestamp {
    let microseconds = now.as_microsecond().saturating_add(milliseconds.saturating_mul(1_000));
    keyledger_events::clock::from_microseconds(microseconds).unwrap_or(Timestamp::MAX)
}
