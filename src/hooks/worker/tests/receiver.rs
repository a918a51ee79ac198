//! A program of the seller's: a real HTTP server that takes hooks, refuses them, or hangs.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::stream::{self, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::test_support::TestResult;

/// A hook that arrived.
#[derive(Debug, Clone)]
pub(super) struct Got {
    pub(super) id: String,
    pub(super) timestamp: i64,
    pub(super) signature: String,
    pub(super) text: String,
    pub(super) body: Value,
}

impl Got {
    pub(super) fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap_or_default()
    }
}

#[derive(Debug)]
struct Behaviour {
    status: StatusCode,
    hangs: bool,
    stalls: bool,
    answer: String,
    got: Vec<Got>,
}

type Shared = Arc<Mutex<Behaviour>>;

/// The served receiver.
#[derive(Debug, Clone)]
pub(super) struct Receiver {
    shared: Shared,
    address: SocketAddr,
}

impl Receiver {
    pub(super) async fn start() -> TestResult<Self> {
        let (status, answer) = (StatusCode::OK, String::new());
        let behaviour = Behaviour { status, hangs: false, stalls: false, answer, got: Vec::new() };
        let shared: Shared = Arc::new(Mutex::new(behaviour));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let router = Router::new().fallback(take).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { shared, address })
    }

    fn behaviour(&self) -> MutexGuard<'_, Behaviour> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hooks?key=s3cret", self.address)
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Answers so from now on.
    pub(super) fn answer(&self, status: u16, text: &str) -> TestResult {
        let mut behaviour = self.behaviour();
        behaviour.status = StatusCode::from_u16(status)?;
        text.clone_into(&mut behaviour.answer);
        Ok(())
    }

    /// Takes hooks from now on and never answers.
    pub(super) fn hang(&self) {
        self.behaviour().hangs = true;
    }

    /// Answers as it did, but for the end of the body, which never comes.
    pub(super) fn stall(&self) {
        self.behaviour().stalls = true;
    }

    /// Everything that arrived.
    pub(super) fn got(&self) -> Vec<Got> {
        self.behaviour().got.clone()
    }

    /// The types that arrived.
    pub(super) fn kinds(&self) -> Vec<String> {
        self.got().iter().map(|got| got.kind().to_owned()).collect()
    }
}

async fn take(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let got = Got {
        id: text("webhook-id"),
        timestamp: text("webhook-timestamp").parse().unwrap_or_default(),
        signature: text("webhook-signature"),
        text: String::from_utf8_lossy(&body).into_owned(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    let (status, answer, hangs, stalls) = {
        let mut behaviour = shared.lock().unwrap_or_else(PoisonError::into_inner);
        behaviour.got.push(got);
        (behaviour.status, behaviour.answer.clone(), behaviour.hangs, behaviour.stalls)
    };
    if hangs {
        std::future::pending::<()>().await;
    }
    if stalls {
        let beginning = stream::iter([Ok::<_, Infallible>(answer)]);
        return (status, Body::from_stream(beginning.chain(stream::pending()))).into_response();
    }
    if status.is_redirection() {
        return (status, [(header::LOCATION, answer)]).into_response();
    }
    (status, answer).into_response()
}
