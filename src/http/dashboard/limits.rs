//! What pages share: how often somebody may try to sign in, what was counted or verified a moment ago.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use sha2::{Digest as _, Sha256};

use super::audit::Verifications;
use super::counts::CountsCache;
use super::problem::Problem;
use crate::http::limits::{PerMinute, network};
use crate::stop::Stopping;

/// Attempts of one address a minute.
const BY_ADDRESS_PER_MINUTE: u32 = 20;
/// Attempts at one account a minute, whoever makes them.
const BY_ACCOUNT_PER_MINUTE: u32 = 10;

/// Limits of the dashboard. Clones share them.
#[derive(Clone)]
pub struct DashboardLimits {
    addresses: Arc<PerMinute<IpAddr>>,
    accounts: Arc<PerMinute<[u8; 32]>>,
    verifications: Verifications,
    counts: CountsCache,
    stopping: Stopping,
}

impl DashboardLimits {
    /// Nobody has tried anything yet.
    pub fn new(stopping: Stopping) -> Self {
        Self {
            addresses: Arc::new(PerMinute::new(BY_ADDRESS_PER_MINUTE)),
            accounts: Arc::new(PerMinute::new(BY_ACCOUNT_PER_MINUTE)),
            verifications: Verifications::default(),
            counts: CountsCache::default(),
            stopping,
        }
    }

    /// Counts an attempt at a password, a code or a token. `account` names what is tried, however it is spelt. What an
    /// address tries beyond its limit does not count at the account: one stranger cannot lock everybody out.
    ///
    /// # Errors
    /// When there were too many, from there or at that account.
    pub(super) fn attempt(&self, address: IpAddr, account: &str) -> Result<(), Problem> {
        // By its hash: a name may be as long as a form.
        let hashed = || Sha256::digest(account.trim().to_lowercase()).into();
        let counted = self.addresses.count(&network(address)).and_then(|()| self.accounts.count(&hashed()));
        counted.map_err(|wait: Duration| {
            let message = format!("Too many attempts. Wait {} seconds, then try again.", wait.as_secs().max(1));
            let mut response = Problem::new(StatusCode::TOO_MANY_REQUESTS, message).into_response();
            response.headers_mut().insert(header::RETRY_AFTER, wait.as_secs().max(1).into());
            Problem::instead(response)
        })
    }

    /// The verification of the ledger that was asked for last.
    pub(super) fn verifications(&self) -> &Verifications {
        &self.verifications
    }

    /// How many licences stand how.
    pub(super) fn counts(&self) -> &CountsCache {
        &self.counts
    }

    /// Learns that it is time to stop.
    pub(super) fn stopping(&self) -> Stopping {
        self.stopping.clone()
    }

    /// Forgets who has been quiet.
    pub fn forget_quiet(&self) {
        self.addresses.forget_quiet();
        self.accounts.forget_quiet();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stranger_locks_out_nobody_but_themselves() -> Result<(), Box<dyn std::error::Error>> {
        let limits = DashboardLimits::new(crate::stop::stop().1);
        let (stranger, ada): (IpAddr, IpAddr) = ("198.51.100.7".parse()?, "203.0.113.9".parse()?);
        for attempt in 0..BY_ADDRESS_PER_MINUTE {
            assert!(limits.attempt(stranger, &format!("nobody{attempt}@example.test")).is_ok());
        }
        for _ in 0..=BY_ACCOUNT_PER_MINUTE {
            assert!(limits.attempt(stranger, "ada@example.test").is_err());
        }
        assert!(limits.attempt(ada, " Ada@example.test").is_ok());
        Ok(())
    }
}
