//! Signatures as the providers make them.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::Error;

/// Stripe's header over `body` at `time` (Unix seconds), with one `v1` for each secret.
pub(crate) fn stripe(secrets: &[&str], time: i64, body: &[u8]) -> Result<String, Error> {
    let signed = [format!("{time}.").as_bytes(), body].concat();
    let mut header = format!("t={time}");
    for secret in secrets {
        header.push_str(",v1=");
        header.push_str(&polymart(secret, &signed)?);
    }
    Ok(header)
}

/// Polymart's header: the hex of HMAC-SHA256 over the body.
pub(crate) fn polymart(secret: &str, body: &[u8]) -> Result<String, Error> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())?;
    mac.update(body);
    Ok(hex::encode(mac.finalize().into_bytes()))
}
