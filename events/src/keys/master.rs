//! The master key: 32 bytes in a file of its own or given by the operator; it wraps every data key.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::WrappedKey;
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
    /// A data key was wrapped by another master key.
    #[error("data key {0} was wrapped by another master key; restore the master key that belongs to this keys store")]
    Other(Uuid),
}

/// The key above all data keys.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// Reads 64 hexadecimal digits; white space around them is ignored.
    ///
    /// # Errors
    /// When the text is anything else. `origin` names the source in the message.
    pub fn from_hex(text: &str, origin: &str) -> Result<Self, MasterKeyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), bytes.as_mut_slice())
            .map_err(|_| MasterKeyError::Malformed { origin: origin.to_owned() })?;
        Ok(Self(bytes))
    }

    /// Reads the key from `path`, or makes a new one there (mode 0600) when there is no such file.
    ///
    /// # Errors
    /// When the file cannot be read, made, or holds something else.
    pub fn load_or_create(path: &Path) -> Result<Self, MasterKeyError> {
        let at = |source| MasterKeyError::File { path: path.to_owned(), source };
        if !path.exists() {
            Self::create(path).map_err(at)?;
        }
        let mut text = Zeroizing::new(String::new());
        File::open(path).map_err(at)?.read_to_string(&mut text).map_err(at)?;
        Self::from_hex(&text, &path.display().to_string())
    }

    /// Writes a complete key beside `path` and links it into place, so that of two starting processes one wins
    /// and neither reads half a key.
    fn create(path: &Path) -> io::Result<()> {
        let draft = path.with_extension(format!("draft-{}", Uuid::new_v4()));
        let bytes = Zeroizing::new(rand::random::<[u8; 32]>());
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&draft)?;
        file.write_all(Zeroizing::new(hex::encode(bytes.as_slice())).as_bytes())?;
        file.sync_all()?;
        let linked = fs::hard_link(&draft, path);
        fs::remove_file(&draft)?;
        // A bare file name has the empty path as its parent, which cannot be opened.
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            File::open(folder)?.sync_all()?;
        }
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    /// Encrypts a data key for the keys store.
    pub fn wrap(&self, key: &DataKey) -> WrappedKey {
        let nonce: [u8; 24] = rand::random();
        let id = key.id();
        let payload = Payload { msg: key.bytes(), aad: id.as_bytes() };
        #[expect(clippy::expect_used, reason = "encrypting 32 bytes cannot exceed the cipher's limit")]
        let ciphertext = XChaCha20Poly1305::new((&*self.0).into())
            .encrypt(&XNonce::from(nonce), payload)
            .expect("32 bytes can be encrypted");
        WrappedKey { id, wrapped: [nonce.as_slice(), &ciphertext].concat() }
    }

    /// Decrypts a data key from the keys store.
    ///
    /// # Errors
    /// When it was wrapped by another master key or its bytes were changed.
    pub fn unwrap(&self, key: &WrappedKey) -> Result<DataKey, MasterKeyError> {
        let other = || MasterKeyError::Other(key.id);
        let (nonce, ciphertext) = key.wrapped.split_first_chunk::<24>().ok_or_else(other)?;
        let payload = Payload { msg: ciphertext, aad: key.id.as_bytes() };
        let plain = Zeroizing::new(
            XChaCha20Poly1305::new((&*self.0).into()).decrypt(&XNonce::from(*nonce), payload).map_err(|_| other())?,
        );
        let bytes: [u8; 32] = plain.as_slice().try_into().map_err(|_| other())?;
        Ok(DataKey::new(key.id, Zeroizing::new(bytes)))
    }

    /// A keyed fingerprint for look-ups of guessable values (mail addresses, licence keys): HMAC-SHA256 under a
    /// key derived from the master key for `purpose`, over length-prefixed parts.
    pub fn fingerprint(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        let derived = mac(self.0.as_slice(), |mac| mac.update(purpose.as_bytes()));
        mac(&derived, |mac| {
            for part in parts {
                mac.update(&(part.len() as u64).to_be_bytes());
                mac.update(part);
            }
        })
    }
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
            assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
        }
        Ok(())
    }

    #[test]
    fn another_master_key_opens_nothing() -> Result<(), MasterKeyError> {
        let one = MasterKey::from_hex(&"11".repeat(32), "test")?;
        let two = MasterKey::from_hex(&"22".repeat(32), "test")?;
        let wrapped = one.wrap(&DataKey::generate(Uuid::nil()));
        assert!(matches!(two.unwrap(&wrapped), Err(MasterKeyError::Other(_))));
        assert!(MasterKey::from_hex("1234", "test").is_err());
        assert_ne!(one.fingerprint("email", &[b"a"]), two.fingerprint("email", &[b"a"]));
        assert_ne!(one.fingerprint("email", &[b"ab", b"c"]), one.fingerprint("email", &[b"a", b"bc"]));
        Ok(())
    }
}
