//! A team's RSA key pair: client programs hold the public key and go on checking with it.

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use zeroize::Zeroizing;

/// A key pair in the forms that are kept and shown.
pub(super) struct Pair {
    /// PKCS#8.
    pub(super) private_key: Zeroizing<Vec<u8>>,
    /// Base64 of the PEM, just as Lukittu shows it.
    pub(super) public_key: String,
}

/// Reads a pair from its PEM texts; the message says why it cannot be used.
pub(super) fn read(public: &str, private: &str) -> Result<Pair, String> {
    let private_key = Zeroizing::new(der(private, "PRIVATE KEY").ok_or("privateKey is no PEM of a PKCS#8 key")?);
    let pair = KeyPair::from_pkcs8(&private_key).map_err(|_| "privateKey is no RSA key of 2048 bits or more")?;
    let known = der(public, "PUBLIC KEY").ok_or("publicKey is no PEM of a public key")?;
    let own: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|_| "privateKey has no public key")?;
    if own.as_ref() != known {
        return Err("publicKey and privateKey do not belong together".to_owned());
    }
    Ok(Pair { private_key, public_key: BASE64.encode(public) })
}

/// What a PEM text of this label holds.
fn der(text: &str, label: &str) -> Option<Vec<u8>> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let body = text.trim().strip_prefix(&begin)?.strip_suffix(&end)?;
    BASE64.decode(body.split_whitespace().collect::<String>()).ok()
}
