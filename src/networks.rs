//! Networks as people write them, and as addresses are compared with them.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// The bits before the IPv4 address in an IPv6 one that merely wraps it: `::ffff:192.0.2.1`.
const MAPPED_BITS: u8 = 96;

/// An address or a network. What wraps IPv4 addresses is the network of these: clients' addresses are compared as such.
pub fn network(text: &str) -> Option<IpNet> {
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let network = text.parse::<IpNet>().ok().or_else(address)?.trunc();
    Some(mapped(network).map_or(network, IpNet::V4))
}

fn mapped(network: IpNet) -> Option<Ipv4Net> {
    let IpNet::V6(v6) = network else { return None };
    let bits = v6.prefix_len().checked_sub(MAPPED_BITS)?;
    Ipv4Net::new(v6.addr().to_ipv4_mapped()?, bits).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wraps_an_ipv4_network_is_that_network() {
        for (text, meant) in [
            ("192.0.2.7", "192.0.2.7/32"),
            ("192.0.2.7/24", "192.0.2.0/24"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::/0", "::/0"),
            ("2001:db8::1/32", "2001:db8::/32"),
        ] {
            assert_eq!(network(text).map(|network| network.to_string()).as_deref(), Some(meant));
        }
        assert_eq!(network("localhost"), None);
        assert_eq!(network("192.0.2.0/33"), None);
    }
}
