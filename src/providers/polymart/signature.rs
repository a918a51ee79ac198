//! The `X-Polymart-Signature` header: the HMAC-SHA256 of the raw body in hex of either case. Every Polymart product
//! has a webhook secret of its own, so any of a team's may fit.

use crate::providers::mac::{self, TAG_BYTES};

/// Why a request is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is none.
    #[error(
        "the X-Polymart-Signature header is missing; only Polymart, or who knows a secret of this team, can ask here"
    )]
    Missing,
    /// The header cannot be a signature.
    #[error("the X-Polymart-Signature header is not 64 hexadecimal digits")]
    NotHex,
    /// It was not made with any of the secrets.
    #[error(
        "the X-Polymart-Signature header fits none of this team's secrets for this kind of request; \
         webhooks are signed with a product's webhook secret, placeholder requests with the signing secret"
    )]
    NoMatch,
}

/// Whether the body was signed by whoever knows one of the secrets.
///
/// # Errors
/// Says what is wrong with the header; never anything about the secrets.
pub fn verify(header: &str, body: &[u8], secrets: &[impl AsRef<[u8]>]) -> Result<(), SignatureError> {
    if header.trim().is_empty() {
        return Err(SignatureError::Missing);
    }
    let mut tag = [0; TAG_BYTES];
    hex::decode_to_slice(header.trim(), &mut tag).map_err(|_| SignatureError::NotHex)?;
    if mac::any_matches(secrets, &[body], &[tag]) { Ok(()) } else { Err(SignatureError::NoMatch) }
}

/// The header that Polymart would send with this body.
pub fn sign(secret: impl AsRef<[u8]>, body: &[u8]) -> String {
    mac::tag_hex(secret.as_ref(), &[body])
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"event":"ping"}"#;

    #[test]
    fn any_of_the_secrets_in_either_case() {
        let header = sign("second", BODY);
        assert_eq!(header.len(), 64);
        assert_eq!(verify(&header, BODY, &["first", "second"]), Ok(()));
        assert_eq!(verify(&header.to_uppercase(), BODY, &["second", "first"]), Ok(()));
    }

    #[test]
    fn anything_else_is_refused() {
        let header = sign("second", BODY);
        assert_eq!(verify(&header, b"{}", &["second"]), Err(SignatureError::NoMatch));
        assert_eq!(verify(&header, BODY, &["first"]), Err(SignatureError::NoMatch));
        assert_eq!(verify(&sign("", BODY), BODY, &[""]), Err(SignatureError::NoMatch));
        assert_eq!(verify("", BODY, &["second"]), Err(SignatureError::Missing));
        assert_eq!(verify(&header[..62], BODY, &["second"]), Err(SignatureError::NotHex));
        assert_eq!(verify(&format!("sha256={header}"), BODY, &["second"]), Err(SignatureError::NotHex));
    }
}
