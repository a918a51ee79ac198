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

/// Characters of a device or a version that are shown; a stranger may send a thousand.
const SHOWN_CHARS_MAX: usize = 40;

#[derive(Template)]
#[template(path = "dashboard/requests.html")]
struct RequestsPage {
    shell: Shell,
    code: String,
    license: String,
    address: String,
    device: String,
    /// Whether the reader sees devices and addresses, and may ask for them.
    personal: bool,
    filtered: bool,
    rows: Vec<Row>,
    first: Option<String>,
    next: Option<String>,
}

/// A text that comes from outside: cut where it would crowd out everything beside it.
struct Cut {
    shown: String,
    whole: String,
}

impl Cut {
    fn of(whole: String) -> Self {
        let mut shown: String = whole.chars().take(SHOWN_CHARS_MAX).collect();
        if shown.len() < whole.len() {
            shown.push('…');
        }
        Self { shown, whole }
    }
}

struct Row {
    when: When,
    kind: &'static str,
    code: String,
    valid: bool,
    license: Option<Uuid>,
    device: Cut,
    address: String,
    country: String,
    version: Cut,
    milliseconds: String,
}

/// `GET /teams/{teamId}/requests`
pub(super) async fn list(viewer: Viewer, State(front): State<Front>) -> Answer {
    let query = &viewer.query;
    let text = |name: &str| query.text(name).unwrap_or_default().to_owned();
    let personal = viewer.sees_people();
    let (code, license) = (text("code"), text("license"));
    let [address, device] = ["address", "device"].map(|name| if personal { text(name) } else { String::new() });
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
    let shown = RequestsPage {
        shell,
        filtered: [&code, &license, &address, &device].iter().any(|text| !text.is_empty()),
        rows: found.into_iter().map(|stored| row(stored, personal)).collect(),
        first: paging::first(&viewer),
        next,
        personal,
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
    let personal = |name: &str| given(name).filter(|_| viewer.sees_people());
    let (code, device, address) = (given("code"), personal("device"), personal("address"));
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
        device: Cut::of(shown(request.device)),
        address: shown(request.address),
        country: request.country.unwrap_or_default(),
        version: Cut::of(request.version.unwrap_or_default()),
        milliseconds: format!("{}.{}", request.latency_us / 1_000, request.latency_us % 1_000 / 100),
    }
}
