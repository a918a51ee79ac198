//! Posting to the front door, signed as the providers sign.

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use crate::providers::{polymart, stripe};

/// What a delivery was answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Answer {
    /// The sentence for people.
    pub(super) fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }
}

/// The front door.
#[derive(Debug)]
pub(super) struct Door {
    http: reqwest::Client,
    base: String,
}

impl Door {
    pub(super) fn new(base: &str) -> anyhow::Result<Self> {
        // A proxy of the machine's has no business between the server and itself.
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { http, base: base.to_owned() })
    }

    /// Posts as Stripe does.
    pub(super) async fn stripe(
        &self,
        path: &str,
        event: &Value,
        secret: &SecretString,
        now: i64,
    ) -> anyhow::Result<Answer> {
        let body = serde_json::to_vec_pretty(event)?;
        let signature = stripe::signature::sign(secret.expose_secret(), &body, now);
        self.post(path, "stripe-signature", signature, body).await
    }

    /// Posts as Polymart does.
    pub(super) async fn polymart(&self, path: &str, event: &Value, secret: &SecretString) -> anyhow::Result<Answer> {
        let body = serde_json::to_vec(event)?;
        let signature = polymart::signature::sign(secret.expose_secret(), &body);
        self.post(path, "x-polymart-signature", signature, body).await
    }

    async fn post(&self, path: &str, header: &str, signature: String, body: Vec<u8>) -> anyhow::Result<Answer> {
        let url = format!("{}{path}", self.base);
        let request = self.http.post(&url).header(header, signature).header("content-type", "application/json");
        let response = request.body(body).send().await.with_context(|| format!("{url} does not answer"))?;
        let status = response.status().as_u16();
        Ok(Answer { status, body: response.json().await.unwrap_or_default() })
    }
}
