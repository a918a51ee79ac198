//! HMAC-SHA256 as both providers sign with it, and the id of a body that names itself by nothing else.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Bytes of an HMAC-SHA256 tag.
pub(crate) const TAG_BYTES: usize = 32;

/// A tag as it came in.
pub(crate) type Tag = [u8; TAG_BYTES];

/// The HMAC-SHA256 of the concatenated parts. Every key length is allowed (RFC 2104 section 3).
fn keyed(secret: &[u8], parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac)
}

/// Whether any tag fits any secret. Every tag is compared with every secret's, in constant time, so that the time
/// it takes tells nothing about which one fitted. An empty secret fits nothing: anyone could sign with it.
pub(crate) fn any_matches(secrets: &[impl AsRef<[u8]>], parts: &[&[u8]], tags: &[Tag]) -> bool {
    let mut matched = false;
    for secret in secrets {
        let usable = !secret.as_ref().is_empty();
        let Some(mac) = keyed(secret.as_ref(), parts) else { continue };
        for tag in tags {
            matched |= mac.clone().verify_slice(tag).is_ok() & usable;
        }
    }
    matched
}

/// The tag of the concatenated parts, in lower-case hex.
pub(crate) fn tag_hex(secret: &[u8], parts: &[&[u8]]) -> String {
    keyed(secret, parts).map(|mac| hex::encode(mac.finalize().into_bytes())).unwrap_or_default()
}

/// The id of a delivery whose body names none: the same body is the same delivery.
pub(crate) fn body_id(body: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2.
    const RFC_TAG: &str = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";

    #[test]
    fn agrees_with_the_rfc() {
        assert_eq!(tag_hex(b"Jefe", &[b"what do ya want ", b"for nothing?"]), RFC_TAG);
    }

    #[test]
    fn any_secret_and_any_tag_may_match_but_never_an_empty_secret() -> Result<(), Box<dyn std::error::Error>> {
        let parts: &[&[u8]] = &[b"what do ya want for nothing?"];
        let mut good = [0; TAG_BYTES];
        hex::decode_to_slice(RFC_TAG, &mut good)?;
        let mut empty = [0; TAG_BYTES];
        hex::decode_to_slice(tag_hex(b"", parts), &mut empty)?;

        assert!(any_matches(&["other", "Jefe"], parts, &[[7; TAG_BYTES], good]));
        assert!(any_matches(&["Jefe", "other"], parts, &[good, [7; TAG_BYTES]]));
        assert!(!any_matches(&["other"], parts, &[good]));
        assert!(!any_matches(&["Jefe"], parts, &[]));
        assert!(!any_matches(&["", "Jefe"], parts, &[empty]));
        Ok(())
    }

    #[test]
    fn a_body_is_known_by_its_hash() {
        assert_eq!(body_id(b""), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
