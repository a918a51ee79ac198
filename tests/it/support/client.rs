//! A client program, as Lukittu's programs ask, with the checks that they make on the answer.

use std::sync::atomic::{AtomicU32, Ordering};

use aws_lc_rs::signature::{ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD as BASE64URL};
use serde_json::{Value, json};

use super::app::{Answer, TestApp};
use super::compose::polymart;
use super::process::Keyledger;
use super::{Backend, Error, Options, TestResult, unique};

/// What a client program is answered.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) status: u16,
    pub(crate) body: Value,
    /// The very bytes, which the signature is over.
    pub(crate) bytes: Vec<u8>,
    pub(crate) headers: reqwest::header::HeaderMap,
}

impl Verdict {
    pub(crate) fn code(&self) -> &str {
        self.body["result"]["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn details(&self) -> &str {
        self.body["result"]["details"].as_str().unwrap_or_default()
    }

    /// Status and code together, which is what most stories are about.
    pub(crate) fn said(&self) -> (u16, &str) {
        (self.status, self.code())
    }

    /// Checks `Keyledger-Signature` with the published key.
    pub(crate) async fn check_signature(&self, server: &Keyledger, challenge: &str) -> TestResult {
        let keys: Value = reqwest::get(server.url("/.well-known/keyledger-keys.json")).await?.json().await?;
        let x = keys["keys"][0]["x"].as_str().ok_or("no key is published")?;
        let header = self.headers.get("keyledger-signature").ok_or("the answer is not signed")?.to_str()?;
        let (t, signature) = header
            .split_once(',')
            .and_then(|(t, s)| Some((t.strip_prefix("t=")?, s.strip_prefix("ed25519=")?)))
            .ok_or_else(|| format!("the header has another form: {header}"))?;
        let message = [format!("{t}.{challenge}.").as_bytes(), &self.bytes].concat();
        UnparsedPublicKey::new(&ED25519, BASE64URL.decode(x)?)
            .verify(&message, &BASE64.decode(signature)?)
            .map_err(|_| "the signature is not the server's".into())
    }

    /// Checks the RSA signature over the challenge with the team's public key, as it is shown.
    pub(crate) fn check_challenge(&self, public_key: &str, challenge: &str) -> TestResult {
        let pem = String::from_utf8(BASE64.decode(public_key)?)?;
        let der: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let response = self.body["result"]["challengeResponse"].as_str().ok_or("no challengeResponse")?;
        if response != response.to_lowercase() {
            return Err("the hex is not lower-case".into());
        }
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, BASE64.decode(der)?)
            .verify(challenge.as_bytes(), &hex::decode(response)?)
            .map_err(|_| "the challenge's signature is not the team's".into())
    }
}

/// Asks one server.
pub(crate) async fn ask(
    http: &reqwest::Client,
    server: &Keyledger,
    team: &str,
    action: &str,
    body: &Value,
) -> Result<Verdict, Error> {
    let url = server.url(&format!("/api/v1/client/teams/{team}/verification/{action}"));
    let response = http.post(url).header("content-type", "application/json").body(body.to_string()).send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await?.to_vec();
    Ok(Verdict { status, body: serde_json::from_slice(&bytes)?, bytes, headers })
}

/// A server that programs may ask as often as they like.
pub(crate) fn unlimited() -> Options {
    Options::default().env("KEYLEDGER_VERIFY_LIMIT_PER_MINUTE", "0")
}

impl TestApp {
    /// A server with a team that sells through Polymart.
    pub(crate) async fn selling(backend: Backend, options: Options) -> Result<Self, Error> {
        Self::builder(backend).polymart().options(options).build().await
    }

    /// Sells a licence through Polymart, with settings in the URL, and tells its id and its key.
    pub(crate) async fn sell(&self, query: &str) -> Result<(String, String), Error> {
        // Each sale is of a product of its own, so that the same buyer may buy again.
        static PRODUCTS: AtomicU32 = AtomicU32::new(1);
        let product = u64::from(PRODUCTS.fetch_add(1, Ordering::SeqCst));
        let event = polymart::purchase(polymart::user(), product);
        let answer: Answer = self.post_polymart(&event, &format!("{}&{query}", self.product_query())).await?;
        if answer.status != 200 {
            return Err(format!("not sold: {answer:?}").into());
        }
        let newest = self.licenses().await?.into_iter().next().ok_or("no licence was issued")?;
        let text = |name: &str| newest[name].as_str().map(str::to_owned).ok_or_else(|| format!("no {name}"));
        Ok((text("id")?, text("key")?))
    }

    /// Verifies a key, with further fields.
    pub(crate) async fn verify(&self, key: &str, fields: &Value) -> Result<Verdict, Error> {
        let mut body = json!({ "licenseKey": key });
        for (name, value) in fields.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        ask(&self.http, &self.server, &self.team, "verify", &body).await
    }

    /// Verifies a key from a device.
    pub(crate) async fn verify_from(&self, key: &str, device: &str) -> Result<Verdict, Error> {
        self.verify(key, &json!({ "hardwareIdentifier": device })).await
    }

    /// `team verification` with these options.
    pub(crate) async fn set_verification(&self, options: &[&str]) -> Result<Value, Error> {
        self.server.cli(&[&["team", "verification", "--team", &self.team, "--json"], options].concat()).await
    }

    /// A licence of the team as the command line shows it.
    pub(crate) async fn license_of(&self, id: &str) -> Result<Value, Error> {
        self.server.cli(&["license", "show", id, "--json"]).await
    }
}

/// A hardware identifier that no other device has.
pub(crate) fn device() -> String {
    unique("device")
}
