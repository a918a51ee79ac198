//! Where a question goes: the base URL, and ids as parts of a path.

use hyper::Uri;

use super::ApiError;

/// A base URL to which `v1/…` can be appended: with a path that ends in `/`.
///
/// # Errors
/// When it is not a plain `http` or `https` URL.
pub fn normalise_base_url(text: &str) -> Result<String, ApiError> {
    let text = text.trim();
    let bad = |problem: &str| {
        ApiError::Configuration(format!(
            "the base URL of Stripe's API {problem}; expected one like https://api.stripe.com or http://127.0.0.1:4242"
        ))
    };
    let url: Uri = text.parse().map_err(|_| bad("is not a URL"))?;
    if !matches!(url.scheme_str(), Some("http" | "https")) {
        return Err(bad("does not begin with http:// or https://"));
    }
    if url.host().is_none_or(str::is_empty) {
        return Err(bad("names no host"));
    }
    // Anything but a key belongs nowhere, and a key belongs in the integration's own field.
    if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(bad("has a user name or password"));
    }
    if url.query().is_some() || text.contains('#') {
        return Err(bad("has a query or fragment"));
    }
    Ok(format!("{}/", text.trim_end_matches('/')))
}

/// An id as one segment of a path. Product ids may be of the seller's own making, so they are escaped
/// (RFC 3986 section 2.1).
pub(super) fn path_segment(id: &str, what: &str) -> Result<String, ApiError> {
    if matches!(id, "" | "." | "..") {
        return Err(ApiError::NotFound { what: what.to_owned(), reason: "there can be no such id".to_owned() });
    }
    let mut segment = String::with_capacity(id.len());
    for byte in id.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => segment.push(char::from(byte)),
            _ => segment.push_str(&format!("%{byte:02X}")),
        }
    }
    Ok(segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_ends_in_a_slash() {
        for (text, expected) in [
            ("https://api.stripe.com", "https://api.stripe.com/"),
            ("http://127.0.0.1:4242/", "http://127.0.0.1:4242/"),
            (" https://proxy.example.test/stripe// ", "https://proxy.example.test/stripe/"),
            ("http://[::1]:8420", "http://[::1]:8420/"),
        ] {
            assert_eq!(normalise_base_url(text).ok().as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_is_no_base_url_is_refused() {
        for text in [
            "",
            "api.stripe.com",
            "/v1",
            "ftp://api.stripe.com",
            "https://",
            "https://key@api.stripe.com",
            "https://api.stripe.com/?a=b",
            "https://api.stripe.com/#a",
            "https://api stripe.com",
        ] {
            assert!(matches!(normalise_base_url(text), Err(ApiError::Configuration(_))), "{text}");
        }
    }

    #[test]
    fn an_id_stays_one_segment() {
        assert_eq!(path_segment("prod_1-a.b~", "it").ok().as_deref(), Some("prod_1-a.b~"));
        assert_eq!(path_segment("../a?b#ü", "it").ok().as_deref(), Some("..%2Fa%3Fb%23%C3%BC"));
        assert!(path_segment("..", "it").is_err());
    }
}
