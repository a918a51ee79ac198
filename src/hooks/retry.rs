//! What follows from an attempt: delivered, tried again, or given up. Pure but for the jitter.

use keyledger_events::{Timestamp, clock};
use keyledger_projections::{Endpoint, Hook};
use rand::RngExt as _;

/// A hook is not tried again when it has been owed, or was asked for again, this long …
pub(super) const AGE_SECONDS_MAX: i64 = 3 * 86_400;
/// … and has had as many attempts: an outage of our own must not leave a hook with a single one.
const ATTEMPTS_MIN: u32 = 3;
/// Attempts of a hook at most.
pub(super) const ATTEMPTS_MAX: u32 = 40;
/// The pause after the first failed attempt; it doubles each time.
const PAUSE_MS: u64 = 5_000;
/// The longest pause between attempts.
const PAUSE_MAX_MS: u64 = 8 * 3_600 * 1_000;
/// An endpoint where nothing has got through for so long is not posted to any more.
pub(super) const FAILING_SECONDS_MAX: i64 = 5 * 86_400;

/// When the hook is tried again, now that its last attempt failed; `None` when it is given up.
pub(super) fn retry_at(hook: &Hook, now: Timestamp) -> Option<Timestamp> {
    let age_seconds = now.as_second() - hook.requested_at.as_second();
    let is_hopeless =
        hook.attempts >= ATTEMPTS_MAX || (hook.attempts >= ATTEMPTS_MIN && age_seconds >= AGE_SECONDS_MAX);
    (!is_hopeless).then(|| later(now, pause_ms(hook.attempts)))
}

/// Whether nothing has got through to the endpoint for too long.
pub(super) fn is_dead(endpoint: &Endpoint, now: Timestamp) -> bool {
    let failing = |since: Timestamp| now.as_second() - since.as_second() >= FAILING_SECONDS_MAX;
    endpoint.enabled && endpoint.failing_since.is_some_and(failing)
}

/// The pause after so many attempts, in milliseconds: between half of the full pause and all of it.
fn pause_ms(attempts: u32) -> i64 {
    let full = PAUSE_MS.saturating_mul(1 << attempts.saturating_sub(1).min(20)).min(PAUSE_MAX_MS);
    i64::try_from(rand::rng().random_range(full / 2..=full)).unwrap_or(i64::MAX)
}

/// A moment later by milliseconds.
pub(super) fn later(now: Timestamp, milliseconds: i64) -> Timestamp {
    let microseconds = now.as_microsecond().saturating_add(milliseconds.saturating_mul(1_000));
    clock::from_microseconds(microseconds).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_with_jitter_up_to_eight_hours() {
        for (attempts, full) in
            [(1, 5_000), (2, 10_000), (5, 80_000), (13, 20_480_000), (14, 28_800_000), (40, 28_800_000)]
        {
            let pauses: Vec<i64> = (0..50).map(|_| pause_ms(attempts)).collect();
            assert!(pauses.iter().all(|pause| (full / 2..=full).contains(pause)), "{attempts}: {pauses:?}");
            assert!(pauses.iter().any(|pause| *pause != pauses[0]), "without jitter all come back at once");
        }
        // With the shortest pauses that chance allows, three days are over before the attempts are used up.
        let shortest: i64 =
            (1..ATTEMPTS_MAX).map(|n| i64::from(5_000_u32) * (1 << (n - 1).min(20)).min(5_760) / 2).sum();
        assert!(shortest >= AGE_SECONDS_MAX * 1_000, "{shortest}");
    }
}
