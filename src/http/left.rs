//! What a handler leaves unread of a body, as with every refusal that needs no more than the head. It is read before the
//! answer goes out: so a sender who is still writing sees the answer and not a broken connection, and whoever sends the next
//! request on the connection, through a proxy somebody else, does not find it closed.

use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, header};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::oneshot;
use tower::ServiceExt as _;

use super::body::{BODY_TIME_MAX, DRAIN_BYTES_MAX};

/// How long the rest of a body may take, within the time that the whole of it may take.
const LEFT_TIME_MAX: Duration = Duration::from_secs(10);
/// How long nothing of it may come: some senders wait for the answer before they send a body.
const LEFT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Has a request answered. Where what is left of its body is too much or does not come in time, the answer says that the
/// connection ends with it.
pub(super) async fn answer<B>(router: Router, request: Request<B>) -> Result<Response, Infallible>
where
    B: HttpBody<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    if request.body().is_end_stream() {
        return router.oneshot(request.map(Body::new)).await;
    }
    let begun = Instant::now();
    // Whoever reads the body tells the sender to send it. One who waits for that and is refused need not.
    let waits = request.headers().contains_key(header::EXPECT);
    let (back, mut left) = oneshot::channel();
    let request = request.map(|body| Body::new(Lent { left: Some(Left::whole(body)), back: Some(back) }));
    let mut response = router.oneshot(request).await?;
    if let Ok(left) = left.try_recv() {
        let time = BODY_TIME_MAX.saturating_sub(begun.elapsed()).min(LEFT_TIME_MAX);
        let asked_for = left.touched || !waits;
        if !asked_for || !left.read_out(time).await {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
    Ok(response)
}

/// A body, as far as it has been read.
struct Left<B> {
    body: B,
    read_bytes: usize,
    /// Whether anybody wanted anything of it.
    touched: bool,
    /// Nothing more comes.
    ended: bool,
}

/// A body that goes back to who lent it when its reader lets go of it before its end.
struct Lent<B> {
    left: Option<Left<B>>,
    back: Option<oneshot::Sender<Left<B>>>,
}

impl<B> Left<B> {
    fn whole(body: B) -> Self {
        Self { body, read_bytes: 0, touched: false, ended: false }
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> Left<B> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.touched = true;
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.read_bytes += frame.data_ref().map_or(0, Bytes::len);
                self.ended = self.body.is_end_stream();
            }
            // At its end, or broken off.
            Poll::Ready(None | Some(Err(_))) => self.ended = true,
            Poll::Pending => {}
        }
        polled
    }

    /// Reads what is left; whether that was all of it.
    async fn read_out(mut self, time: Duration) -> bool {
        let begun = Instant::now();
        while !self.ended {
            let patience = time.saturating_sub(begun.elapsed()).min(LEFT_PAUSE_MAX);
            let frame = std::future::poll_fn(|cx| self.poll(cx));
            if tokio::time::timeout(patience, frame).await.is_err() || self.read_bytes > DRAIN_BYTES_MAX {
                return false;
            }
        }
        true
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Lent<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.left.as_mut().map_or(Poll::Ready(None), |left| left.poll(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.left.as_ref().is_none_or(|left| left.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.left.as_ref().map_or_else(SizeHint::default, |left| left.body.size_hint())
    }
}

impl<B> Drop for Lent<B> {
    fn drop(&mut self) {
        if let (Some(left), Some(back)) = (self.left.take(), self.back.take())
            && !left.ended
        {
            // Nobody waits for it where the client has gone.
            let _ = back.send(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::http::StatusCode;
    use futures::stream;

    use super::*;

    type TestResult = Result<(), Box<dyn Error>>;

    const PIECE: usize = 64 * 1_024;

    /// Has a body of so many pieces refused by a handler that reads nothing; how many were read, and whether the answer says
    /// that the connection ends.
    async fn refused(pieces: usize, expect: bool) -> Result<(usize, bool), Box<dyn Error>> {
        let read = Arc::new(AtomicUsize::new(0));
        let counted = read.clone();
        let body = stream::iter((0..pieces).map(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok::<_, Infallible>(vec![b'x'; PIECE])
        }));
        let mut request = Request::post("/");
        if expect {
            request = request.header(header::EXPECT, "100-continue");
        }
        let router = Router::new().fallback(|| async { StatusCode::UNAUTHORIZED });
        let response = answer(router, request.body(Body::from_stream(body))?).await?;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let closes = response.headers().get(header::CONNECTION).is_some_and(|value| value == "close");
        Ok((read.load(Ordering::SeqCst), closes))
    }

    #[tokio::test]
    async fn what_a_handler_has_left_is_read_within_bounds() -> TestResult {
        assert_eq!(refused(0, false).await?, (0, false));
        let most = DRAIN_BYTES_MAX / PIECE;
        assert_eq!(refused(most, false).await?, (most, false));
        assert_eq!(refused(most + 9, false).await?, (most + 1, true));
        Ok(())
    }

    #[tokio::test]
    async fn who_waits_to_be_told_to_send_is_not_after_a_refusal() -> TestResult {
        assert_eq!(refused(1, true).await?, (0, true));
        Ok(())
    }

    #[tokio::test]
    async fn a_sender_who_sends_nothing_is_not_waited_for() -> TestResult {
        let silent = Body::from_stream(stream::pending::<Result<Vec<u8>, Infallible>>());
        assert!(!Left::whole(silent).read_out(Duration::from_millis(20)).await);
        // However long it may take as a whole.
        let silent = Body::from_stream(stream::pending::<Result<Vec<u8>, Infallible>>());
        let begun = Instant::now();
        assert!(!Left::whole(silent).read_out(BODY_TIME_MAX).await);
        assert!(begun.elapsed() < BODY_TIME_MAX / 2);
        Ok(())
    }
}
