//! Secrets and signatures of Standard Webhooks: HMAC-SHA256 over `<id>.<timestamp>.<body>`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::SecretString;
use sha2::Sha256;
use zeroize::Zeroizing;

/// What every secret begins with.
const PREFIX: &str = "whsec_";
/// Random bytes of a secret of ours.
const SECRET_BYTES: usize = 32;
/// The fewest and the most bytes that the specification allows.
const SECRET_BYTES_MIN: usize = 24;
const SECRET_BYTES_MAX: usize = 64;

/// A new secret: `whsec_` and 32 random bytes in base64.
pub fn generate_secret() -> SecretString {
    let bytes = Zeroizing::new(rand::random::<[u8; SECRET_BYTES]>());
    SecretString::from(format!("{PREFIX}{}", BASE64.encode(bytes.as_slice())))
}

/// Whether this is a secret: `whsec_` and 24 to 64 bytes in base64.
pub fn is_secret(text: &str) -> bool {
    key(text).is_some()
}

fn key(secret: &str) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = Zeroizing::new(BASE64.decode(secret.strip_prefix(PREFIX)?).ok()?);
    (SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&bytes.len()).then_some(bytes)
}

/// The header `webhook-signature`: one signature for each secret, with blanks between them. A receiver accepts any.
pub(super) fn header(secrets: &[impl AsRef<str>], id: &str, unix_seconds: i64, body: &[u8]) -> Option<String> {
    let mut signatures = Vec::with_capacity(secrets.len());
    for secret in secrets {
        let mut mac = Hmac::<Sha256>::new_from_slice(&key(secret.as_ref())?).ok()?;
        mac.update(format!("{id}.{unix_seconds}.").as_bytes());
        mac.update(body);
        signatures.push(format!("v1,{}", BASE64.encode(mac.finalize().into_bytes())));
    }
    Some(signatures.join(" "))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    /// The example of the specification's reference implementations.
    #[test]
    fn the_published_example_is_signed_the_same() {
        let body = br#"{"test": 2432232314}"#;
        let signed =
            header(&["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn several_secrets_sign_side_by_side_and_bad_ones_not_at_all() {
        let (one, two) = (generate_secret(), generate_secret());
        let secrets = [one.expose_secret(), two.expose_secret()];
        let signed = header(&secrets, "id", 1, b"body").unwrap_or_default();
        let parts: Vec<_> = signed.split(' ').collect();
        assert_eq!(parts.len(), 2);
        assert!(parts.iter().all(|part| part.starts_with("v1,")) && parts[0] != parts[1]);
        assert!(is_secret(one.expose_secret()));
        for bad in ["whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_not base64 at all, is it?"] {
            assert!(!is_secret(bad) && header(&[bad], "id", 1, b"").is_none(), "{bad}");
        }
    }
}
