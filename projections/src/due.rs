//! Whether what waits for a time is due: the time has come, or it lies further ahead than anything ever waits. Then it was
//! reckoned with a clock that was ahead, and nobody waits until that time comes.

use keyledger_events::Timestamp;

/// How far the clocks of several machines may differ, in milliseconds.
const SKEW_MS_MAX: u64 = 60_000;

/// The times that are waited for, in microseconds: from the first of them to the last.
pub(crate) fn waiting(now: Timestamp, wait_ms_max: u64) -> (i64, i64) {
    let now = now.as_microsecond();
    let wait_us_max = i64::try_from((wait_ms_max + SKEW_MS_MAX) * 1_000).unwrap_or(i64::MAX);
    (now.saturating_add(1), now.saturating_add(wait_us_max))
}

/// Whether what waits for `time`, and never waits for longer than `wait_ms_max`, is due at `now`.
pub fn is_due(time: Timestamp, now: Timestamp, wait_ms_max: u64) -> bool {
    let (first, last) = waiting(now, wait_ms_max);
    !(first..=last).contains(&time.as_microsecond())
}
