//! What an operator's tools ask: alive, ready, how much.

mod described;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use keyledger_events::Position;
use serde_json::json;

use super::Front;

pub(crate) use described::describe;

/// Events that a view may be behind and still count as caught up: one page of the runner.
const READY_LAG_EVENTS_MAX: i64 = 1_000;

/// `GET /healthz`: the process is alive.
pub(super) async fn healthz() -> Response {
    Json(json!({ "status": "ok", "message": "alive" })).into_response()
}

/// `GET /readyz`: the store answers and the views are caught up.
pub(super) async fn readyz(State(front): State<Front>) -> Response {
    let head = match front.app.ledger.head().await {
        Ok(head) => head.position.0,
        Err(error) => {
            tracing::warn!(%error, "not ready: the ledger does not answer");
            let body = json!({ "status": "unavailable", "message": "the ledger does not answer" });
            return (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response();
        }
    };
    let status = front.app.runner.status().borrow().clone();
    let mut problems: Vec<_> =
        status.failure.iter().map(|why| format!("the views do not follow the ledger: {why}")).collect();
    let mut views = serde_json::Map::new();
    for (name, progress) in &status.views {
        let lag = (head - progress.position.0).max(0);
        let fault = progress.fault.as_ref().map(|fault| format!("at position {}: {}", fault.position, fault.message));
        if let Some(fault) = &fault {
            problems.push(format!("the view {name} is faulted {fault}"));
        } else if lag > READY_LAG_EVENTS_MAX {
            problems.push(format!("the view {name} is {lag} events behind"));
        }
        views.insert(name.clone(), json!({ "position": progress.position.0, "lagEvents": lag, "fault": fault }));
    }
    if let Some(still) = front.app.runner.standstill(Position(head)) {
        let (view, seconds) = (still.view, still.seconds);
        problems.push(format!("the view {view} has not moved for {seconds} s although the ledger has"));
    }
    problems.extend(status.missing.iter().map(|name| format!("the view {name} does not exist yet")));
    if views.is_empty() {
        problems.push("the views are not open yet".to_owned());
    }
    let ready = problems.is_empty();
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let message = if ready { "ready".to_owned() } else { problems.join("; ") };
    let status = if ready { "ready" } else { "unavailable" };
    (code, Json(json!({ "status": status, "message": message, "head": head, "views": views }))).into_response()
}

/// `GET /metrics`, in Prometheus's text format.
pub(super) async fn metrics(State(front): State<Front>) -> Response {
    let head = front.app.ledger.head().await.map(|head| head.position.0).ok();
    if let Some(head) = head {
        metrics::gauge!("keyledger_ledger_head_position").set(as_f64(head));
    }
    for (name, progress) in &front.app.runner.status().borrow().views {
        metrics::gauge!("keyledger_view_position", "view" => name.clone()).set(as_f64(progress.position.0));
        let lag = head.map_or(0, |head| (head - progress.position.0).max(0));
        metrics::gauge!("keyledger_view_lag_events", "view" => name.clone()).set(as_f64(lag));
        let faulted = if progress.fault.is_some() { 1.0 } else { 0.0 };
        metrics::gauge!("keyledger_view_faulted", "view" => name.clone()).set(faulted);
    }
    let text = front.metrics.render();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floats; positions beyond 2^53 are out of reach")]
fn as_f64(number: i64) -> f64 {
    number as f64
}
