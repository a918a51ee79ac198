//! One POST to an endpoint: a connection of its own to an address that may be reached, bounded in time and size. No
//! redirect is followed, no proxy asked.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::network::{AllowPrivate, Reach};
use crate::USER_AGENT;

/// What a POST may take from beginning to end.
pub(super) const POST_MAX: Duration = Duration::from_secs(15);
/// What connecting to one address may take.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Addresses of a host that are tried.
const ADDRESSES_MAX: usize = 4;
/// What the beginning of an answer's body may take, once its status is known.
const EXCERPT_MAX: Duration = Duration::from_secs(2);
/// Bytes of an answer that are kept.
const EXCERPT_BYTES_MAX: usize = 1_024;
/// Memory for an answer's head, in bytes.
const HEAD_BYTES_MAX: usize = 65_536;

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// The status.
    pub(super) status: StatusCode,
    /// The beginning of the body; empty with a good status, whose body nobody reads.
    pub(super) excerpt: Vec<u8>,
}

/// Why nothing was answered. No message holds the endpoint's address: it may be a secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    #[error("no answer within {} s", POST_MAX.as_secs())]
    Timeout,
    #[error("the host's name cannot be resolved: {0}")]
    Resolve(std::io::Error),
    #[error("the host's name resolves to no address")]
    NoAddress,
    #[error(
        "{0} is in a private or special network, and nothing is posted there unless KEYLEDGER_HOOKS_ALLOW_PRIVATE names it"
    )]
    Private(IpAddr),
    #[error("plain http is posted only into networks that KEYLEDGER_HOOKS_ALLOW_PRIVATE names; use https")]
    Plain,
    #[error("no connection to {0} within {max} s", max = CONNECT_MAX.as_secs())]
    ConnectTimeout(SocketAddr),
    #[error("no connection to {0}: {1}")]
    Connect(SocketAddr, std::io::Error),
    #[error("the connection cannot be secured: {0}")]
    Tls(std::io::Error),
    #[error("the host's name cannot be in a certificate")]
    ServerName,
    #[error("the request cannot be made: {0}")]
    Request(#[from] hyper::http::Error),
    #[error("the connection broke: {0}")]
    Http(#[from] hyper::Error),
}

/// Why nothing can be posted at all.
#[derive(Debug, thiserror::Error)]
pub enum PosterError {
    /// The certificates of an authority of one's own.
    #[error("the certificates in {file} (KEYLEDGER_HOOKS_CA) cannot be used: {reason}")]
    Ca {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// The TLS library.
    #[error("TLS for webhooks cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// Posts hooks. Clones share the settings.
#[derive(Debug, Clone)]
pub struct Poster {
    allow: Arc<AllowPrivate>,
    tls: Arc<ClientConfig>,
}

impl Poster {
    /// A poster that reaches the internet and what is allowed beside it, and trusts Mozilla's authorities and those in
    /// the PEM file `ca`.
    ///
    /// # Errors
    /// When the file holds no certificates.
    pub fn new(allow: AllowPrivate, ca: Option<&PathBuf>) -> Result<Self, PosterError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(file) = ca {
            let bad = |reason: String| PosterError::Ca { file: file.display().to_string(), reason };
            let before = roots.len();
            for certificate in CertificateDer::pem_file_iter(file).map_err(|error| bad(error.to_string()))? {
                let certificate = certificate.map_err(|error| bad(error.to_string()))?;
                roots.add(certificate).map_err(|error| bad(error.to_string()))?;
            }
            if roots.len() == before {
                return Err(bad("it holds no PEM certificate".to_owned()));
            }
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { allow: Arc::new(allow), tls: Arc::new(tls) })
    }

    /// Posts a JSON body with further headers.
    pub(super) async fn post(
        &self,
        url: &Url,
        headers: &[(&'static str, String)],
        body: Bytes,
    ) -> Result<Answer, PostError> {
        let posting = async {
            let stream = self.connect(url).await?;
            let request = request(url, headers, body)?;
            if url.scheme() == "https" {
                let name = match url.host() {
                    Some(Host::Domain(name)) => {
                        ServerName::try_from(name.to_owned()).map_err(|_| PostError::ServerName)?
                    }
                    Some(Host::Ipv4(address)) => ServerName::from(IpAddr::V4(address)),
                    Some(Host::Ipv6(address)) => ServerName::from(IpAddr::V6(address)),
                    None => return Err(PostError::ServerName),
                };
                let connector = TlsConnector::from(self.tls.clone());
                exchange(connector.connect(name, stream).await.map_err(PostError::Tls)?, request).await
            } else {
                exchange(stream, request).await
            }
        };
        tokio::time::timeout(POST_MAX, posting).await.unwrap_or(Err(PostError::Timeout))
    }

    /// Connects to one of the host's addresses: to the very one that was judged.
    async fn connect(&self, url: &Url) -> Result<TcpStream, PostError> {
        let port = url.port_or_known_default().unwrap_or(443);
        let addresses: Vec<SocketAddr> = match url.host() {
            Some(Host::Domain(name)) => {
                tokio::net::lookup_host((name, port)).await.map_err(PostError::Resolve)?.collect()
            }
            Some(Host::Ipv4(address)) => vec![SocketAddr::new(address.into(), port)],
            Some(Host::Ipv6(address)) => vec![SocketAddr::new(address.into(), port)],
            None => Vec::new(),
        };
        let mut failed = PostError::NoAddress;
        let mut tried = 0;
        for address in addresses {
            match self.allow.judge(address.ip()) {
                Reach::Refused => failed = PostError::Private(address.ip()),
                Reach::Public if url.scheme() != "https" => failed = PostError::Plain,
                Reach::Public | Reach::Allowed if tried == ADDRESSES_MAX => break,
                Reach::Public | Reach::Allowed => {
                    tried += 1;
                    match tokio::time::timeout(CONNECT_MAX, TcpStream::connect(address)).await {
                        Ok(Ok(stream)) => return Ok(stream),
                        Ok(Err(error)) => failed = PostError::Connect(address, error),
                        Err(_) => failed = PostError::ConnectTimeout(address),
                    }
                }
            }
        }
        Err(failed)
    }
}

fn request(
    url: &Url,
    headers: &[(&'static str, String)],
    body: Bytes,
) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let host = url.host_str().unwrap_or_default();
    let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let mut request = Request::post(path)
        .header(header::HOST, host)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONNECTION, "close");
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    request.body(Full::new(body))
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Answer, PostError> {
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(HEAD_BYTES_MAX).handshake(TokioIo::new(stream)).await?;
    // Ends with the answer, or with this future when it is given up: the connection is dropped either way.
    let mut driver = tokio::task::JoinSet::new();
    driver.spawn(connection);
    let response = sender.send_request(request).await?;
    let (status, body) = (response.status(), response.into_body());
    let mut excerpt = Vec::new();
    if !status.is_success() {
        // What was answered is known; that the rest does not come changes nothing.
        let _ = tokio::time::timeout(EXCERPT_MAX, read_excerpt(body, &mut excerpt)).await;
    }
    Ok(Answer { status, excerpt })
}

/// Reads the beginning of a body, as far as it comes.
async fn read_excerpt(mut body: Incoming, excerpt: &mut Vec<u8>) {
    while let (true, Some(Ok(frame))) = (excerpt.len() < EXCERPT_BYTES_MAX, body.frame().await) {
        let data = frame.into_data().unwrap_or_default();
        let room = EXCERPT_BYTES_MAX - excerpt.len();
        excerpt.extend_from_slice(data.get(..room).unwrap_or(&data));
    }
}
