//! Serving connections, and ending in good order: no request that was accepted is lost.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt as _;

use super::patient::Patient;
use crate::stop::Stopping;

/// Connections at once. Further ones wait in the system's queue.
const CONNECTIONS_MAX: usize = 4_096;
/// How long a request's head may take; a slower client holds its connection for nothing.
const HEAD_TIME_MAX: Duration = Duration::from_secs(30);
/// How long an answer waits for a client that takes nothing of it.
const TAKING_PAUSE_MAX: Duration = Duration::from_secs(60);
/// How long requests under way may take after the stop.
const DRAIN_MAX: Duration = Duration::from_secs(30);
/// The pause after a connection could not be accepted, as when there are too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until told to stop, then lets requests under way finish.
pub async fn run(listener: TcpListener, router: Router, stopping: Stopping) {
    serve(listener, router, stopping, CONNECTIONS_MAX).await;
}

async fn serve(listener: TcpListener, router: Router, mut stopping: Stopping, connections_max: usize) {
    let places = Arc::new(Semaphore::new(connections_max));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            () = stopping.requested() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let (stream, peer, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connection = graceful.watch(connection(stream, peer, router.clone()));
        tokio::spawn(async move {
            // A client that breaks off is no event of ours.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_MAX, graceful.shutdown()).await.is_err() {
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

fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
) -> impl GracefulConnection<Error = hyper::Error> + Send + 'static {
    // Small answers must not wait for the acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let service = router.map_request(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.map(axum::body::Body::new)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .serve_connection(TokioIo::new(Patient::new(stream, TAKING_PAUSE_MAX)), TowerToHyperService::new(service))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stop::stop;

    #[tokio::test]
    async fn the_stop_is_heard_while_all_places_are_taken() -> Result<(), Box<dyn std::error::Error>> {
        let (stop, stopping) = stop();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let serving = tokio::spawn(serve(listener, Router::new(), stopping, 0));
        stop.request();
        tokio::time::timeout(Duration::from_secs(20), serving).await??;
        Ok(())
    }
}
