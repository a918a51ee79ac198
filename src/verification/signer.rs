//! What answers are signed with: a team's RSA key for the challenge, as Lukittu's programs check it, and the
//! server's Ed25519 key for the whole answer.

use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD as BASE64URL};
use keyledger_events::keys::{KeyRing, KeyRingError, ServerKeyRecord};
use keyledger_events::{Timestamp, id};
use keyledger_projections::TeamConfig;
use moka::sync::Cache;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// The id of the seed of the server's first key, in the keys store that all nodes share.
const FIRST_SERVER_KEY: Uuid = Uuid::from_u128(0x6b65_796c_6564_6765_7273_6967_6e5f_3031);
/// Times a key is made anew because somebody else added one meanwhile.
const ADD_TRIES_MAX: u32 = 8;
/// Teams whose key pair is kept opened.
const TEAM_KEYS_MAX: u64 = 1_024;

/// Why nothing can be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// The key cannot be read.
    #[error(transparent)]
    Keys(#[from] KeyRingError),
    /// The keys store does not answer.
    #[error("the keys store cannot be read: {0}")]
    Store(#[from] sqlx::Error),
    /// Others kept adding keys.
    #[error("others kept adding server keys; try again")]
    Contended,
    /// The key is not what it should be.
    #[error("the {0} key pair is not usable")]
    Unusable(&'static str),
}

/// The server's Ed25519 keys, the same on every node: the one in force signs. Clones share what they know.
#[derive(Clone)]
pub struct ServerKeys {
    keys: KeyRing,
    known: Arc<RwLock<Arc<Vec<ServerKey>>>>,
}

/// One of the server's keys.
struct ServerKey {
    record: ServerKeyRecord,
    pair: Ed25519KeyPair,
}

/// One of the server's keys as programs see it: a JWK (RFC 8037) whose id is its thumbprint (RFC 7638), and when it signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerKeyJson {
    kty: &'static str,
    crv: &'static str,
    alg: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    /// Its id.
    pub kid: String,
    /// Base64url of the public key.
    pub x: String,
    /// From when it signs; `None` when that was before this was noted.
    pub from: Option<Timestamp>,
    /// Until when, where another one follows.
    pub until: Option<Timestamp>,
}

impl ServerKeys {
    /// Reads them from the keys store, where the first one to ask makes the first one.
    ///
    /// # Errors
    /// When the keys store does not answer.
    pub async fn open(keys: &KeyRing, now: Timestamp) -> Result<Self, SignerError> {
        let server_keys = Self { keys: keys.clone(), known: Arc::default() };
        if !server_keys.refresh().await? {
            // One from before server keys could change has signed since nobody knows when.
            let is_old = keys.vault().find(FIRST_SERVER_KEY).await?.is_some();
            let seed = keys.secret(FIRST_SERVER_KEY).await?;
            let valid_from = if is_old { Timestamp::UNIX_EPOCH } else { now };
            let record = ServerKeyRecord { id: FIRST_SERVER_KEY, public_key: public_key(&seed)?, valid_from };
            // Of two that start at once, one adds it.
            keys.vault().add_server_key(&record, &[], 0).await?;
            server_keys.refresh().await?;
        }
        Ok(server_keys)
    }

    /// Adds a key that signs from `from` on, and is shown at once.
    ///
    /// # Errors
    /// When the keys store does not answer.
    pub async fn add(&self, from: Timestamp) -> Result<(), SignerError> {
        for _ in 0..ADD_TRIES_MAX {
            self.refresh().await?;
            let (seed, wrapped) = self.keys.generate(id::fresh());
            let record = ServerKeyRecord { id: seed.id(), public_key: public_key(seed.secret())?, valid_from: from };
            let known = self.known().len();
            if self.keys.vault().add_server_key(&record, &[wrapped], known).await? {
                self.refresh().await?;
                return Ok(());
            }
        }
        Err(SignerError::Contended)
    }

    /// Takes up what another process has added. Tells whether there is any.
    ///
    /// # Errors
    /// When the keys store does not answer.
    pub async fn refresh(&self) -> Result<bool, SignerError> {
        let records = self.keys.vault().server_keys().await?;
        let known = self.known();
        if known.iter().map(|key| &key.record).eq(&records) {
            return Ok(!records.is_empty());
        }
        let mut opened = Vec::with_capacity(records.len());
        for record in records {
            let seed = self.keys.key(record.id).await?;
            opened.push(ServerKey { pair: pair(seed.secret())?, record });
        }
        let any = !opened.is_empty();
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(opened);
        Ok(any)
    }

    /// The header `Keyledger-Signature` of an answer: over `"<t>." + challenge + "." + body`.
    pub fn header(&self, now: Timestamp, challenge: &str, body: &[u8]) -> Option<String> {
        let unix_seconds = now.as_second();
        let message = [format!("{unix_seconds}.{challenge}.").as_bytes(), body].concat();
        let known = self.known();
        // The latest that is in force: one that was added later outranks one that was announced for later.
        let key = known.iter().rev().find(|key| key.record.valid_from <= now).or(known.first())?;
        Some(format!("t={unix_seconds},ed25519={}", BASE64.encode(key.pair.sign(&message))))
    }

    /// All of them, the oldest first.
    pub fn list(&self) -> Vec<ServerKeyJson> {
        let known = self.known();
        let until = |index: usize| known.iter().skip(index + 1).map(|later| later.record.valid_from).min();
        let shown = known.iter().enumerate().map(|(index, key)| {
            let x = BASE64URL.encode(&key.record.public_key);
            let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
            ServerKeyJson {
                kty: "OKP",
                crv: "Ed25519",
                alg: "EdDSA",
                usage: "sig",
                kid: BASE64URL.encode(Sha256::digest(canonical.as_bytes())),
                x,
                from: Some(key.record.valid_from).filter(|from| *from > Timestamp::UNIX_EPOCH),
                until: until(index),
            }
        });
        shown.collect()
    }

    /// The public keys as a JWK set.
    pub fn jwks(&self) -> Value {
        json!({ "keys": self.list() })
    }

    fn known(&self) -> Arc<Vec<ServerKey>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn pair(seed: &[u8; 32]) -> Result<Ed25519KeyPair, SignerError> {
    Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| SignerError::Unusable("server's Ed25519"))
}

fn public_key(seed: &[u8; 32]) -> Result<Vec<u8>, SignerError> {
    Ok(pair(seed)?.public_key().as_ref().to_vec())
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
