//! Reading bodies, ids and idempotency keys, with errors that name the field.

use axum::body::Body;
use axum::http::HeaderMap;
use serde::de::DeserializeOwned;

use super::object::Object;
use crate::admin::idempotency::Idempotency;
use crate::http::body;
use crate::http::envelope::ApiError;
use crate::verification::asked::is_license_key;

/// The longest idempotency key, in characters.
const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;

/// A body of JSON.
pub(super) async fn json<T: DeserializeOwned>(body: Body) -> Result<T, ApiError> {
    parsed(&body::read(body).await?)
}

/// A body of JSON none of whose fields is needed, so that it need not be there either.
pub(super) async fn optional_json<T: DeserializeOwned + Default>(body: Body) -> Result<T, ApiError> {
    let bytes = body::read(body).await?;
    let nothing = matches!(bytes.trim_ascii(), b"" | b"null");
    if nothing { Ok(T::default()) } else { parsed(&bytes) }
}

/// A body of JSON that asks for something to be made, and what recognises a repeat of it.
pub(super) async fn creation<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
) -> Result<(T, Option<Idempotency>), ApiError> {
    let bytes = body::read(body).await?;
    Ok((parsed(&bytes)?, idempotency(headers, bytes.to_vec())?))
}

fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let Object(value) = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let (path, reason) = (error.path().to_string(), error.inner().to_string());
        ApiError::bad_request(if matches!(path.as_str(), "." | "?") {
            format!("the body: {reason}")
        } else {
            format!("{path}: {reason}")
        })
    })?;
    reader.end().map_err(|error| ApiError::bad_request(format!("the body: {error}")))?;
    Ok(value)
}

/// The caller's key for one creation.
fn idempotency(headers: &HeaderMap, body: Vec<u8>) -> Result<Option<Idempotency>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| {
        (1..=IDEMPOTENCY_KEY_CHARS_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
    });
    let bad = || {
        let details = format!("Idempotency-Key: must have 1 to {IDEMPOTENCY_KEY_CHARS_MAX} visible ASCII characters");
        ApiError::bad_request(details)
    };
    Ok(Some(Idempotency { key: key.ok_or_else(bad)?.to_owned(), body }))
}

/// Checks the form of a licence key. The key is not repeated in an error: it may be a customer's, mistyped.
pub(super) fn license_key(text: &str) -> Result<(), ApiError> {
    let bad = || ApiError::bad_request("licenseKey: must have the form XXXXX-XXXXX-XXXXX-XXXXX-XXXXX");
    is_license_key(text).then_some(()).ok_or_else(bad)
}
