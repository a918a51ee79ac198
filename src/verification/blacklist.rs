//! A team's blacklist, opened: addresses and networks, devices, countries.

use std::collections::HashSet;
use std::net::IpAddr;

use ipnet::IpNet;
use keyledger_events::event::team::BlacklistKind;

use crate::networks::network;

/// What a team refuses.
#[derive(Debug, Clone, Default)]
pub struct Blacklist {
    networks: Vec<IpNet>,
    devices: HashSet<String>,
    countries: HashSet<String>,
}

impl Blacklist {
    /// Adds an entry. A value that is none of its kind matches nothing.
    pub fn add(&mut self, kind: BlacklistKind, value: &str) {
        match kind {
            BlacklistKind::Address => self.networks.extend(network(value)),
            BlacklistKind::Device => drop(self.devices.insert(value.to_owned())),
            BlacklistKind::Country => drop(self.countries.insert(value.to_owned())),
        }
    }

    /// Whether an address is on it, alone or in a network.
    pub fn has_address(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Whether a device is on it.
    pub fn has_device(&self, identifier: &str) -> bool {
        self.devices.contains(identifier)
    }

    /// Whether a country is on it, by its two letters.
    pub fn has_country(&self, country: &str) -> bool {
        self.countries.contains(country)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_cover_their_addresses_and_nothing_else() -> Result<(), std::net::AddrParseError> {
        let mut list = Blacklist::default();
        list.add(BlacklistKind::Address, "203.0.113.9");
        list.add(BlacklistKind::Address, "198.51.100.77/24");
        list.add(BlacklistKind::Address, "2001:db8::/32");
        list.add(BlacklistKind::Address, "::ffff:192.0.2.0/120");
        list.add(BlacklistKind::Address, "nonsense");
        for (address, expected) in [
            ("203.0.113.9", true),
            ("203.0.113.10", false),
            ("198.51.100.1", true),
            ("198.51.101.1", false),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
            ("192.0.2.9", true),
            ("192.0.3.9", false),
        ] {
            assert_eq!(list.has_address(address.parse()?), expected, "{address}");
        }
        list.add(BlacklistKind::Country, "KP");
        list.add(BlacklistKind::Device, "0123456789");
        assert!(list.has_country("KP") && !list.has_country("DE") && !list.has_device("012345678"));
        Ok(())
    }
}
