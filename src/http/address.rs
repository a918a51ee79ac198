//! The client's address: the peer's, or what a trusted proxy says of it.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

/// Addresses in a chain that are looked at; a longer one is a client's invention.
const HOPS_MAX: usize = 32;

/// The peer's address or, when the peer is a trusted proxy, the right-most address of `X-Forwarded-For` that is
/// not a trusted proxy itself. What stands left of it anybody could have written.
pub(super) fn client(peer: SocketAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.ip().to_canonical();
    if !is_trusted(peer, trusted) {
        return peer;
    }
    let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    // A header may hold any bytes: what a client put in front must not spoil what a proxy added behind it.
    let hops = lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    // An empty one is none (RFC 9110, section 5.6.1).
    let hops = hops.filter(|hop| !hop.trim_ascii().is_empty()).take(HOPS_MAX);
    let mut nearest = peer;
    for hop in hops {
        let Some(address) = std::str::from_utf8(hop).ok().and_then(|hop| parse(hop.trim())) else { return nearest };
        nearest = address;
        if !is_trusted(address, trusted) {
            return address;
        }
    }
    nearest
}

/// Whether an address is one of the trusted proxies.
pub(super) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|network| network.contains(&address))
}

/// An address, with or without a port.
fn parse(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip())).map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn check(peer: &str, forwarded: &[&str], expected: &str) -> Result<(), Box<dyn std::error::Error>> {
        let forwarded: Vec<_> = forwarded.iter().map(|line| line.as_bytes()).collect();
        check_bytes(peer, &forwarded, expected)
    }

    fn check_bytes(peer: &str, forwarded: &[&[u8]], expected: &str) -> Result<(), Box<dyn std::error::Error>> {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse()?, "::1/128".parse()?];
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_bytes(line)?);
        }
        assert_eq!(client(peer.parse()?, &headers, &trusted).to_string(), expected);
        Ok(())
    }

    #[test]
    fn only_trusted_proxies_are_believed() -> Result<(), Box<dyn std::error::Error>> {
        check("203.0.113.9:1", &["198.51.100.1"], "203.0.113.9")?;
        check("10.0.0.1:1", &["198.51.100.1"], "198.51.100.1")?;
        check("10.0.0.1:1", &["6.6.6.6, 198.51.100.1, 10.0.0.2"], "198.51.100.1")?;
        check("10.0.0.1:1", &["6.6.6.6", "198.51.100.1:4711"], "198.51.100.1")?;
        check("[::1]:1", &["2001:db8::7"], "2001:db8::7")?;
        check("10.0.0.1:1", &["198.51.100.1, nonsense"], "10.0.0.1")?;
        check("10.0.0.1:1", &["198.51.100.1,", " , "], "198.51.100.1")?;
        check("10.0.0.1:1", &["198.51.100.1", ""], "198.51.100.1")?;
        check("10.0.0.1:1", &[", ,"], "10.0.0.1")?;
        check("[::ffff:203.0.113.9]:1", &[], "203.0.113.9")
    }
    #[test]
    fn odd_bytes_in_front_of_what_the_proxy_added_hide_nothing() -> Result<(), Box<dyn std::error::Error>> {
        check_bytes("10.0.0.1:1", &[b"\xff, 198.51.100.1"], "198.51.100.1")?;
        check_bytes("10.0.0.1:1", &["6.6.6.6é,198.51.100.1, 10.0.0.2".as_bytes()], "198.51.100.1")?;
        check_bytes("10.0.0.1:1", &[b"\x80", b"198.51.100.1"], "198.51.100.1")?;
        check_bytes("10.0.0.1:1", &[b"198.51.100.1, \xff"], "10.0.0.1")
    }
}
