//! The file of keys: wrapped keys and the links between deliveries' keys and customers, one a line.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use keyledger_events::keys::{KeyLink, WrappedKey};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum KeyLine {
    /// A key.
    #[serde(rename_all = "camelCase")]
    Key {
        /// Its id.
        id: Uuid,
        /// Base64 of the key, wrapped by the master key.
        wrapped: String,
    },
    /// A link.
    #[serde(rename_all = "camelCase")]
    Link {
        /// The key that goes with the customer.
        key_id: Uuid,
        /// The customer.
        customer_id: Uuid,
    },
}

/// What stands in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyEntry {
    /// A key.
    Key(WrappedKey),
    /// A link.
    Link(KeyLink),
}

impl From<&WrappedKey> for KeyLine {
    fn from(key: &WrappedKey) -> Self {
        Self::Key { id: key.id, wrapped: BASE64.encode(&key.wrapped) }
    }
}

impl From<&KeyLink> for KeyLine {
    fn from(link: &KeyLink) -> Self {
        Self::Link { key_id: link.key_id, customer_id: link.customer_id }
    }
}

impl KeyLine {
    /// What stands in it.
    pub(super) fn entry(self) -> Result<KeyEntry, base64::DecodeError> {
        Ok(match self {
            Self::Key { id, wrapped } => KeyEntry::Key(WrappedKey { id, wrapped: BASE64.decode(wrapped)? }),
            Self::Link { key_id, customer_id } => KeyEntry::Link(KeyLink { key_id, customer_id }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_links_come_back() -> Result<(), Box<dyn std::error::Error>> {
        let key = WrappedKey { id: Uuid::from_u128(1), wrapped: vec![0, 255, 7] };
        let link = KeyLink { key_id: Uuid::from_u128(2), customer_id: Uuid::from_u128(3) };
        let back = |line: &KeyLine| -> Result<KeyEntry, Box<dyn std::error::Error>> {
            Ok(serde_json::from_str::<KeyLine>(&serde_json::to_string(line)?)?.entry()?)
        };
        assert_eq!(back(&KeyLine::from(&key))?, KeyEntry::Key(key));
        assert_eq!(back(&KeyLine::from(&link))?, KeyEntry::Link(link));
        Ok(())
    }
}
