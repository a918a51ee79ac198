//! A seller's program that hears of what happens: a real HTTP server that checks every hook with the published
//! implementation of Standard Webhooks, and takes it, refuses it, or never answers.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{Error, Options, TestApp, eventually};

/// A hook that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
    pub(crate) body: Value,
}

impl Got {
    pub(crate) fn id(&self) -> &str {
        self.headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap_or_default()
    }

    /// Whether the published implementation takes it with this secret, its time too.
    pub(crate) fn is_signed_with(&self, secret: &str) -> Result<bool, Error> {
        Ok(Webhook::new(secret)?.verify(&self.bytes, &self.headers).is_ok())
    }
}

#[derive(Debug)]
struct Data {
    status: StatusCode,
    hangs: bool,
    got: Vec<Got>,
}

type Shared = Arc<Mutex<Data>>;

/// The served receiver.
#[derive(Debug)]
pub(crate) struct Receiver {
    data: Shared,
    address: SocketAddr,
}

/// A server that may post hooks to this machine.
pub(crate) fn reaching_us() -> Options {
    Options::default().env("KEYLEDGER_HOOKS_ALLOW_PRIVATE", "127.0.0.0/8").env("KEYLEDGER_VERIFY_LIMIT_PER_MINUTE", "0")
}

impl Receiver {
    pub(crate) async fn start() -> Result<Self, Error> {
        let data: Shared = Arc::new(Mutex::new(Data { status: StatusCode::OK, hangs: false, got: Vec::new() }));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let router = Router::new().fallback(take).with_state(data.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { data, address })
    }

    fn data(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    pub(crate) fn answer(&self, status: u16) -> Result<(), Error> {
        self.data().status = StatusCode::from_u16(status)?;
        Ok(())
    }

    /// Never answers, or does again.
    pub(crate) fn hang(&self, hangs: bool) {
        self.data().hangs = hangs;
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.data().got.clone()
    }

    /// Waits until a hook of a type has arrived, and tells the first one.
    pub(crate) async fn hears(&self, kind: &str) -> Result<Got, Error> {
        eventually(&format!("{kind} arrives"), async || Ok(self.got().into_iter().find(|got| got.kind() == kind))).await
    }

    /// HTTPS in front of it, with this certificate; tells where.
    pub(crate) async fn behind_tls(&self, certificate: &Path, key: &Path) -> Result<String, Error> {
        let certificates = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(certificates, PrivateKeyDer::from_pem_file(key)?)?;
        let (acceptor, listener) = (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await?);
        let (port, behind) = (listener.local_addr()?.port(), self.address);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let (Ok(mut from), Ok(mut to)) = (acceptor.accept(stream).await, TcpStream::connect(behind).await)
                    else {
                        return;
                    };
                    let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
                });
            }
        });
        Ok(format!("https://localhost:{port}/hooks"))
    }
}

async fn take(State(data): State<Shared>, headers: HeaderMap, bytes: Bytes) -> Response {
    let got = Got { headers, bytes: bytes.to_vec(), body: serde_json::from_slice(&bytes).unwrap_or_default() };
    let (status, hangs) = {
        let mut data = data.lock().unwrap_or_else(PoisonError::into_inner);
        data.got.push(got);
        (data.status, data.hangs)
    };
    if hangs {
        std::future::pending::<()>().await;
    }
    (status, "noted").into_response()
}

/// An endpoint and its secret.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl TestApp {
    /// Registers an endpoint over the command line.
    pub(crate) async fn register(&self, url: &str, options: &[&str]) -> Result<Registered, Error> {
        let args = ["webhook", "create", "--team", &self.team, "--url", url, "--json"];
        let made = self.server.cli(&[&args, options].concat()).await?;
        let text = |name: &str| made[name].as_str().map(str::to_owned).ok_or_else(|| format!("no {name} in {made}"));
        Ok(Registered { id: text("id")?, secret: text("secret")? })
    }

    /// What was sent to an endpoint, the latest events first.
    pub(crate) async fn deliveries(&self, webhook: &str) -> Result<Vec<Value>, Error> {
        match self.server.cli(&["webhook", "deliveries", webhook, "--json"]).await? {
            Value::Array(deliveries) => Ok(deliveries),
            other => Err(format!("no list: {other}").into()),
        }
    }
}
