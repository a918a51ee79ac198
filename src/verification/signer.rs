//! What answers are signed with: a team's RSA key for the challenge, as Lukittu's programs check it, and the
//! server's Ed25519 key for the whole answer.

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD as BASE64URL};
use keyledger_events::keys::{KeyRing, KeyRingError};
use keyledger_projections::TeamConfig;
use moka::sync::Cache;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// The id of the secret that the server's key is made from, in the keys store that all nodes share.
const SERVER_KEY_ID: Uuid = Uuid::from_u128(0x6b65_796c_6564_6765_7273_6967_6e5f_3031);
/// Teams whose key pair is kept opened.
const TEAM_KEYS_MAX: u64 = 1_024;

/// Why nothing can be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// The key cannot be read.
    #[error(transparent)]
    Keys(#[from] KeyRingError),
    /// The key is not what it should be.
    #[error("the {0} key pair is not usable")]
    Unusable(&'static str),
}

/// The server's Ed25519 key, the same on every node. Clones share it.
#[derive(Clone)]
pub struct ServerKey(Arc<Ed25519KeyPair>);

impl ServerKey {
    /// Reads it from the keys store, where the first one to ask makes it.
    ///
    /// # Errors
    /// When the keys store does not answer.
    pub async fn open(keys: &KeyRing) -> Result<Self, SignerError> {
        let seed = keys.secret(SERVER_KEY_ID).await?;
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice());
        pair.map(|pair| Self(Arc::new(pair))).map_err(|_| SignerError::Unusable("server's Ed25519"))
    }

    /// The header `Keyledger-Signature` of an answer: over `"<t>." + challenge + "." + body`.
    pub fn header(&self, unix_seconds: i64, challenge: &str, body: &[u8]) -> String {
        let message = [format!("{unix_seconds}.{challenge}.").as_bytes(), body].concat();
        format!("t={unix_seconds},ed25519={}", BASE64.encode(self.0.sign(&message)))
    }

    /// The public key as a JWK set (RFC 8037); its id is its thumbprint (RFC 7638).
    pub fn jwks(&self) -> Value {
        let x = BASE64URL.encode(self.0.public_key().as_ref());
        let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        let kid = BASE64URL.encode(Sha256::digest(canonical.as_bytes()));
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": x }] })
    }
}

/// Teams' RSA keys, opened. Clones share them.
#[derive(Clone)]
pub struct TeamSigners {
    keys: KeyRing,
    /// By the event that carries the key: another key is another event.
    opened: Cache<Uuid, Arc<RsaKeyPair>>,
    random: SystemRandom,
}

impl TeamSigners {
    /// None opened yet.
    pub fn new(keys: KeyRing) -> Self {
        Self { keys, opened: Cache::new(TEAM_KEYS_MAX), random: SystemRandom::new() }
    }

    /// The answer to a challenge: lower-case hex of the RSASSA-PKCS1-v1_5 SHA-256 signature over its bytes.
    ///
    /// # Errors
    /// When the key cannot be read.
    pub async fn answer(&self, team: &TeamConfig, challenge: &str) -> Result<String, SignerError> {
        let pair = self.pair(team).await?;
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &self.random, challenge.as_bytes(), &mut signature)
            .map_err(|_| SignerError::Unusable("team's RSA"))?;
        Ok(hex::encode(signature))
    }

    async fn pair(&self, team: &TeamConfig) -> Result<Arc<RsaKeyPair>, SignerError> {
        if let Some(pair) = self.opened.get(&team.private_key.event_id) {
            return Ok(pair);
        }
        let context = team.private_key.context(team.id, TeamConfig::PRIVATE_KEY_FIELD);
        let pkcs8 = zeroize::Zeroizing::new(self.keys.open(context, &team.private_key.value).await?);
        let pair = RsaKeyPair::from_pkcs8(&pkcs8).map_err(|_| SignerError::Unusable("team's RSA"))?;
        let pair = Arc::new(pair);
        self.opened.insert(team.private_key.event_id, pair.clone());
        Ok(pair)
    }
}
