//! Attempts at what fails now and then: how long until the next one, when there is none, and that what came of one is
//! recorded. Mails, hooks and deliveries of providers share this; how patient each is they say themselves.

use std::time::Duration;

use keyledger_events::{AppendOutcome, AppendRequest, Timestamp, WriterError, clock};
use rand::RngExt as _;

use crate::app::App;

/// Nothing is tried again that was asked for this long ago …
pub(crate) const AGE_SECONDS_MAX: i64 = 3 * 86_400;
/// … and has had as many attempts: an outage of our own must not leave it with a single one.
pub(crate) const ATTEMPTS_MIN: u32 = 3;
/// Times it is tried to say what came of an attempt: what nobody knows to be done is done again.
const INSIST_TRIES_MAX: u32 = 4;
/// The pause between those.
const INSIST_PAUSE: Duration = Duration::from_millis(500);

/// A moment later by milliseconds.
pub(crate) fn later(now: Timestamp, milliseconds: i64) -> Timestamp {
    let microseconds = now.as_microsecond().saturating_add(milliseconds.saturating_mul(1_000));
    clock::from_microseconds(microseconds).unwrap_or(Timestamp::MAX)
}

/// The pause after so many attempts, in milliseconds: between half of the full pause and all of it. The full pause is
/// `first_ms` after the first attempt and doubles with each, up to `max_ms`.
pub(crate) fn pause_ms(attempts: u32, first_ms: u64, max_ms: u64) -> i64 {
    let full = first_ms.saturating_mul(1 << attempts.saturating_sub(1).min(20)).min(max_ms);
    i64::try_from(rand::rng().random_range(full / 2..=full)).unwrap_or(i64::MAX)
}

/// Whether what was asked for at `requested_at` has had all the attempts that it gets.
pub(crate) fn is_hopeless(attempts: u32, requested_at: Timestamp, now: Timestamp, attempts_max: u32) -> bool {
    let age_seconds = now.as_second() - requested_at.as_second();
    attempts >= attempts_max || (attempts >= ATTEMPTS_MIN && age_seconds >= AGE_SECONDS_MAX)
}

/// Records what came of an attempt, and insists. `false` means that another node was faster.
///
/// # Errors
/// When the Writer does not answer, however often it is asked.
pub(crate) async fn insist(app: &App, request: AppendRequest) -> Result<bool, WriterError> {
    let mut tries = 1;
    loop {
        match app.writer.append(request.clone()).await {
            // Already there: an earlier try got through and its answer got lost.
            Ok(AppendOutcome::Appended { .. } | AppendOutcome::AlreadyApplied { .. }) => return Ok(true),
            Ok(AppendOutcome::Conflict { .. }) => return Ok(false),
            Err(error) if tries == INSIST_TRIES_MAX => return Err(error),
            Err(_) => {
                tries += 1;
                tokio::time::sleep(INSIST_PAUSE).await;
            }
        }
    }
}
