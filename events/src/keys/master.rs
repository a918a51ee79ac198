//! The master key: 32 bytes in a file of its own or given by the operator; it wraps every data key.

use std::io;
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{WrappedKey, master_file};
use crate::id;
use crate::sealed::DataKey;

/// Why there is no usable master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The file cannot be read or made.
    #[error("master key file {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The text is not 64 hexadecimal digits.
    #[error("the master key in {origin} is not 64 hexadecimal digits (32 bytes); restore it from its backup")]
    Malformed {
        /// Where the text came from.
        origin: String,
    },
    /// The keys store is under a master key, and the file that is to hold it is not there.
    #[error(
        "there is no master key in {0}, and this keys store is under one: put the file back (a backup has it where it was \
         asked for), or name its place with --master-key-file"
    )]
    Missing(PathBuf),
    /// The keys store is under another master key.
    #[error(
        "the master key from {origin} is not the one that this keys store is under (that one's id begins with {in_force}); \
         if it was rotated, put the new one in place, and else the one that belongs to this keys store"
    )]
    Rotated {
        /// Where ours came from.
        origin: String,
        /// The first digits of the id of the one in force.
        in_force: String,
    },
    /// The keys store does not answer.
    #[error("the keys store cannot be read: {0}")]
    Store(#[from] sqlx::Error),
    /// A data key was wrapped by another master key.
    #[error("data key {0} was wrapped by another master key; restore the master key that belongs to this keys store")]
    Other(Uuid),
}

/// The key above all data keys.
#[derive(Clone)]
pub struct MasterKey {
    bytes: Zeroizing<[u8; 32]>,
    id: Uuid,
}

impl MasterKey {
    fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        let id = id::of_fingerprint(&fingerprint(&bytes, "master-key-id", &[]));
        Self { bytes, id }
    }

    /// A new random one.
    pub fn generate() -> Self {
        Self::new(Zeroizing::new(rand::random()))
    }

    /// Reads 64 hexadecimal digits; white space around them is ignored.
    ///
    /// # Errors
    /// When the text is anything else. `origin` names the source in the message.
    pub fn from_hex(text: &str, origin: &str) -> Result<Self, MasterKeyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), bytes.as_mut_slice())
            .map_err(|_| MasterKeyError::Malformed { origin: origin.to_owned() })?;
        Ok(Self::new(bytes))
    }

    /// Its text, as [`MasterKey::from_hex`] reads it.
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(self.bytes.as_slice()))
    }

    /// A name for it that tells nothing of it: a keyed fingerprint.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Reads the key from `path`, or makes a new one there (mode 0600) when there is no such file.
    ///
    /// # Errors
    /// When the file cannot be read, made, or holds something else.
    pub fn load_or_create(path: &Path) -> Result<Self, MasterKeyError> {
        let at = |source| MasterKeyError::File { path: path.to_owned(), source };
        if !path.exists() {
            master_file::create(path, &Self::generate()).map_err(at)?;
        }
        master_file::read(path)
    }

    /// Itself as a data key, to be wrapped by another master key.
    pub(super) fn as_data_key(&self, id: Uuid) -> DataKey {
        DataKey::new(id, self.bytes.clone())
    }

    /// The master key that a data key holds.
    pub(super) fn of_data_key(key: &DataKey) -> Self {
        Self::new(Zeroizing::new(*key.bytes()))
    }

    /// Encrypts a data key for the keys store.
    pub fn wrap(&self, key: &DataKey) -> WrappedKey {
        let nonce: [u8; 24] = rand::random();
        let id = key.id();
        let payload = Payload { msg: key.bytes(), aad: id.as_bytes() };
        #[expect(clippy::expect_used, reason = "encrypting 32 bytes cannot exceed the cipher's limit")]
        let ciphertext = XChaCha20Poly1305::new((&*self.bytes).into())
            .encrypt(&XNonce::from(nonce), payload)
            .expect("32 bytes can be encrypted");
        WrappedKey { id, wrapped: [self.id.as_bytes().as_slice(), &nonce, &ciphertext].concat() }
    }

    /// Decrypts a data key from the keys store.
    ///
    /// # Errors
    /// When it was wrapped by another master key or its bytes were changed.
    pub fn unwrap(&self, key: &WrappedKey) -> Result<DataKey, MasterKeyError> {
        let other = || MasterKeyError::Other(key.id);
        let (nonce, ciphertext) = key.sealed().split_first_chunk::<24>().ok_or_else(other)?;
        let payload = Payload { msg: ciphertext, aad: key.id.as_bytes() };
        let plain = Zeroizing::new(
            XChaCha20Poly1305::new((&*self.bytes).into())
                .decrypt(&XNonce::from(*nonce), payload)
                .map_err(|_| other())?,
        );
        let bytes: [u8; 32] = plain.as_slice().try_into().map_err(|_| other())?;
        Ok(DataKey::new(key.id, Zeroizing::new(bytes)))
    }

    /// A keyed fingerprint for look-ups of guessable values (mail addresses, licence keys): HMAC-SHA256 under a
    /// key derived from the master key for `purpose`, over length-prefixed parts.
    pub fn fingerprint(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        fingerprint(&self.bytes, purpose, parts)
    }
}

fn fingerprint(root: &[u8; 32], purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
    let derived = mac(root, |mac| mac.update(purpose.as_bytes()));
    mac(&derived, |mac| {
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
    })
}

fn mac(key: &[u8], feed: impl FnOnce(&mut Hmac<Sha256>)) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104)")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    feed(&mut mac);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_started_ledger_keeps_its_master_key() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("master.key");
        let first = MasterKey::load_or_create(&path)?;
        let second = MasterKey::load_or_create(&path)?;
        let key = DataKey::generate(Uuid::new_v4());
        let unwrapped = second.unwrap(&first.wrap(&key))?;
        assert_eq!(unwrapped.bytes(), key.bytes());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
        }
        Ok(())
    }

    #[test]
    fn another_master_key_opens_nothing() -> Result<(), MasterKeyError> {
        let one = MasterKey::from_hex(&"11".repeat(32), "test")?;
        let two = MasterKey::from_hex(&"22".repeat(32), "test")?;
        let wrapped = one.wrap(&DataKey::generate(Uuid::nil()));
        assert!(matches!(two.unwrap(&wrapped), Err(MasterKeyError::Other(_))));
        // What was wrapped before ids were told is read too.
        let old = WrappedKey { id: wrapped.id, wrapped: wrapped.wrapped[16..].to_vec() };
        assert_eq!((old.master(), wrapped.master()), (None, Some(one.id())));
        assert_eq!(one.unwrap(&old)?.bytes(), one.unwrap(&wrapped)?.bytes());
        assert!(MasterKey::from_hex("1234", "test").is_err());
        assert_ne!(one.fingerprint("email", &[b"a"]), two.fingerprint("email", &[b"a"]));
        assert_ne!(one.fingerprint("email", &[b"ab", b"c"]), one.fingerprint("email", &[b"a", b"bc"]));
        Ok(())
    }
}
