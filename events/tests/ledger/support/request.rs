//! Requests that read like a story.

use std::future::poll_fn;
use std::task::Poll;

use keyledger_events::event::license::LicenseSuspended;
use keyledger_events::{
    AppendOutcome, AppendRequest, NewEvent, Provenance, StreamId, StreamKind, TeamId, Timestamp, Writer, WriterError,
    id,
};
use tokio::task::JoinHandle;

/// The moment at which tests begin: 2026-01-02 12:00 UTC.
pub(crate) fn noon() -> Timestamp {
    Timestamp::constant(1_767_355_200, 0)
}

/// A licence's stream with a fresh id.
pub(crate) fn stream() -> StreamId {
    StreamId::new(StreamKind::License, id::fresh())
}

/// An event that is told apart from others by `note`.
pub(crate) fn event(stream: StreamId, note: &str) -> NewEvent {
    NewEvent::new(stream, noon(), LicenseSuspended { reason: Some(note.to_owned()) })
}

/// A request that expects and appends nothing yet.
pub(crate) fn request(team: TeamId) -> AppendRequest {
    AppendRequest::new(team, Provenance::of("test"))
}

/// One event on a stream of any version.
pub(crate) fn on_any(team: TeamId, stream: StreamId, note: &str) -> AppendRequest {
    request(team).event(event(stream, note))
}

/// One event on a stream that must have `version`.
pub(crate) fn on_version(team: TeamId, stream: StreamId, version: i64, note: &str) -> AppendRequest {
    on_any(team, stream, note).expect(stream, version)
}

/// Puts requests into the Writer's queue, in this order, before the Writer can take any of them.
pub(crate) async fn queue_up(
    writer: &Writer,
    requests: Vec<AppendRequest>,
) -> Vec<JoinHandle<Result<AppendOutcome, WriterError>>> {
    let mut waiting = Vec::new();
    for request in requests {
        let writer = writer.clone();
        let mut append = Box::pin(tokio::task::unconstrained(async move { writer.append(request).await }));
        // The first poll runs up to the wait for the answer; nothing else runs on this thread meanwhile.
        let first = poll_fn(|context| Poll::Ready(append.as_mut().poll(context))).await;
        waiting.push(match first {
            Poll::Ready(answer) => tokio::spawn(std::future::ready(answer)),
            Poll::Pending => tokio::spawn(append),
        });
    }
    waiting
}
