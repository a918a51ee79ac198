//! `/teams/{teamId}/requests`: what client programs asked, and how they were answered.

use askama::Template;
use axum::extract::State;
use uuid::Uuid;

use super::page::{Answer, page};
use super::paging::{self, ROWS};
use super::shell::Shell;
use super::viewer::Viewer;
use super::when::When;
use crate::activity::{RequestFilter, RequestKind, StoredRequest};
use crate::admin::verifications;
use crate::http::Front;

#[derive(Template)]
#[template(path = "dashboard/requests.html")]
struct RequestsPage {
    shell: Shell,
    code: String,
    license: String,
    address: String,
    device: String,
    filtered: bool,
    rows: Vec<Row>,
    first: Option<String>,
    next: Option<String>,
}

struct Row {
    when: When,
    kind: &'static str,
    code: String,
    valid: bool,
    license: Option<Uuid>,
    device: String,
    address: String,
    country: String,
    version: String,
    milliseconds: String,
}

/// `GET /teams/{teamId}/requests`
pub(super) async fn list(viewer: Viewer, State(front): State<Front>) -> Answer {
    let query = &viewer.query;
    let text = |name: &str| query.text(name).unwrap_or_default().to_owned();
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let (code, license, address, device) = (text("code"), text("license"), text("address"), text("device"));
    let filter = RequestFilter {
        license_id: query.id("license", "The licence")?,
        code: given(&code),
        device: given(&device),
        address: given(&address),
        ..RequestFilter::default()
    };
    // The log has places of its own.
    let (team, before) = (viewer.team_id(), paging::position(query, "before")?.map(|before| before.0));
    let mut found = verifications::requests(&front.app, team, &filter, before, ROWS + 1).await?;
    let next = paging::next(&mut found, query, &viewer.path, |row| keyledger_events::Position(row.id));
    let personal = viewer.sees_people();
    page(&RequestsPage {
        shell: viewer.shell("Requests", "requests").await?,
        filtered: [&code, &license, &address, &device].iter().any(|text| !text.is_empty()),
        rows: found.into_iter().map(|stored| row(stored, personal)).collect(),
        first: paging::first(&viewer),
        next,
        code,
        license,
        address,
        device,
    })
}

/// Devices and addresses are shown to those who help buyers.
fn row(stored: StoredRequest, personal: bool) -> Row {
    let request = stored.request;
    let shown = |text: Option<String>| match text {
        Some(_) if !personal => "sealed".to_owned(),
        text => text.unwrap_or_default(),
    };
    Row {
        when: When(request.at),
        kind: match request.kind {
            RequestKind::Verify => "verification",
            RequestKind::Heartbeat => "heartbeat",
        },
        valid: request.code == "VALID",
        code: request.code.into_owned(),
        license: request.license_id,
        device: shown(request.device),
        address: shown(request.address),
        country: request.country.unwrap_or_default(),
        version: request.version.unwrap_or_default(),
        milliseconds: format!("{}.{}", request.latency_us / 1_000, request.latency_us % 1_000 / 100),
    }
}
