//! What follows from an attempt: delivered, tried again, or given up. Pure but for the jitter.

use keyledger_events::Timestamp;
use keyledger_projections::{Endpoint, Hook};

use crate::attempts::{is_hopeless, later, pause_ms};

/// Attempts of a hook at most.
pub(super) const ATTEMPTS_MAX: u32 = 40;
/// The pause after the first failed attempt; it doubles each time.
const PAUSE_MS: u64 = 5_000;
/// The longest pause between attempts.
const PAUSE_MAX_MS: u64 = Hook::WAIT_MS_MAX;
/// An endpoint where nothing has got through for so long is not posted to any more.
pub(super) const FAILING_SECONDS_MAX: i64 = 5 * 86_400;

/// When the hook is tried again, now that its last attempt failed; `None` when it is given up.
pub(super) fn retry_at(hook: &Hook, now: Timestamp) -> Option<Timestamp> {
    let again = !is_hopeless(hook.attempts, hook.requested_at, now, ATTEMPTS_MAX);
    again.then(|| later(now, pause_ms(hook.attempts, PAUSE_MS, PAUSE_MAX_MS)))
}

/// Whether nothing has got through to the endpoint for too long.
pub(super) fn is_dead(endpoint: &Endpoint, now: Timestamp) -> bool {
    let failing = |since: Timestamp| now.as_second() - since.as_second() >= FAILING_SECONDS_MAX;
    endpoint.enabled && endpoint.failing_since.is_some_and(failing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempts::AGE_SECONDS_MAX;

    #[test]
    fn pauses_double_with_jitter_up_to_eight_hours() {
        for (attempts, full) in
            [(1, 5_000), (2, 10_000), (5, 80_000), (13, 20_480_000), (14, 28_800_000), (40, 28_800_000)]
        {
            let pauses: Vec<i64> = (0..50).map(|_| pause_ms(attempts, PAUSE_MS, PAUSE_MAX_MS)).collect();
            assert!(pauses.iter().all(|pause| (full / 2..=full).contains(pause)), "{attempts}: {pauses:?}");
            assert!(pauses.iter().any(|pause| *pause != pauses[0]), "without jitter all come back at once");
        }
        // With the shortest pauses that chance allows, three days are over before the attempts are used up.
        let shortest: i64 =
            (1..ATTEMPTS_MAX).map(|n| i64::from(5_000_u32) * (1 << (n - 1).min(20)).min(5_760) / 2).sum();
        assert!(shortest >= AGE_SECONDS_MAX * 1_000, "{shortest}");
    }
}
