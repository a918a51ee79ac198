//! `…/export`: a team's history as a bundle or a table, streamed.

use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use keyledger_events::TeamId;
use keyledger_proof::bundle::Filter;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::proofs::refused;
use super::query::AuditQuery;
use crate::admin::export::{Export, ExportError, Format};
use crate::http::Front;
use crate::http::access::Auditor;
use crate::http::envelope::ApiError;
use crate::http::openapi::{Errors, ExportParams, TeamPath};
use crate::proofs::ProofsError;

/// Exports under way at once; each reads the ledger from end to end.
const EXPORTS_MAX: usize = 2;

static EXPORTS: Semaphore = Semaphore::const_new(EXPORTS_MAX);

#[utoipa::path(
    get,
    operation_id = "exportHistory",
    path = "/api/v1/audit/teams/{teamId}/export",
    tag = "Proofs",
    summary = "Export the team's history: a bundle that keyledger-verify checks, or a table",
    params(TeamPath, ExportParams),
    responses(
        (status = 200, description = "A file", content(
            (String = "application/x-ndjson"),
            (String = "text/csv"),
        )),
        (status = 429, description = "Too many exports are under way", body = crate::http::openapi::ErrorAnswer),
        Errors,
    ),
    security(("bearer" = []))
)]
pub(in crate::http) async fn export(
    Auditor(access): Auditor,
    State(front): State<Front>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let query = AuditQuery::read(&uri, &["format", "from", "until", "type", "after"])?;
    let format = match query.text("format") {
        None | Some("jsonl") => Format::Jsonl,
        Some("csv") => Format::Csv,
        Some(_) => return Err(ApiError::bad_request("format: must be jsonl or csv")),
    };
    let filter = Filter {
        team: Some(access.team_id.0),
        from: query.time("from")?,
        until: query.time("until")?,
        types: query.words("type"),
        after: query.number("after")?,
    };
    file(&front, access.team_id, format, filter).await
}

/// A team's history up to the newest checkpoint, as a file.
///
/// # Errors
/// When too many exports are under way, nothing is signed yet, or a type is unknown.
pub(in crate::http) async fn file(
    front: &Front,
    team: TeamId,
    format: Format,
    filter: Filter,
) -> Result<Response, ApiError> {
    let (kind, ending) = match format {
        Format::Jsonl => ("application/x-ndjson", "jsonl"),
        Format::Csv => ("text/csv; charset=utf-8", "csv"),
    };
    let place = EXPORTS.try_acquire().map_err(|_| {
        let details = format!("{EXPORTS_MAX} exports are under way; try again when they are done");
        ApiError::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMIT", details)
    })?;
    let newest = front.app.proofs.newest_checkpoint().await?;
    let newest = newest.ok_or_else(|| refused(ProofsError::NotYet { position: 1, size: 0 }))?;
    let export = Export::begin(&front.app, front.log_key.clone(), format, filter, newest).await;
    let export = export.map_err(|error| match error {
        error @ ExportError::UnknownType(_) => ApiError::bad_request(format!("type: {error}")),
        ExportError::Proofs(error) => refused(error),
        error => ApiError::internal(&error),
    })?;
    let name = format!("attachment; filename=\"{}.{ending}\"", team);
    let headers =
        [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, &name), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, pieces(export, place)).into_response())
}

/// The pieces as they are made: whoever reads slowly lets them be made slowly. A body that breaks off is no export.
fn pieces(export: Export, place: SemaphorePermit<'static>) -> Body {
    Body::from_stream(stream::try_unfold((export, place), |(mut export, place)| async move {
        match export.next().await {
            Ok(Some(piece)) => Ok(Some((Bytes::from(piece), (export, place)))),
            Ok(None) => Ok(None),
            Err(error) => {
                tracing::error!(%error, "an export broke off");
                Err(error)
            }
        }
    }))
}
