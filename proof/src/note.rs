//! Signed notes (<https://c2sp.org/signed-note>): a text, and lines with Ed25519 signatures over it.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};

/// The byte that stands for Ed25519 in key ids and verifier keys.
const ED25519_TYPE: u8 = 0x01;
/// Bytes of a note at most: 16 signatures of any kind that there is are far less.
pub const NOTE_BYTES_MAX: usize = 128 * 1_024;

/// Why a note says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The text is no signed note.
    #[error("this is no signed note: {0}")]
    Malformed(&'static str),
    /// Nobody known signed it.
    #[error("the note is not signed by {0}")]
    NotSigned(String),
    /// The signature is not over this text.
    #[error("the signature of {0} does not fit the note: it was changed")]
    Forged(String),
    /// The key is no verifier key.
    #[error("`{0}` is no verifier key of the form NAME+ID+KEY")]
    Key(String),
}

/// A public key with the name of its owner. Its text is `<name>+<id in hex>+<base64 of type and key>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    key: [u8; 32],
}

impl VerifierKey {
    fn new(name: &str, key: [u8; 32]) -> Self {
        let hash = Sha256::new().chain_update(name).chain_update([b'\n', ED25519_TYPE]).chain_update(key).finalize();
        let mut id = [0; 4];
        id.copy_from_slice(&hash[..4]);
        Self { name: name.to_owned(), id, key }
    }

    /// Whose key it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text of a note that this key signed.
    ///
    /// # Errors
    /// When the note is malformed, was not signed by this key, or was changed.
    pub fn open<'n>(&self, note: &'n str) -> Result<&'n str, NoteError> {
        let (text, signatures) = split(note)?;
        let mut signed = false;
        for signature in signatures {
            let (name, id, bytes) = signature?;
            if name == self.name && id == self.id {
                let key = UnparsedPublicKey::new(&ED25519, &self.key);
                key.verify(text.as_bytes(), &bytes).map_err(|_| NoteError::Forged(self.name.clone()))?;
                signed = true;
            }
        }
        if signed { Ok(text) } else { Err(NoteError::NotSigned(self.to_string())) }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = BASE64.encode([&[ED25519_TYPE], self.key.as_slice()].concat());
        write!(f, "{}+{}+{key}", self.name, hex::encode(self.id))
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;
    fn from_str(text: &str) -> Result<Self, NoteError> {
        let bad = || NoteError::Key(text.chars().take(200).collect());
        let (name, rest) = text.split_once('+').ok_or_else(bad)?;
        let (id, key) = rest.split_once('+').ok_or_else(bad)?;
        let bytes = BASE64.decode(key).map_err(|_| bad())?;
        let (&[ED25519_TYPE], key) = bytes.split_first_chunk::<1>().ok_or_else(bad)? else { return Err(bad()) };
        let parsed = Self::new(name, key.try_into().map_err(|_| bad())?);
        if is_name(name) && hex::encode(parsed.id) == id { Ok(parsed) } else { Err(bad()) }
    }
}

/// Signs notes.
pub struct NoteSigner {
    pair: Ed25519KeyPair,
    key: VerifierKey,
}

impl NoteSigner {
    /// The signer with this seed, whose name the public key gives: nobody needs to choose one, and two installations
    /// never share it.
    ///
    /// # Errors
    /// When the seed is not 32 bytes, or `name` gives no name of a key.
    pub fn from_seed(seed: &[u8], name: impl FnOnce(&[u8; 32]) -> String) -> Result<Self, NoteError> {
        let unusable = |_| NoteError::Malformed("the seed is not 32 bytes");
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(unusable)?;
        let public: [u8; 32] = pair
            .public_key()
            .as_ref()
            .try_into()
            .map_err(|_| NoteError::Malformed("the public key is not 32 bytes"))?;
        let name = name(&public);
        if !is_name(&name) {
            return Err(NoteError::Key(name));
        }
        Ok(Self { pair, key: VerifierKey::new(&name, public) })
    }

    /// The key that its notes are opened with.
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// The note with this text, which ends in a newline.
    pub fn sign(&self, text: &str) -> String {
        let signature = self.pair.sign(text.as_bytes());
        let encoded = BASE64.encode([self.key.id.as_slice(), signature.as_ref()].concat());
        format!("{text}\n— {} {encoded}\n", self.key.name)
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|it: char| it == '+' || it.is_whitespace() || it.is_control())
}

/// A signature line: the key's name and id, and the signature.
type Signature<'n> = (&'n str, [u8; 4], Vec<u8>);

/// The text, and the signature lines one after the other.
fn split(note: &str) -> Result<(&str, impl Iterator<Item = Result<Signature<'_>, NoteError>>), NoteError> {
    if note.len() > NOTE_BYTES_MAX {
        return Err(NoteError::Malformed("it is too long"));
    }
    if note.bytes().any(|byte| byte < b' ' && byte != b'\n') {
        return Err(NoteError::Malformed("it has control characters"));
    }
    let at = note.rfind("\n\n").ok_or(NoteError::Malformed("it has no empty line before its signatures"))?;
    let (text, lines) = (&note[..=at], &note[at + 2..]);
    let lines = lines.strip_suffix('\n').ok_or(NoteError::Malformed("its last line is cut off"))?;
    Ok((text, lines.split('\n').map(signature)))
}

fn signature(line: &str) -> Result<Signature<'_>, NoteError> {
    const BAD: NoteError = NoteError::Malformed("a line of signatures is no signature");
    let (name, encoded) = line.strip_prefix("— ").and_then(|rest| rest.split_once(' ')).ok_or(BAD)?;
    let bytes = BASE64.decode(encoded).map_err(|_| BAD)?;
    let (id, signature) = bytes.split_first_chunk::<4>().ok_or(BAD)?;
    if is_name(name) { Ok((name, *id, signature.to_vec())) } else { Err(BAD) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    const KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    const NOTE: &str = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ON\
        ncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

    fn signer() -> Result<NoteSigner, NoteError> {
        NoteSigner::from_seed(&[7; 32], |public| format!("example.com/{}", hex::encode(&public[..4])))
    }

    #[test]
    fn the_example_of_the_specification_verifies() -> Result<(), NoteError> {
        let key: VerifierKey = KEY.parse()?;
        assert_eq!(key.to_string(), KEY);
        assert_eq!(key.open(NOTE)?, "This is an example message.\n");
        Ok(())
    }

    #[test]
    fn a_changed_byte_is_found_wherever_it_is() -> Result<(), NoteError> {
        let signer = signer()?;
        let note = signer.sign("example.com/log\n12\nline\n");
        assert_eq!(signer.key().open(&note)?, "example.com/log\n12\nline\n");
        for at in 0..note.len() {
            for flip in [1, 0x20, 0x80] {
                let mut bytes = note.clone().into_bytes();
                bytes[at] ^= flip;
                let opened = String::from_utf8(bytes).map(|changed| signer.key().open(&changed).is_ok());
                assert_ne!(opened, Ok(true), "byte {at}");
            }
            assert!(!note.is_char_boundary(at) || signer.key().open(&note[..at]).is_err(), "cut at {at}");
        }
        Ok(())
    }

    #[test]
    fn signatures_of_others_are_passed_over_and_do_not_count() -> Result<(), NoteError> {
        let signer = signer()?;
        let note = signer.sign("text\n");
        let other: VerifierKey = KEY.parse()?;
        assert!(matches!(other.open(&note), Err(NoteError::NotSigned(_))));
        let (_, theirs) = NOTE.split_once("\n\n").unwrap_or_default();
        assert_eq!(signer.key().open(&format!("{note}{theirs}"))?, "text\n");
        assert_eq!(other.open(&format!("{note}{theirs}")), Err(NoteError::Forged("example.com/foo".to_owned())));
        Ok(())
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let wrong_id = KEY.replace("530d903a", "530d903b");
        let wrong_type = "example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
        for bad in ["", "a", "a+b", wrong_id.as_str(), wrong_type, "a b+530d903a+AekyeRrm56hApGFkyQR4Z"] {
            assert!(bad.parse::<VerifierKey>().is_err(), "{bad}");
        }
        assert!(NoteSigner::from_seed(&[1; 31], |_| "x".to_owned()).is_err());
        assert!(NoteSigner::from_seed(&[1; 32], |_| "a b".to_owned()).is_err());
    }
}
