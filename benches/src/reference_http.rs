//! The HTTP references: what a server on this machine can do at best.
//!
//! `bare` reads the body and answers; `hmac` also checks the provider's signature and parses the body; `durable`
//! also keeps one row in SQLite and answers after its commit. They take the very requests that keyledger gets. `same`
//! is `bare` with the answer that it is given.

use std::path::PathBuf;

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use keyledger_events::{Clock as _, SystemClock};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::group_commit::GroupCommit;
use crate::listen;
use crate::signature::{POLYMART_HEADER, STRIPE_HEADER, Signer};

/// The body of every good answer but that of `same`: what keyledger says to a delivery, without the event's id.
const RECEIVED: &str = r#"{"received":true,"duplicate":false}"#;

/// How much of the work the reference does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    /// Read the body, answer.
    Bare,
    /// Check the signature and parse the body as well.
    Hmac,
    /// Keep one durable row as well.
    Durable,
    /// Read the body, answer what is in a file.
    Same,
}

/// `reference-http`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How much of the work to do.
    #[arg(long)]
    mode: Mode,
    /// The folder for the database of `durable`; it is made.
    #[arg(long, default_value = "target/bench/reference")]
    db: PathBuf,
    /// The file with the answer of `same`.
    #[arg(long, required_if_eq("mode", "same"))]
    answer: Option<PathBuf>,
    /// The secret that requests are signed with.
    #[arg(long, default_value = crate::load::SECRET)]
    secret: String,
}

#[derive(Clone)]
struct Reference {
    mode: Mode,
    signer: Signer,
    store: Option<GroupCommit>,
    answer: Bytes,
}

/// Serves until it is killed.
pub(crate) async fn serve(args: Args) -> anyhow::Result<()> {
    let store = match args.mode {
        Mode::Durable => Some(GroupCommit::open(&args.db).context("opening the reference's database")?),
        Mode::Bare | Mode::Hmac | Mode::Same => None,
    };
    let answer = match &args.answer {
        Some(file) => std::fs::read(file).with_context(|| format!("reading {}", file.display()))?.into(),
        None => Bytes::from_static(RECEIVED.as_bytes()),
    };
    let reference = Reference { mode: args.mode, signer: Signer::new(&args.secret)?, store, answer };
    listen::serve(Router::new().fallback(receive).with_state(reference)).await
}

async fn receive(State(reference): State<Reference>, headers: HeaderMap, body: Bytes) -> Response {
    if matches!(reference.mode, Mode::Bare | Mode::Same) {
        return reference.received();
    }
    let Some(event_type) = reference.check(&headers, &body) else {
        return (StatusCode::BAD_REQUEST, "bad signature or body").into_response();
    };
    if let Some(store) = &reference.store
        && let Err(error) = store.insert(event_type, body).await
    {
        return (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response();
    }
    reference.received()
}

impl Reference {
    fn received(&self) -> Response {
        ([("content-type", "application/json")], self.answer.clone()).into_response()
    }

    /// The event's type, when the signature is good and the body has what an interpreter would need first.
    fn check(&self, headers: &HeaderMap, body: &[u8]) -> Option<String> {
        if let Some(header) = headers.get(STRIPE_HEADER) {
            let now = SystemClock.now().as_second();
            let signed = self.signer.is_stripe(header.to_str().ok()?, now, body);
            return signed
                .then(|| serde_json::from_slice::<StripeEvent>(body).ok())
                .flatten()
                .map(StripeEvent::into_type);
        }
        let header = headers.get(POLYMART_HEADER)?;
        let signed = self.signer.is_polymart(header.to_str().ok()?, body);
        signed.then(|| serde_json::from_slice::<PolymartEvent>(body).ok()).flatten().map(PolymartEvent::into_type)
    }
}

/// A Stripe event as far as the reference reads it; the rest is parsed and passed over.
#[derive(Deserialize)]
struct StripeEvent {
    #[serde(rename = "id")]
    _id: String,
    #[serde(rename = "type")]
    event_type: String,
    #[serde(rename = "created")]
    _created: i64,
    #[serde(rename = "data")]
    _data: StripeData,
}

#[derive(Deserialize)]
struct StripeData {
    #[serde(rename = "object")]
    _object: StripeObject,
}

#[derive(Deserialize)]
struct StripeObject {
    #[serde(rename = "id")]
    _id: String,
    #[serde(rename = "customer")]
    _customer: Option<String>,
    #[serde(rename = "lines")]
    _lines: Option<IgnoredAny>,
}

impl StripeEvent {
    fn into_type(self) -> String {
        self.event_type
    }
}

/// A Polymart webhook as far as the reference reads it.
#[derive(Deserialize)]
struct PolymartEvent {
    event: String,
    #[serde(rename = "nonce")]
    _nonce: String,
    #[serde(rename = "payload")]
    _payload: PolymartPayload,
}

#[derive(Deserialize)]
struct PolymartPayload {
    #[serde(rename = "product")]
    _product: PolymartProduct,
    #[serde(rename = "user")]
    _user: PolymartUser,
}

#[derive(Deserialize)]
struct PolymartProduct {
    #[serde(rename = "id")]
    _id: String,
    #[serde(rename = "title")]
    _title: String,
}

#[derive(Deserialize)]
struct PolymartUser {
    #[serde(rename = "id")]
    _id: String,
}

impl PolymartEvent {
    fn into_type(self) -> String {
        self.event
    }
}
