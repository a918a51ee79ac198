//! A proxy before PostgreSQL that cuts a connection around the moment of COMMIT.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::TestResult;

/// How the next COMMIT is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The server never sees it.
    BeforeServer,
    /// The server commits; the answer is lost.
    AfterServer,
    /// The client is cut off at once; the server sees the COMMIT only later.
    ServerLate,
    /// The server commits, and the client is told that an administrator ended its session.
    AfterServerWithFatal,
    /// Nothing passes on the connection any more, and nobody closes it, as when a firewall forgets it; the server never sees
    /// the COMMIT.
    Silent,
}

/// How late [`Cut::ServerLate`] is: after the Writer's first look.
const LATE: Duration = Duration::from_millis(300);

/// A running proxy; it ends when it is dropped.
pub(crate) struct Proxy {
    /// Where it listens on 127.0.0.1.
    pub(crate) port: u16,
    next: Arc<Mutex<Option<Cut>>>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens, and passes connections on to `server`.
    pub(crate) async fn start(server: SocketAddr) -> TestResult<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let next = Arc::new(Mutex::new(None));
        let plan = Arc::clone(&next);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, server, Arc::clone(&plan)));
            }
        });
        Ok(Self { port, next, accepting })
    }

    /// The next COMMIT on any connection is lost this way.
    pub(crate) fn cut_next_commit(&self, how: Cut) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(how);
    }

    /// Whether the cut has happened.
    pub(crate) fn has_cut(&self) -> bool {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn pass(mut client: TcpStream, server: SocketAddr, plan: Arc<Mutex<Option<Cut>>>) -> std::io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut asked, mut answered, mut started) = (Vec::new(), Vec::new(), false);
    loop {
        tokio::select! {
            read = client.read_buf(&mut asked) => if read? == 0 { return Ok(()) },
            read = server.read_buf(&mut answered) => if read? == 0 { return Ok(()) },
        }
        client.write_all(&answered).await?;
        answered.clear();
        while let Some(message) = next_message(&mut asked, started) {
            started = true;
            if let Some(how) = is_commit(&message).then(|| take(&plan)).flatten() {
                return lose(&message, how, client, server).await;
            }
            server.write_all(&message).await?;
        }
    }
}

fn take(plan: &Mutex<Option<Cut>>) -> Option<Cut> {
    plan.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Takes a whole message off the buffer: a type, a length that counts itself, a body; the very first has no type.
fn next_message(buffer: &mut Vec<u8>, started: bool) -> Option<Vec<u8>> {
    let kind = usize::from(started);
    let length = buffer.get(kind..)?.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes))?;
    let end = kind + usize::try_from(length).ok()?;
    (buffer.len() >= end).then(|| buffer.drain(..end).collect())
}

fn is_commit(message: &[u8]) -> bool {
    message == b"Q\x00\x00\x00\x0bCOMMIT\x00"
}

async fn lose(commit: &[u8], how: Cut, mut client: TcpStream, mut server: TcpStream) -> std::io::Result<()> {
    if how == Cut::BeforeServer {
        return Ok(());
    }
    if how == Cut::Silent {
        return std::future::pending().await;
    }
    if how == Cut::ServerLate {
        client.shutdown().await?;
        drop(client);
        tokio::time::sleep(LATE).await;
        server.write_all(commit).await?;
        return until_ready(&mut server).await;
    }
    server.write_all(commit).await?;
    until_ready(&mut server).await?;
    if how == Cut::AfterServerWithFatal {
        let fields = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0";
        let length = u32::try_from(fields.len() + 4).unwrap_or(u32::MAX);
        client.write_all(&[b"E", length.to_be_bytes().as_slice(), fields].concat()).await?;
        client.shutdown().await?;
    }
    Ok(())
}

/// Reads the server's answer up to ReadyForQuery (`Z`, five bytes of body and length).
async fn until_ready(server: &mut TcpStream) -> std::io::Result<()> {
    let mut answer = Vec::new();
    while !answer.ends_with(b"Z\x00\x00\x00\x05I") {
        if server.read_buf(&mut answer).await? == 0 {
            return Ok(());
        }
    }
    Ok(())
}
