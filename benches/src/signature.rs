//! The two providers' signatures: the load generator makes them, the references check them.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Seconds that a Stripe signature's time may differ from ours.
const STRIPE_TOLERANCE_S: i64 = 300;

/// The name of Stripe's header, as it stands in a header map.
pub(crate) const STRIPE_HEADER: &str = "stripe-signature";
/// The name of Polymart's header.
pub(crate) const POLYMART_HEADER: &str = "x-polymart-signature";

/// A secret, ready to sign: its key schedule is computed once.
#[derive(Clone)]
pub(crate) struct Signer(Hmac<Sha256>);

impl Signer {
    /// A signer for `secret`.
    pub(crate) fn new(secret: &str) -> anyhow::Result<Self> {
        Ok(Self(Hmac::new_from_slice(secret.as_bytes())?))
    }

    /// The value of Stripe's header for a body sent at `unix_seconds`.
    pub(crate) fn stripe(&self, unix_seconds: i64, body: &[u8]) -> String {
        let mac = self.stripe_mac(unix_seconds, body);
        format!("t={unix_seconds},v1={}", hex::encode(mac.finalize().into_bytes()))
    }

    /// The value of Polymart's header.
    pub(crate) fn polymart(&self, body: &[u8]) -> String {
        let mut mac = self.0.clone();
        mac.update(body);
        hex::encode(mac.finalize().into_bytes())
    }

    /// Whether a value of Stripe's header fits the body at the time `now`.
    pub(crate) fn is_stripe(&self, header: &str, now: i64, body: &[u8]) -> bool {
        let Some((time, signature)) = header.strip_prefix("t=").and_then(|rest| rest.split_once(",v1=")) else {
            return false;
        };
        let Ok(time) = time.parse::<i64>() else { return false };
        now.abs_diff(time) <= STRIPE_TOLERANCE_S.unsigned_abs() && verifies(self.stripe_mac(time, body), signature)
    }

    /// Whether a value of Polymart's header fits the body.
    pub(crate) fn is_polymart(&self, header: &str, body: &[u8]) -> bool {
        let mut mac = self.0.clone();
        mac.update(body);
        verifies(mac, header)
    }

    fn stripe_mac(&self, unix_seconds: i64, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(unix_seconds.to_string().as_bytes());
        mac.update(b".");
        mac.update(body);
        mac
    }
}

fn verifies(mac: Hmac<Sha256>, signature_hex: &str) -> bool {
    let mut bytes = [0_u8; 32];
    hex::decode_to_slice(signature_hex, &mut bytes).is_ok() && mac.verify_slice(&bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_verifies_and_nothing_else() -> anyhow::Result<()> {
        let signer = Signer::new("whsec_bench")?;
        let header = signer.stripe(1_000, b"{}");
        assert!(signer.is_stripe(&header, 1_300, b"{}"));
        assert!(!signer.is_stripe(&header, 1_301, b"{}"));
        assert!(!signer.is_stripe(&header, 1_000, b"[]"));
        let header = signer.polymart(b"{}");
        assert!(signer.is_polymart(&header, b"{}"));
        assert!(!signer.is_polymart(&header, b"[]"));
        Ok(())
    }
}
