//! What an endpoint's address may look like. Where it leads is judged when it is posted to.

use url::{Host, Url};

/// The longest address, in bytes.
const URL_BYTES_MAX: usize = 2_048;

/// Why an address is none. No message repeats it: it may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Longer than anybody needs.
    #[error("the webhook's address is longer than {URL_BYTES_MAX} bytes")]
    TooLong,
    /// No URL at all.
    #[error("the webhook's address is no URL ({0}); it looks like https://example.com/hooks")]
    NotUrl(url::ParseError),
    /// Not HTTP.
    #[error(
        "the webhook's address begins with `{0}:`, but hooks go to https://… (http://… only into private networks)"
    )]
    Scheme(String),
    /// User and password in front of the host.
    #[error(
        "the webhook's address holds a user or a password, which would be shown to whoever sees it; check the signature instead"
    )]
    Login,
    /// Nobody to connect to.
    #[error("the webhook's address names no host to connect to")]
    Host,
}

/// Reads an endpoint's address.
///
/// # Errors
/// When nothing could be posted there.
pub fn parse_url(text: &str) -> Result<Url, TargetError> {
    let text = text.trim();
    if text.len() > URL_BYTES_MAX {
        return Err(TargetError::TooLong);
    }
    let mut url = Url::parse(text).map_err(TargetError::NotUrl)?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(TargetError::Scheme(url.scheme().to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(TargetError::Login);
    }
    let is_empty = |host: Host<&str>| matches!(host, Host::Domain(name) if name.is_empty());
    if url.host().is_none_or(is_empty) || url.port_or_known_default().is_none_or(|port| port == 0) {
        return Err(TargetError::Host);
    }
    url.set_fragment(None);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_url_with_a_host_and_no_login() -> Result<(), TargetError> {
        assert_eq!(parse_url(" https://example.com/hooks?key=1#part ")?.as_str(), "https://example.com/hooks?key=1");
        // Odd spellings of an address are that address, which is judged later.
        assert_eq!(parse_url("http://0x7f.1:8080/")?.as_str(), "http://127.0.0.1:8080/");
        assert_eq!(parse_url("https://[::1]/x")?.as_str(), "https://[::1]/x");
        for (bad, message) in [
            ("example.com/hooks", "no URL"),
            ("ftp://example.com", "ftp:"),
            ("file:///etc/passwd", "file:"),
            ("https://me:hunter2@example.com/", "password"),
            ("https://example.com:0/", "no host"),
            ("https://", "no URL"),
        ] {
            let error = parse_url(bad).map_or_else(|error| error.to_string(), |url| format!("taken: {url}"));
            assert!(error.contains(message) && !error.contains("hunter2"), "{bad}: {error}");
        }
        assert_eq!(parse_url(&format!("https://example.com/{}", "x".repeat(3_000))), Err(TargetError::TooLong));
        Ok(())
    }
}
