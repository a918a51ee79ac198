//! A limit on badly signed deliveries per address. Well-signed ones are never counted, so nobody who merely knows
//! a team's id can crowd out real sales.

use std::net::IpAddr;

use super::HttpError;
use super::limits::{PerMinute, network};

/// Counts by address.
pub struct UnsignedLimit(PerMinute<IpAddr>);

impl UnsignedLimit {
    /// So many a minute; 0 switches it off.
    pub fn per_minute(limit: u32) -> Self {
        Self(PerMinute::new(limit))
    }

    /// The answer to a badly signed request: `answer`, or 429 when there were too many from this address.
    pub fn refuse(&self, address: IpAddr, answer: HttpError) -> HttpError {
        metrics::counter!("keyledger_unsigned_deliveries_total").increment(1);
        match self.0.count(&network(address)) {
            Ok(()) => answer,
            Err(wait) => HttpError::too_many("too many badly signed requests from your address", wait),
        }
    }

    /// Forgets addresses that have been quiet.
    pub fn forget_quiet(&self) {
        self.0.forget_quiet();
    }
}
