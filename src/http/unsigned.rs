//! A limit on badly signed deliveries per address. Well-signed ones are never counted, so nobody who merely knows
//! a team's id can crowd out real sales.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::HttpError;

/// Counts by address.
pub struct UnsignedLimit {
    limiter: Option<DefaultKeyedRateLimiter<IpAddr>>,
}

impl UnsignedLimit {
    /// So many a minute; 0 switches it off.
    pub fn per_minute(limit: u32) -> Self {
        let quota = NonZeroU32::new(limit).map(Quota::per_minute);
        Self { limiter: quota.map(RateLimiter::keyed) }
    }

    /// The answer to a badly signed request: `answer`, or 429 when there were too many from this address.
    pub fn refuse(&self, address: IpAddr, answer: HttpError) -> HttpError {
        metrics::counter!("keyledger_unsigned_deliveries_total").increment(1);
        let Some(limiter) = &self.limiter else { return answer };
        match limiter.check_key(&network(address)) {
            Ok(()) => answer,
            Err(until) => {
                let wait = until.wait_time_from(DefaultClock::default().now()).max(Duration::from_secs(1));
                HttpError::too_many("too many badly signed requests from your address", wait)
            }
        }
    }

    /// Forgets addresses that have been quiet; called now and then, so that the table stays small.
    pub fn forget_quiet(&self) {
        if let Some(limiter) = &self.limiter {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

/// An IPv6 client has a whole network of addresses: its /64 counts as one.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & (u128::MAX << 64)).into()),
    }
}
