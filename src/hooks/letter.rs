//! A hook with its address and secrets opened, ready to be posted.

use bytes::Bytes;
use keyledger_events::Timestamp;
use keyledger_projections::Endpoint;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::post::{Answer, PostError, Poster};
use super::{DeliverError, parse_url, signature};
use crate::app::App;

/// A hook as it goes out, signed anew at each attempt.
pub(super) struct Letter {
    url: url::Url,
    secrets: Vec<Zeroizing<String>>,
    id: String,
    body: Bytes,
}

/// A hook with the endpoint's address and secrets opened.
pub(super) async fn letter(
    app: &App,
    endpoint: &Endpoint,
    id: Uuid,
    body: Bytes,
    now: Timestamp,
) -> Result<Letter, DeliverError> {
    let context = endpoint.url.context(endpoint.team, Endpoint::URL_FIELD);
    let url = Zeroizing::new(app.keys.open(context, &endpoint.url.value).await?);
    let url = parse_url(&String::from_utf8_lossy(&url)).map_err(|error| DeliverError::Body(error.to_string()))?;
    let mut secrets = Vec::new();
    for secret in endpoint.secrets_in_force(now) {
        let context = secret.value.context(endpoint.team, Endpoint::SECRET_FIELD);
        let bytes = app.keys.open(context, &secret.value.value).await?;
        secrets.push(Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()));
    }
    Ok(Letter { url, secrets, id: id.to_string(), body })
}

impl Letter {
    /// Posts it, signed with the time of this attempt.
    pub(super) async fn post(&self, poster: &Poster, now: Timestamp) -> Result<Answer, PostError> {
        let secrets: Vec<&str> = self.secrets.iter().map(|secret| secret.as_str()).collect();
        let signature = signature::header(&secrets, &self.id, now.as_second(), &self.body).unwrap_or_default();
        let headers = [
            ("webhook-id", self.id.clone()),
            ("webhook-timestamp", now.as_second().to_string()),
            ("webhook-signature", signature),
        ];
        poster.post(&self.url, &headers, self.body.clone()).await
    }
}
