//! `/teams/{teamId}/requests`: what client programs asked, and how they were answered.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use keyledger_events::TeamId;
use uuid::Uuid;

use super::page::{Answer, page_under};
use super::paging::{self, ROWS};
use super::problem::Problem;
use super::shell::Shell;
use super::viewer::Viewer;
use super::when::When;
use crate::activity::{RequestFilter, RequestKind, StoredRequest};
use crate::admin::{licenses, verifications};
use crate::app::App;
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
    let (code, license, address, device) = (text("code"), text("license"), text("address"), text("device"));
    // What is not there is said above the fields that it was asked for with.
    let mut shell = viewer.shell("Requests", "requests").await?;
    let (mut found, status) = match found(&front.app, &viewer).await {
        Ok(found) => (found, StatusCode::OK),
        Err(problem) => {
            let told = problem.told()?;
            shell.tell(&told.message);
            (Vec::new(), told.status)
        }
    };
    let next = paging::next(&mut found, query, &viewer.path, |row| keyledger_events::Position(row.id));
    let personal = viewer.sees_people();
    let shown = RequestsPage {
        shell,
        filtered: [&code, &license, &address, &device].iter().any(|text| !text.is_empty()),
        rows: found.into_iter().map(|stored| row(stored, personal)).collect(),
        first: paging::first(&viewer),
        next,
        code,
        license,
        address,
        device,
    };
    page_under(status, &shown)
}

async fn found(app: &App, viewer: &Viewer) -> Result<Vec<StoredRequest>, Problem> {
    let (team, query) = (viewer.team_id(), &viewer.query);
    let given = |name: &str| query.text(name).map(str::to_owned);
    let license_id = match query.text("license") {
        Some(license) => Some(license_id(app, team, license).await?),
        None => None,
    };
    let (code, device, address) = (given("code"), given("device"), given("address"));
    let filter = RequestFilter { license_id, code, device, address, ..RequestFilter::default() };
    // The log has places of its own.
    let before = paging::position(query, "before")?.map(|before| before.0);
    Ok(verifications::requests(app, team, &filter, before, ROWS + 1).await?)
}

/// A licence by its id, which may be one that is there no more, or by its key.
async fn license_id(app: &App, team: TeamId, text: &str) -> Result<Uuid, Problem> {
    match text.parse() {
        Ok(id) => Ok(id),
        Err(_) => Ok(licenses::find(app, Some(team), text).await?.1.id),
    }
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
