//! Lukittu's licence keys at rest: `iv:ciphertext:tag` in hexadecimal, AES-256-GCM with an initialisation vector of 16
//! bytes.

use aes_gcm::aead::array::Array;
use aes_gcm::aead::consts::U16;
use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use aes_gcm::aes::Aes256;
use aes_gcm::{AesGcm, Tag};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

/// Characters of a key's groups and of the bars between them.
const KEY_CHARACTERS: usize = 29;

/// The environment variable `ENCRYPTION_KEY` of a Lukittu server.
pub struct EncryptionKey(AesGcm<Aes256, U16>);

/// A text that is no encryption key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the encryption key has {0} bytes instead of 32; give the value of ENCRYPTION_KEY of the Lukittu server")]
pub struct EncryptionKeyError(usize);

impl EncryptionKey {
    /// Takes the variable's value as Lukittu does: its bytes are the key.
    ///
    /// # Errors
    /// When it is not 32 bytes long.
    pub fn new(text: &SecretString) -> Result<Self, EncryptionKeyError> {
        let bytes = text.expose_secret().as_bytes();
        AesGcm::new_from_slice(bytes).map(Self).map_err(|_| EncryptionKeyError(bytes.len()))
    }

    /// Opens a licence key; the message says what is wrong with one that does not open.
    pub(super) fn open(&self, stored: &str) -> Result<Zeroizing<String>, String> {
        let malformed = || "licenseKey is not of the form iv:ciphertext:tag in hexadecimal".to_owned();
        let parts: Vec<_> = stored.split(':').map(hex::decode).collect::<Result<_, _>>().map_err(|_| malformed())?;
        let [iv, text, tag] = <[Vec<u8>; 3]>::try_from(parts).map_err(|_| malformed())?;
        let iv = Array::<u8, U16>::try_from(iv.as_slice()).map_err(|_| malformed())?;
        let tag = Tag::try_from(tag.as_slice()).map_err(|_| malformed())?;
        let mut text = Zeroizing::new(text);
        self.0
            .decrypt_inout_detached(&iv, &[], text.as_mut_slice().into(), &tag)
            .map_err(|_| "licenseKey does not open with the encryption key".to_owned())?;
        let key = std::str::from_utf8(&text).map_err(|_| "licenseKey is no text".to_owned())?;
        if !well_formed(key) {
            return Err(
                "the licence key is not five groups of five of A-Z and 0-9: no client could ask for it".to_owned()
            );
        }
        Ok(Zeroizing::new(key.to_owned()))
    }
}

fn well_formed(key: &str) -> bool {
    let group = |group: &str| group.len() == 5 && group.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    key.len() == KEY_CHARACTERS && key.split('-').all(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with Node's `crypto`, as Lukittu does it: this key, the initialisation vector 00 01 … 0f.
    const KEY: &str = "0123456789abcdefghijklmnopqrstuv";
    const STORED: &str = "000102030405060708090a0b0c0d0e0f:3db8f83956ba500ae2b029adab99c298c1236932ef4c280487b87f7102:002fe8b2f662181001fc9cea00fe983c";

    fn key(text: &str) -> Result<EncryptionKey, EncryptionKeyError> {
        EncryptionKey::new(&SecretString::from(text.to_owned()))
    }

    #[test]
    fn a_stored_key_opens_with_its_encryption_key_alone() -> Result<(), Box<dyn std::error::Error>> {
        assert_eq!(key(KEY)?.open(STORED)?.as_str(), "ABCDE-FGHIJ-KLMNO-PQRST-UVW12");
        let other = key("v123456789abcdefghijklmnopqrstuv")?.open(STORED);
        assert!(other.is_err_and(|problem| problem.contains("does not open")));
        let cut = key(KEY)?.open(&STORED[..STORED.len() - 2]);
        assert!(cut.is_err_and(|problem| problem.contains("not of the form")));
        assert!(key(KEY)?.open("ABCDE").is_err());
        assert!(key("short").is_err_and(|error| error.to_string().contains("5 bytes")));
        Ok(())
    }

    #[test]
    fn only_what_a_client_can_ask_for_is_a_key() {
        assert!(well_formed("ABCDE-FGHIJ-KLMNO-PQRST-UVW12"));
        for bad in ["abcde-FGHIJ-KLMNO-PQRST-UVW12", "ABCDE-FGHIJ-KLMNO-PQRST", "ABCDEF-GHIJ-KLMNO-PQRST-UVW12", ""] {
            assert!(!well_formed(bad), "{bad}");
        }
    }
}
