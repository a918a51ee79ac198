//! How often an address and a licence may ask. Counted before anything else is done.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use keyledger_events::TeamId;

use crate::http::limits::{PerMinute, network};

/// Both limits.
pub struct VerifyLimits {
    addresses: PerMinute<IpAddr>,
    /// By a hash of team and key: keys that do not exist are counted too, and must not lie in memory as texts.
    licenses: PerMinute<u64>,
    hasher: RandomState,
}

impl VerifyLimits {
    /// So many a minute for each; 0 switches one off.
    pub fn per_minute(address: u32, license: u32) -> Self {
        Self { addresses: PerMinute::new(address), licenses: PerMinute::new(license), hasher: RandomState::new() }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// The time to wait, when there were too many.
    pub(super) fn count(&self, address: IpAddr, team: TeamId, license_key: Option<&str>) -> Result<(), Duration> {
        self.addresses.count(&network(address))?;
        match license_key {
            Some(key) => self.licenses.count(&self.hasher.hash_one((team, key))),
            None => Ok(()),
        }
    }

    /// Forgets what has been quiet.
    pub fn forget_quiet(&self) {
        self.addresses.forget_quiet();
        self.licenses.forget_quiet();
    }
}
