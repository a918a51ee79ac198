//! The way to Stripe: one set of connections for all teams and keys, which stay open between questions.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use stripe_client_core::{RequestBuilder, VERSION};

/// Connections that are kept open without a question on them, a host.
const IDLE_MAX: usize = 16;
/// How long.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of an answer that are read: a page of events holds a hundred of what a delivery carries.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Who asks.
const OURSELVES: HeaderValue = HeaderValue::from_static(crate::USER_AGENT);
/// The version of the API that a request is for.
const STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");

/// Connections to Stripe's API. Clones share them.
#[derive(Clone)]
pub struct StripeConnections(Client<HttpsConnector<HttpConnector>, Empty<Bytes>>);

/// Why nothing was answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("the request cannot be made: {0}")]
    Request(#[from] hyper::http::Error),
    #[error("{0:#}")]
    Connection(anyhow::Error),
    #[error("the answer has more than {} MiB", ANSWER_BYTES_MAX >> 20)]
    TooLarge,
}

impl Default for StripeConnections {
    /// None is opened before something is asked.
    fn default() -> Self {
        let connector = HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(connector);
        Self(client)
    }
}

impl fmt::Debug for StripeConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StripeConnections")
    }
}

impl StripeConnections {
    /// Asks once. Whatever the request says, it is a GET: nothing is ever written to Stripe.
    ///
    /// # Errors
    /// When there is no answer. One that says no is an answer.
    pub(super) async fn get(
        &self,
        base_url: &str,
        authorization: HeaderValue,
        request: &RequestBuilder,
    ) -> Result<(StatusCode, Bytes), CallError> {
        let mut address = format!("{base_url}v1{}", request.path);
        if let Some(query) = &request.query {
            address.push('?');
            address.push_str(query);
        }
        let request = Request::get(address)
            .header(AUTHORIZATION, authorization)
            .header(USER_AGENT, OURSELVES)
            .header(STRIPE_VERSION, VERSION.as_str())
            .body(Empty::new())?;
        let response = self.0.request(request).await.map_err(|error| CallError::Connection(error.into()))?;
        let status = response.status();
        let body =
            Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(|error| match error
                .is::<LengthLimitError>(
            ) {
                true => CallError::TooLarge,
                false => CallError::Connection(anyhow::Error::from_boxed(error)),
            })?;
        Ok((status, body.to_bytes()))
    }
}
