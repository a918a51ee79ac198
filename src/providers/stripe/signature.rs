//! The `Stripe-Signature` header: `t=<unix>,v1=<hex>[,v1=<hex>…][,v0=…]`, where `v1` is the HMAC-SHA256 of
//! `"<t>." + raw body` keyed with the endpoint's whole `whsec_…` text
//! (<https://docs.stripe.com/webhooks#verify-manually>).
//!
//! Stricter than Stripe's own libraries in two ways: a time in the future is as bad as one in the past, and a
//! header with two times is refused instead of choosing one.

use crate::providers::mac::{self, TAG_BYTES, Tag};

/// How far the signature's time may be from ours, in seconds, either way.
pub const TOLERANCE_SECONDS: u64 = 300;

/// Why a delivery is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is none.
    #[error(
        "the Stripe-Signature header is missing; only Stripe, or who knows the endpoint's secret, can send events here"
    )]
    Missing,
    /// The header is not a list of `name=value`.
    #[error("part {number} of the Stripe-Signature header is not of the form `name=value`")]
    NotAPair {
        /// Which part, from 1.
        number: usize,
    },
    /// There is no time.
    #[error("the Stripe-Signature header has no time (`t=`)")]
    NoTime,
    /// There is more than one time, and the signature could be meant for either.
    #[error("the Stripe-Signature header has more than one time (`t=`)")]
    SeveralTimes,
    /// The time is not a number.
    #[error("the time (`t=`) of the Stripe-Signature header is not a whole number of seconds")]
    BadTime,
    /// There is no signature of a scheme that we know.
    #[error("the Stripe-Signature header has no signature of scheme v1 (`v1=`)")]
    NoSignature,
    /// No signature can be one.
    #[error("no v1 signature of the Stripe-Signature header is 64 lower-case hexadecimal digits")]
    NotHex,
    /// No signature was made with any of the secrets.
    #[error(
        "no v1 signature of the Stripe-Signature header fits the body and a webhook secret of this team; \
         compare the endpoint's signing secret in Stripe's dashboard with the integration's"
    )]
    NoMatch,
    /// The signature is good, but not of now.
    #[error(
        "the signature was made {away_seconds} s away from our time, more than {TOLERANCE_SECONDS} s; \
         if this is a fresh delivery, check the server's clock"
    )]
    Stale {
        /// Between the header's time and ours, in seconds.
        away_seconds: u64,
    },
}

/// Whether the body was signed by whoever knows one of the secrets, at about `now_unix`.
///
/// # Errors
/// Says what is wrong with the header; never anything about the secrets.
pub fn verify(header: &str, body: &[u8], secrets: &[impl AsRef<[u8]>], now_unix: i64) -> Result<(), SignatureError> {
    let Header { time, time_text, tags } = parse(header)?;
    if !mac::any_matches(secrets, &[time_text.as_bytes(), b".", body], &tags) {
        return Err(SignatureError::NoMatch);
    }
    let away_seconds = now_unix.abs_diff(time);
    if away_seconds > TOLERANCE_SECONDS {
        return Err(SignatureError::Stale { away_seconds });
    }
    Ok(())
}

/// The header that Stripe would send with this body, signed at `time_unix`.
pub fn sign(secret: impl AsRef<[u8]>, body: &[u8], time_unix: i64) -> String {
    let time = time_unix.to_string();
    format!("t={time},v1={}", mac::tag_hex(secret.as_ref(), &[time.as_bytes(), b".", body]))
}

struct Header<'a> {
    time: i64,
    /// As written: it is what was signed, leading zeros and all.
    time_text: &'a str,
    tags: Vec<Tag>,
}

fn parse(header: &str) -> Result<Header<'_>, SignatureError> {
    let mut time_text = None;
    let mut signatures = Vec::new();
    if header.trim().is_empty() {
        return Err(SignatureError::Missing);
    }
    for (index, part) in header.split(',').enumerate() {
        let (name, value) = part.split_once('=').ok_or(SignatureError::NotAPair { number: index + 1 })?;
        match name {
            "t" if time_text.is_some() => return Err(SignatureError::SeveralTimes),
            "t" => time_text = Some(value),
            "v1" => signatures.push(value),
            // Other schemes are Stripe's to add.
            _ => {}
        }
    }
    let time_text = time_text.ok_or(SignatureError::NoTime)?;
    let time = parse_time(time_text).ok_or(SignatureError::BadTime)?;
    if signatures.is_empty() {
        return Err(SignatureError::NoSignature);
    }
    // One signature that is none does not spoil a good one beside it.
    let tags: Vec<Tag> = signatures.into_iter().filter_map(parse_tag).collect();
    if tags.is_empty() {
        return Err(SignatureError::NotHex);
    }
    Ok(Header { time, time_text, tags })
}

fn parse_time(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Lower-case only, as Stripe writes it and as its libraries compare it.
fn parse_tag(text: &str) -> Option<Tag> {
    let mut tag = [0; TAG_BYTES];
    let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    (lower && hex::decode_to_slice(text, &mut tag).is_ok()).then_some(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_740_000_000;
    const BODY: &[u8] = br#"{"id":"evt_1"}"#;
    const SECRET: &str = "whsec_test";

    fn check(header: &str, now: i64) -> Result<(), SignatureError> {
        verify(header, BODY, &["whsec_other", SECRET], now)
    }

    fn tag(secret: &str) -> String {
        sign(secret, BODY, NOW).split_once("v1=").map(|(_, tag)| tag.to_owned()).unwrap_or_default()
    }

    #[test]
    fn the_signature_is_the_one_that_other_tools_compute() {
        // printf '1740000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test
        assert_eq!(sign(SECRET, BODY, NOW), format!("t=1740000000,v1={OPENSSL_TAG}"));
    }
    const OPENSSL_TAG: &str = "8289100307a5b22d23fd184b86b3fcfbf3370c2c06fb00d28d9b1cdc6056372e";

    #[test]
    fn any_v1_of_any_secret_is_enough() {
        let (good, other) = (tag(SECRET), tag("whsec_retired"));
        let junk = "0".repeat(64);
        for header in [
            format!("t={NOW},v1={good}"),
            format!("v1={good},t={NOW}"),
            format!("t={NOW},v1={other},v1={good},v0={junk}"),
            format!("t={NOW},v1={good},v1={other}"),
            format!("t={NOW},v1=short,v1={good}"),
            format!("t={NOW},v2=a=b,v1={good}"),
        ] {
            assert_eq!(check(&header, NOW), Ok(()), "{header}");
        }
    }

    #[test]
    fn a_signature_holds_for_five_minutes_either_way() {
        let header = sign(SECRET, BODY, NOW);
        for (away, verdict) in [
            (-300, Ok(())),
            (-299, Ok(())),
            (299, Ok(())),
            (300, Ok(())),
            (301, Err(SignatureError::Stale { away_seconds: 301 })),
            (-301, Err(SignatureError::Stale { away_seconds: 301 })),
            (-3600, Err(SignatureError::Stale { away_seconds: 3600 })),
        ] {
            assert_eq!(check(&header, NOW + away), verdict, "{away}");
        }
        assert!(matches!(check(&header, i64::MIN), Err(SignatureError::Stale { .. })));
    }

    #[test]
    fn every_other_header_is_refused_and_says_why() {
        let good = tag(SECRET);
        let upper = good.to_uppercase();
        for (header, error) in [
            (format!("t={NOW}, v1={good}"), SignatureError::NoSignature),
            (format!("t=1,t={NOW},v1={good}"), SignatureError::SeveralTimes),
            (format!("t={NOW},v1={good},t={NOW}"), SignatureError::SeveralTimes),
            (format!("t={NOW},v0={good}"), SignatureError::NoSignature),
            (format!("v1={good}"), SignatureError::NoTime),
            (format!("t=,v1={good}"), SignatureError::BadTime),
            (format!("t=+{NOW},v1={good}"), SignatureError::BadTime),
            (format!("t=99999999999999999999,v1={good}"), SignatureError::BadTime),
            (format!("t={NOW},v1={upper}"), SignatureError::NotHex),
            (format!("t={NOW},v1={good}00"), SignatureError::NotHex),
            (format!("t={NOW},v1="), SignatureError::NotHex),
            (format!("t={NOW},v1={good},"), SignatureError::NotAPair { number: 3 }),
            (String::new(), SignatureError::Missing),
            (format!("t=0{NOW},v1={good}"), SignatureError::NoMatch),
            (format!("t={NOW},v1={}", tag("whsec_retired")), SignatureError::NoMatch),
        ] {
            assert_eq!(check(&header, NOW), Err(error), "{header}");
        }
    }

    #[test]
    fn another_body_no_secret_and_an_empty_secret_are_refused() {
        let header = sign(SECRET, BODY, NOW);
        assert_eq!(verify(&header, b"{}", &[SECRET], NOW), Err(SignatureError::NoMatch));
        assert_eq!(verify(&header, BODY, &[] as &[&str], NOW), Err(SignatureError::NoMatch));
        assert_eq!(verify(&sign("", BODY, NOW), BODY, &[""], NOW), Err(SignatureError::NoMatch));
    }
}
