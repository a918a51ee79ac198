//! Where hooks may be posted: to the internet, and into private networks only where the operator allows it.
//!
//! What is judged is the address that is connected to, after the name was resolved. So a name that resolves to this
//! machine, or to another one the next time it is asked for, gains nothing.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::networks;

/// Addresses that are not in the public internet, or not one host's (IANA's IPv4 Special-Purpose Address Registry).
const SPECIAL_V4: [(Ipv4Addr, u8); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];
/// Of IPv6, only this is the public internet (RFC 4291 section 2.4) …
const GLOBAL_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// … without protocol assignments (Teredo among them), documentation, and 6to4.
const SPECIAL_V6: [(Ipv6Addr, u8); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];
/// What an IPv4 address looks like on a network that has IPv6 alone (RFC 6052).
const TRANSLATED_V4: (Ipv6Addr, u8) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// What an address is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// In the public internet.
    Public,
    /// In a private network that the operator allows.
    Allowed,
    /// In any other network: nothing is posted there.
    Refused,
}

/// The private networks that hooks may be posted into. The default is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AllowPrivate {
    all: bool,
    networks: Vec<IpNet>,
}

/// A text that is no list of networks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither an address nor a network like 10.0.0.0/8, nor the word `all`")]
pub struct AllowPrivateError(String);

impl FromStr for AllowPrivate {
    type Err = AllowPrivateError;
    fn from_str(text: &str) -> Result<Self, AllowPrivateError> {
        let mut allowed = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            if part == "all" {
                allowed.all = true;
                continue;
            }
            allowed.networks.push(networks::network(part).ok_or_else(|| AllowPrivateError(part.to_owned()))?);
        }
        Ok(allowed)
    }
}

impl fmt::Display for AllowPrivate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks = self.networks.iter().map(IpNet::to_string);
        let parts: Vec<String> = self.all.then(|| "all".to_owned()).into_iter().chain(networks).collect();
        f.write_str(&parts.join(","))
    }
}

impl AllowPrivate {
    /// Judges an address that is about to be connected to.
    pub(super) fn judge(&self, address: IpAddr) -> Reach {
        let address = plain(address);
        if self.all && !is_public(address) || self.networks.iter().any(|network| network.contains(&address)) {
            Reach::Allowed
        } else if is_public(address) {
            Reach::Public
        } else {
            Reach::Refused
        }
    }
}

/// The IPv4 address that an IPv6 one merely wraps: the packets go there.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    if let Some(mapped) = v6.to_ipv4_mapped() {
        return IpAddr::V4(mapped);
    }
    if Ipv6Net::new_assert(TRANSLATED_V4.0, TRANSLATED_V4.1).contains(&v6) {
        let [.., a, b, c, d] = v6.octets();
        return IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    }
    address
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !SPECIAL_V4.iter().any(|(first, bits)| Ipv4Net::new_assert(*first, *bits).contains(&v4)),
        IpAddr::V6(v6) => {
            let within = |(first, bits): &(Ipv6Addr, u8)| Ipv6Net::new_assert(*first, *bits).contains(&v6);
            within(&GLOBAL_V6) && !SPECIAL_V6.iter().any(within)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(allowed: &str, address: &str, expected: Reach) -> Result<(), Box<dyn std::error::Error>> {
        let allowed: AllowPrivate = allowed.parse()?;
        assert_eq!(allowed.judge(address.parse()?), expected, "{address} with `{allowed}`");
        Ok(())
    }

    #[test]
    fn nothing_private_is_reached_in_any_disguise() -> Result<(), Box<dyn std::error::Error>> {
        for address in [
            "127.0.0.1",
            "127.255.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "2001::1",
            "2001:db8::1",
            "100::1",
            "5f00::1",
        ] {
            check("", address, Reach::Refused)?;
            check("all", address, Reach::Allowed)?;
        }
        for address in ["1.1.1.1", "8.8.0.8", "172.32.0.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"] {
            check("", address, Reach::Public)?;
            check("all", address, Reach::Public)?;
        }
        Ok(())
    }

    #[test]
    fn single_networks_can_be_allowed() -> Result<(), Box<dyn std::error::Error>> {
        check("10.0.0.0/8, 127.0.0.1", "10.9.9.9", Reach::Allowed)?;
        check("10.0.0.0/8, 127.0.0.1", "::ffff:127.0.0.1", Reach::Allowed)?;
        check("10.0.0.0/8, 127.0.0.1", "127.0.0.2", Reach::Refused)?;
        check("10.0.0.0/8", "::1", Reach::Refused)?;
        check("fd00::/8", "fd00::7", Reach::Allowed)?;
        assert_eq!("lan".parse::<AllowPrivate>(), Err(AllowPrivateError("lan".to_owned())));
        Ok(())
    }
}
