//! Sealed values: the only form in which personal data, licence keys and secrets enter the ledger.
//!
//! A [`Sealed`] value is encrypted with XChaCha20-Poly1305 under a data key from the keys store and bound to its
//! team, its event and its field, so that it cannot be moved elsewhere and still open. Destroying the data key
//! makes it unreadable for ever while the event, its hash and its proofs stay.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::id::TeamId;

/// Where a sealed value belongs; the additional data of its encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealContext<'a> {
    /// The team whose ledger entry it is.
    pub team: TeamId,
    /// The event that carries it.
    pub event_id: Uuid,
    /// The field of the event.
    pub field: &'a str,
}

impl SealContext<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(32 + self.field.len());
        bytes.extend_from_slice(self.team.0.as_bytes());
        bytes.extend_from_slice(self.event_id.as_bytes());
        bytes.extend_from_slice(self.field.as_bytes());
        bytes
    }
}

/// Bytes of a key's id, and of a nonce.
const KEY_ID_BYTES: usize = 16;
const NONCE_BYTES: usize = 24;

/// An encrypted value. It shows itself as `{"sealed":"…"}`; only a [`DataKey`] opens it.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    key_id: Uuid,
    /// Base64 of the key's id, the nonce and the ciphertext: the form that it has in the ledger. Most who read a value
    /// do not open it.
    text: Box<str>,
}

impl Sealed {
    /// The data key that opens it.
    pub fn key_id(&self) -> Uuid {
        self.key_id
    }

    fn new(key_id: Uuid, nonce: &[u8; NONCE_BYTES], ciphertext: &[u8]) -> Self {
        let text = BASE64.encode([key_id.as_bytes(), nonce.as_slice(), ciphertext].concat());
        Self { key_id, text: text.into() }
    }

    fn from_text(text: String) -> Option<Self> {
        let digits = text.strip_suffix("==").or(text.strip_suffix('=')).unwrap_or(&text);
        // All of them, whatever the first ones are: so the compiler looks at many at once.
        let all_digits = digits.bytes().fold(true, |all, byte| all & is_digit(byte));
        let long_enough = digits.len() * 3 / 4 >= KEY_ID_BYTES + NONCE_BYTES;
        if !(all_digits && long_enough && text.len().is_multiple_of(4)) {
            return None;
        }
        // Whole groups of four digits that hold the id.
        let head = BASE64.decode(text.get(..KEY_ID_BYTES.div_ceil(3) * 4)?).ok()?;
        let key_id = Uuid::from_bytes(*head.first_chunk::<KEY_ID_BYTES>()?);
        Some(Self { key_id, text: text.into() })
    }

    /// Nonce and ciphertext.
    fn decode(&self) -> Option<([u8; NONCE_BYTES], Vec<u8>)> {
        let mut bytes = BASE64.decode(&*self.text).ok()?;
        let (_, rest) = bytes.split_first_chunk::<KEY_ID_BYTES>()?;
        let nonce = *rest.first_chunk::<NONCE_BYTES>()?;
        bytes.drain(..KEY_ID_BYTES + NONCE_BYTES);
        Some((nonce, bytes))
    }
}

/// Whether it is a digit of base64.
fn is_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() | (byte == b'+') | (byte == b'/')
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[sealed]")
    }
}

#[derive(Deserialize)]
struct SealedForm {
    sealed: String,
}

impl Serialize for Sealed {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut form = serializer.serialize_struct("SealedForm", 1)?;
        form.serialize_field("sealed", &self.text)?;
        form.end()
    }
}

impl<'de> Deserialize<'de> for Sealed {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = SealedForm::deserialize(deserializer)?;
        Self::from_text(form.sealed)
            .ok_or_else(|| serde::de::Error::custom("a sealed value is cut short or not base64"))
    }
}

/// Why a sealed value does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The value was sealed with another key.
    #[error("the value is sealed with another data key")]
    OtherKey,
    /// The value was changed, or moved to another team, event or field.
    #[error("the sealed value was changed or belongs to another event")]
    Tampered,
}

/// A 256-bit key that seals values, named by its id. Its bytes are wiped when it is dropped.
#[derive(Clone)]
pub struct DataKey {
    id: Uuid,
    bytes: Zeroizing<[u8; 32]>,
}

impl DataKey {
    /// A key read from the keys store.
    pub fn new(id: Uuid, bytes: Zeroizing<[u8; 32]>) -> Self {
        Self { id, bytes }
    }

    /// A new random key.
    pub fn generate(id: Uuid) -> Self {
        Self { id, bytes: Zeroizing::new(rand::random()) }
    }

    /// The key's id.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Its bytes, for a key that is a secret in itself, such as a signing key's seed.
    pub fn secret(&self) -> &[u8; 32] {
        &self.bytes
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Encrypts `plaintext` for one place in the ledger.
    pub fn seal(&self, context: SealContext<'_>, plaintext: &[u8]) -> Sealed {
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let payload = Payload { msg: plaintext, aad: &context.bytes() };
        #[expect(clippy::expect_used, reason = "fails only for plaintexts over 256 GiB; bodies are limited to 1 MiB")]
        let ciphertext = XChaCha20Poly1305::new((&*self.bytes).into())
            .encrypt(&XNonce::from(nonce), payload)
            .expect("a body within its limit can be encrypted");
        Sealed::new(self.id, &nonce, &ciphertext)
    }

    /// Decrypts a value sealed by this key for this place.
    ///
    /// # Errors
    /// When the value belongs to another key or another place, or was changed.
    pub fn open(&self, context: SealContext<'_>, sealed: &Sealed) -> Result<Vec<u8>, OpenError> {
        if sealed.key_id != self.id {
            return Err(OpenError::OtherKey);
        }
        let (nonce, ciphertext) = sealed.decode().ok_or(OpenError::Tampered)?;
        let payload = Payload { msg: &ciphertext, aad: &context.bytes() };
        XChaCha20Poly1305::new((&*self.bytes).into())
            .decrypt(&XNonce::from(nonce), payload)
            .map_err(|_| OpenError::Tampered)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({}, [secret])", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(field: &str) -> SealContext<'_> {
        SealContext { team: TeamId(Uuid::nil()), event_id: Uuid::max(), field }
    }

    #[test]
    fn opens_only_where_it_was_sealed() {
        let key = DataKey::generate(Uuid::nil());
        let sealed = key.seal(context("email"), b"buyer@example.com");
        assert_eq!(key.open(context("email"), &sealed).as_deref(), Ok(&b"buyer@example.com"[..]));
        assert_eq!(key.open(context("name"), &sealed), Err(OpenError::Tampered));
        let other = DataKey::generate(Uuid::max());
        assert_eq!(other.open(context("email"), &sealed), Err(OpenError::OtherKey));
    }

    #[test]
    fn survives_storage_and_never_prints_itself() {
        let key = DataKey::generate(Uuid::nil());
        let sealed = key.seal(context("email"), b"buyer@example.com");
        let stored = serde_json::to_string(&sealed).unwrap_or_default();
        assert_eq!(serde_json::from_str::<Sealed>(&stored).ok(), Some(sealed.clone()));
        assert_eq!(format!("{sealed:?}"), "[sealed]");
        // Cut short, no whole group at the end, no digits.
        let whole = "A".repeat(56);
        let read = |text: &str| serde_json::from_str::<Sealed>(&format!(r#"{{"sealed":"{text}"}}"#));
        assert!(read(&whole).is_ok_and(|sealed| key.open(context("email"), &sealed) == Err(OpenError::Tampered)));
        for bad in ["AAAA", "", &whole[..52], &whole[..55], &whole.replace('A', "-"), &whole.replacen('A', "=", 1)] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
