//! Licence keys: `XXXXX-XXXXX-XXXXX-XXXXX-XXXXX` of A-Z and 0-9.
//!
//! Twenty-five characters of 36 are 129 random bits from the system-seeded generator, so two keys of a team are
//! the same with a probability nobody has to handle.

use keyledger_events::TeamId;
use keyledger_events::keys::KeyRing;
use rand::RngExt as _;

const ALPHABET: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
/// Groups of a key.
pub const LICENSE_KEY_GROUPS: usize = 5;
const GROUP_CHARACTERS: usize = 5;

/// A new key.
pub fn generate() -> String {
    // Cryptographically secure and without modulo bias (rejection sampling).
    let mut random = rand::rng();
    let mut group = || -> String {
        (0..GROUP_CHARACTERS).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])).collect()
    };
    (0..LICENSE_KEY_GROUPS).map(|_| group()).collect::<Vec<_>>().join("-")
}

/// Hex of the keyed fingerprint by which a team's licence is found from its key.
pub fn lookup(ring: &KeyRing, team: TeamId, key: &str) -> String {
    hex::encode(ring.fingerprint("license-key", &[team.0.as_bytes(), key.as_bytes()]))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn keys_have_the_form_that_clients_check_and_use_every_character() {
        let keys: HashSet<_> = (0..1_000).map(|_| generate()).collect();
        assert_eq!(keys.len(), 1_000);
        let mut seen = HashSet::new();
        for key in keys {
            let groups: Vec<_> = key.split('-').collect();
            assert_eq!(groups.len(), LICENSE_KEY_GROUPS);
            for group in groups {
                assert_eq!(group.len(), GROUP_CHARACTERS);
                assert!(group.bytes().all(|byte| ALPHABET.contains(&byte)));
                seen.extend(group.bytes());
            }
        }
        assert_eq!(seen.len(), ALPHABET.len());
    }
}
