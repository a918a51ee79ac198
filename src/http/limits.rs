//! Limits on how often something may be asked, counted by a key: an address, a licence.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// So many a minute for each key.
pub(super) struct PerMinute<K: Hash + Eq + Clone> {
    limiter: Option<DefaultKeyedRateLimiter<K>>,
}

impl<K: Hash + Eq + Clone> PerMinute<K> {
    /// 0 switches it off.
    pub(super) fn new(limit: u32) -> Self {
        let quota = NonZeroU32::new(limit).map(Quota::per_minute);
        Self { limiter: quota.map(RateLimiter::keyed) }
    }

    /// Counts one.
    ///
    /// # Errors
    /// The time to wait, when there were too many.
    pub(super) fn count(&self, key: &K) -> Result<(), Duration> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        limiter
            .check_key(key)
            .map_err(|until| until.wait_time_from(DefaultClock::default().now()).max(Duration::from_secs(1)))
    }

    /// Forgets keys that have been quiet; called now and then, so that the table stays small.
    pub(super) fn forget_quiet(&self) {
        if let Some(limiter) = &self.limiter {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

/// What an address counts as: an IPv6 client has a whole network of addresses, and its /64 counts as one.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & (u128::MAX << 64)).into()),
    }
}
