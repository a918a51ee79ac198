//! Serving connections, and ending in good order: no request that was accepted is lost.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::left;
use super::patient::Patient;
use crate::stop::Stopping;

/// Connections at once. Further ones wait in the system's queue.
const CONNECTIONS_MAX: u32 = 4_096;
/// How long a request's head may take; a slower client holds its connection for nothing.
const HEAD_TIME_MAX: Duration = Duration::from_secs(30);
/// How long an answer waits for a client that takes nothing of it.
const TAKING_PAUSE_MAX: Duration = Duration::from_secs(60);
/// How long after the stop requests are still taken on open connections. What was sent before the stop is among them, and
/// whoever asks hears with the answer that the connection ends.
const LAST_CALL: Duration = Duration::from_millis(250);
/// How long after that somebody who has sent part of a head and never a whole one is waited for.
const LAST_HEAD_MAX: Duration = Duration::from_secs(1);
/// How long requests under way may take after the stop.
const DRAIN_MAX: Duration = Duration::from_secs(30);
/// The pause after a connection could not be accepted, as when there are too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until told to stop, then lets requests under way finish.
pub async fn run(listener: TcpListener, router: Router, stopping: Stopping) {
    serve(listener, router, stopping, CONNECTIONS_MAX).await;
}

async fn serve(listener: TcpListener, router: Router, mut stopping: Stopping, connections_max: u32) {
    let places = Arc::new(Semaphore::new(usize::try_from(connections_max).unwrap_or(Semaphore::MAX_PERMITS)));
    loop {
        let accepted = tokio::select! {
            () = stopping.requested() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, peer, place)) => {
                tokio::spawn(connection(stream, peer, router.clone(), stopping.clone(), place));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    for (stream, peer) in queued(listener) {
        let Ok(place) = places.clone().try_acquire_owned() else { break };
        tokio::spawn(connection(stream, peer, router.clone(), stopping.clone(), place));
    }
    // A connection keeps its place until it ends.
    if timeout(DRAIN_MAX, places.acquire_many(connections_max)).await.is_err() {
        tracing::warn!("some connections did not end within {} s", DRAIN_MAX.as_secs());
    }
}

/// The next connection, as soon as there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

/// The connections that wait in the system's queue: their clients have sent their requests, and cannot know that nobody
/// has taken them. There are no further ones when the listener is gone.
fn queued(listener: TcpListener) -> impl Iterator<Item = (TcpStream, SocketAddr)> {
    let listener = listener.into_std().ok();
    std::iter::from_fn(move || {
        let (stream, peer) = listener.as_ref()?.accept().ok()?;
        stream.set_nonblocking(true).ok()?;
        Some((TcpStream::from_std(stream).ok()?, peer))
    })
}

/// Serves one connection to its end, and gives its place back.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    mut stopping: Stopping,
    _place: OwnedSemaphorePermit,
) {
    // Small answers must not wait for the acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let asked = AtomicBool::new(false);
    let is_last = stopping.clone();
    let service = service_fn(|mut request: hyper::Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = left::answer(router.clone(), request);
        let is_last = &is_last;
        async move {
            let mut response = answer.await?;
            if is_last.is_requested() {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let io = TokioIo::new(Patient::new(stream, TAKING_PAUSE_MAX));
    let serving =
        http1::Builder::new().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME_MAX).serve_connection(io, service);
    let mut serving = pin!(serving);
    // A client that breaks off is no event of ours.
    tokio::select! {
        _ = serving.as_mut() => return,
        () = stopping.requested() => {}
    }
    if timeout(LAST_CALL, serving.as_mut()).await.is_ok() {
        return;
    }
    // This ends it where nothing is under way.
    serving.as_mut().graceful_shutdown();
    if timeout(LAST_HEAD_MAX, serving.as_mut()).await.is_ok() || !asked.load(Ordering::Relaxed) {
        return;
    }
    let _ = serving.await;
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::task::JoinHandle;

    use super::*;
    use crate::stop::{Stop, stop};

    type TestResult<T = ()> = Result<T, Box<dyn Error>>;

    const REQUEST: &[u8] = b"GET /here HTTP/1.1\r\nhost: x\r\n\r\n";
    const REFUSED: &[u8] = b"POST /there HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\n";
    /// Longer than anything takes that is not to be waited for.
    const LONG: Duration = Duration::from_secs(20);

    fn serving(listener: TcpListener) -> (Stop, JoinHandle<()>) {
        let (stop, stopping) = stop();
        let router = Router::new().route("/here", get(|| async { "here" }));
        (stop, tokio::spawn(serve(listener, router, stopping, 100)))
    }

    /// The next answer on a connection, in lower case.
    async fn answer(client: &mut TcpStream) -> TestResult<String> {
        let mut bytes = vec![0; 4_096];
        let count = timeout(LONG, client.read(&mut bytes)).await??;
        Ok(String::from_utf8_lossy(&bytes[..count]).to_lowercase())
    }

    #[tokio::test]
    async fn the_stop_is_heard_while_all_places_are_taken() -> TestResult {
        let (stop, stopping) = stop();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let serving = tokio::spawn(serve(listener, Router::new(), stopping, 0));
        stop.request();
        timeout(LONG, serving).await??;
        Ok(())
    }

    #[tokio::test]
    async fn a_refusal_is_seen_by_who_still_sends_and_the_connection_goes_on() -> TestResult {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut client = TcpStream::connect(listener.local_addr()?).await?;
        let (_stop, _serving) = serving(listener);
        client.write_all(REFUSED).await?;
        sleep(Duration::from_millis(50)).await;
        client.write_all(b"bo").await?;
        sleep(Duration::from_millis(20)).await;
        client.write_all(b"dy").await?;
        let refused = answer(&mut client).await?;
        assert!(refused.starts_with("http/1.1 404") && !refused.contains("connection: close"), "{refused}");
        client.write_all(REQUEST).await?;
        assert!(answer(&mut client).await?.starts_with("http/1.1 200"));
        Ok(())
    }

    #[tokio::test]
    async fn who_waits_to_be_told_to_send_hears_the_refusal_and_the_end() -> TestResult {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut client = TcpStream::connect(listener.local_addr()?).await?;
        let (_stop, _serving) = serving(listener);
        client
            .write_all(b"POST /there HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")
            .await?;
        let refused = answer(&mut client).await?;
        assert!(refused.starts_with("http/1.1 404") && refused.contains("connection: close"), "{refused}");
        Ok(())
    }

    #[tokio::test]
    async fn what_was_sent_before_the_stop_is_answered_and_told_the_end() -> TestResult {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mut kept = TcpStream::connect(address).await?;
        // It waits in the system's queue with its request when the server is told to stop.
        let mut queued = TcpStream::connect(address).await?;
        queued.write_all(REQUEST).await?;
        let (stop, serving) = serving(listener);
        kept.write_all(REQUEST).await?;
        let first = answer(&mut kept).await?;
        assert!(first.starts_with("http/1.1 200") && !first.contains("connection: close"), "{first}");
        stop.request();
        sleep(LAST_CALL / 5).await;
        kept.write_all(REQUEST).await?;
        let last = answer(&mut kept).await?;
        assert!(last.starts_with("http/1.1 200") && last.contains("connection: close"), "{last}");
        assert!(answer(&mut queued).await?.starts_with("http/1.1 200"));
        timeout(LONG, serving).await??;
        Ok(())
    }

    #[tokio::test]
    async fn connections_in_the_systems_queue_are_taken_at_the_stop() -> TestResult {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (mut one, mut two) = (TcpStream::connect(address).await?, TcpStream::connect(address).await?);
        for client in [&mut one, &mut two] {
            client.write_all(REQUEST).await?;
        }
        let (stop, serving) = serving(listener);
        stop.request();
        for client in [&mut one, &mut two] {
            let last = answer(client).await?;
            assert!(last.starts_with("http/1.1 200") && last.contains("connection: close"), "{last}");
        }
        timeout(LONG, serving).await??;
        Ok(())
    }

    #[tokio::test]
    async fn who_has_sent_half_a_head_does_not_hold_the_stop() -> TestResult {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut client = TcpStream::connect(listener.local_addr()?).await?;
        client.write_all(&REQUEST[..5]).await?;
        let (stop, serving) = serving(listener);
        sleep(Duration::from_millis(50)).await;
        stop.request();
        timeout(HEAD_TIME_MAX / 3, serving).await??;
        assert_eq!(answer(&mut client).await?, "");
        Ok(())
    }
}
