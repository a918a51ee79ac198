//! How often an address and a licence may ask. Counted before anything else is done.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use keyledger_events::TeamId;

use crate::http::limits::{PerMinute, network};
use crate::verification::Code;

/// Refusals of one kind that are written down for an address, a minute.
const TOLD_PER_MINUTE: u32 = 1;

/// Both limits.
pub struct VerifyLimits {
    addresses: PerMinute<IpAddr>,
    /// By a hash of team and key: keys that do not exist are counted too, and must not lie in memory as texts.
    licenses: PerMinute<u64>,
    /// Refusals that nobody counts otherwise and that are written down all the same.
    told: PerMinute<(IpAddr, Code)>,
    hasher: RandomState,
}

impl VerifyLimits {
    /// So many a minute for each; 0 switches one off.
    pub fn per_minute(address: u32, license: u32) -> Self {
        Self {
            addresses: PerMinute::new(address),
            licenses: PerMinute::new(license),
            told: PerMinute::new(TOLD_PER_MINUTE),
            hasher: RandomState::new(),
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// The time to wait, when there were too many.
    pub(super) fn count(&self, address: IpAddr, team: TeamId, license_key: &str) -> Result<(), Duration> {
        self.addresses.count(&network(address))?;
        self.licenses.count(&self.hasher.hash_one((team, license_key)))
    }

    /// Whether a refusal of this address that was not counted is to be in the requests log: one a minute of each code, so
    /// that the log tells of it and does not grow with it.
    pub(super) fn is_told(&self, address: IpAddr, code: Code) -> bool {
        self.told.count(&(network(address), code)).is_ok()
    }

    /// Forgets what has been quiet.
    pub fn forget_quiet(&self) {
        self.addresses.forget_quiet();
        self.licenses.forget_quiet();
        self.told.forget_quiet();
    }
}
