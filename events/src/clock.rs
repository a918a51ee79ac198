//! One clock, passed in: production reads the system's, tests turn a [`ManualClock`] by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// A day, in microseconds.
pub const DAY_US: i64 = 86_400 * 1_000_000;

/// A moment in UTC. Stored and hashed as whole microseconds since the Unix epoch.
pub type Timestamp = jiff::Timestamp;

/// Where "now" comes from.
pub trait Clock: Send + Sync + 'static {
    /// The present moment, in whole microseconds.
    fn now(&self) -> Timestamp;
}

/// A clock handed around between tasks.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        truncate(Timestamp::now())
    }
}

/// A clock that moves only when told to.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at `start`.
    pub fn new(start: Timestamp) -> Self {
        Self(AtomicI64::new(start.as_microsecond()))
    }

    /// Moves the clock forward (or back, with a negative value).
    pub fn advance_seconds(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        from_microseconds(self.0.load(Ordering::SeqCst)).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// Drops what is finer than a microsecond, so that a stored time equals the one that was hashed.
pub fn truncate(time: Timestamp) -> Timestamp {
    from_microseconds(time.as_microsecond()).unwrap_or(time)
}

/// The moment `microseconds` after the Unix epoch; `None` outside the years -9999 to 9999.
pub fn from_microseconds(microseconds: i64) -> Option<Timestamp> {
    Timestamp::from_microsecond(microseconds).ok()
}

/// The moment `seconds` after the Unix epoch, as providers write it; `None` outside the years -9999 to 9999.
pub fn from_unix_seconds(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(seconds).ok()
}
