//! The file of keys: wrapped keys, the links between deliveries' keys and customers, and from when the server's signing
//! keys are in force, one a line.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use keyledger_events::Timestamp;
use keyledger_events::keys::{KeyLink, ServerKeyRecord, WrappedKey};
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
    /// A signing key of the server; its seed is the key with the same id.
    #[serde(rename_all = "camelCase")]
    ServerKey {
        /// Its id.
        id: Uuid,
        /// Base64 of the Ed25519 public key.
        public_key: String,
        /// From when it signs.
        valid_from: Timestamp,
    },
}

/// What stands in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyEntry {
    /// A key.
    Key(WrappedKey),
    /// A link.
    Link(KeyLink),
    /// A signing key of the server.
    ServerKey(ServerKeyRecord),
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

impl From<&ServerKeyRecord> for KeyLine {
    fn from(key: &ServerKeyRecord) -> Self {
        Self::ServerKey { id: key.id, public_key: BASE64.encode(&key.public_key), valid_from: key.valid_from }
    }
}

impl KeyLine {
    /// What stands in it.
    pub(super) fn entry(self) -> Result<KeyEntry, base64::DecodeError> {
        Ok(match self {
            Self::Key { id, wrapped } => KeyEntry::Key(WrappedKey { id, wrapped: BASE64.decode(wrapped)? }),
            Self::Link { key_id, customer_id } => KeyEntry::Link(KeyLink { key_id, customer_id }),
            Self::ServerKey { id, public_key, valid_from } => {
                KeyEntry::ServerKey(ServerKeyRecord { id, public_key: BASE64.decode(public_key)?, valid_from })
            }
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
        let (id, public_key, valid_from) = (Uuid::from_u128(4), vec![9; 32], Timestamp::UNIX_EPOCH);
        let server = ServerKeyRecord { id, public_key, valid_from };
        assert_eq!(back(&KeyLine::from(&server))?, KeyEntry::ServerKey(server));
        assert_eq!(back(&KeyLine::from(&key))?, KeyEntry::Key(key));
        assert_eq!(back(&KeyLine::from(&link))?, KeyEntry::Link(link));
        Ok(())
    }
}
