//! A buyer as a provider describes them, and the id under which we know them.

use keyledger_events::event::inbox::Provider;
use keyledger_events::keys::KeyRing;
use keyledger_events::{TeamId, id};
use uuid::Uuid;

/// What a provider tells of a buyer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Who tells.
    pub provider: Provider,
    /// The provider's id of them.
    pub provider_customer: Option<String>,
    /// Their mail address.
    pub email: Option<String>,
    /// Their name.
    pub name: Option<String>,
}

impl Person {
    /// Our id of them: the same mail address is the same person, and where there is none the same provider's
    /// customer. A mail address enters only through a keyed fingerprint, so that nobody can guess it from the id.
    pub fn id(&self, keys: &KeyRing, team: TeamId) -> Option<Uuid> {
        if let Some(fingerprint) = self.email_fingerprint(keys, team) {
            return Some(id::of_fingerprint(&fingerprint));
        }
        let customer = self.provider_customer.as_deref()?;
        Some(of_provider(team, self.provider.as_str(), customer))
    }

    /// Hex of the fingerprint of their mail address, for look-ups.
    pub fn email_lookup(&self, keys: &KeyRing, team: TeamId) -> Option<String> {
        self.email_fingerprint(keys, team).map(hex::encode)
    }

    fn email_fingerprint(&self, keys: &KeyRing, team: TeamId) -> Option<[u8; 32]> {
        email_fingerprint(keys, team, self.email.as_deref()?)
    }
}

fn email_fingerprint(keys: &KeyRing, team: TeamId, email: &str) -> Option<[u8; 32]> {
    let email = email.trim().to_lowercase();
    (!email.is_empty()).then(|| keys.fingerprint("email", &[team.0.as_bytes(), email.as_bytes()]))
}

/// Our id of whoever has this mail address.
pub fn of_email(keys: &KeyRing, team: TeamId, email: &str) -> Option<Uuid> {
    email_fingerprint(keys, team, email).map(|fingerprint| id::of_fingerprint(&fingerprint))
}

/// Our id of whoever has the mail address with this fingerprint, in hex.
pub fn of_email_lookup(lookup: &str) -> Option<Uuid> {
    let mut fingerprint = [0; 32];
    hex::decode_to_slice(lookup, &mut fingerprint).ok()?;
    Some(id::of_fingerprint(&fingerprint))
}

/// Our id of a provider's customer whose mail address nobody tells.
pub fn of_provider(team: TeamId, provider: &str, customer: &str) -> Uuid {
    id::derived(team, &[provider, "customer", customer])
}
