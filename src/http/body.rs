//! Reading a body within its limits.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;

use super::HttpError;

/// The largest body that is taken, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;
/// How much of a larger body is read before the answer, so that the sender sees it and not a broken connection.
pub(super) const DRAIN_BYTES_MAX: usize = 8 << 20;
/// How long a body may take.
pub(super) const BODY_TIME_MAX: Duration = Duration::from_secs(30);

/// The whole body.
pub(super) async fn read(body: Body) -> Result<Bytes, HttpError> {
    let timeout = |_| HttpError::new(StatusCode::REQUEST_TIMEOUT, "the body took longer than 30 s to arrive");
    tokio::time::timeout(BODY_TIME_MAX, read_stream(body)).await.map_err(timeout)?
}

async fn read_stream(body: Body) -> Result<Bytes, HttpError> {
    let mut stream = body.into_data_stream();
    let mut kept = BytesMut::new();
    let mut total = 0;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| HttpError::bad_request("the body broke off"))?;
        total += chunk.len();
        if total > DRAIN_BYTES_MAX {
            break;
        }
        if total <= BODY_BYTES_MAX {
            kept.extend_from_slice(&chunk);
        }
    }
    if total > BODY_BYTES_MAX {
        let message = format!("the body is larger than {BODY_BYTES_MAX} bytes");
        return Err(HttpError::new(StatusCode::PAYLOAD_TOO_LARGE, message));
    }
    Ok(kept.freeze())
}
