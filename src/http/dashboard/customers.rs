//! `/teams/{teamId}/customers`: who bought, what they hold, and forgetting them.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use keyledger_events::event::member::RevealedKind;
use keyledger_events::{Position, TeamId};
use keyledger_projections::{Customer, LicenseFilter, Page, view};
use uuid::Uuid;

use super::change::{Administrator, Change, Confirmed, Supporter};
use super::licenses::{self, ShownEntry};
use super::page::{Answer, page, to};
use super::paging;
use super::problem::Problem;
use super::shell::Shell;
use super::viewer::Viewer;
use super::when::When;
use crate::admin::customers::{Address, CustomerJson};
use crate::admin::forget::{self, Who};
use crate::admin::timeline::{self, About, Causes};
use crate::admin::{customers, members};
use crate::app::App;
use crate::http::Front;

/// Licences of one customer that are shown.
const LICENSES_MAX: u32 = 100;
/// Entries of the timeline that are shown.
const ENTRIES: u32 = 100;

/// The pages.
pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/customers", get(list))
        .route("/customers/{customerId}", get(show))
        .route("/customers/{customerId}/profile", post(reveal))
        .route("/customers/{customerId}/forget", post(forget))
}

#[derive(Template)]
#[template(path = "dashboard/customers.html")]
struct ListPage {
    shell: Shell,
    search: String,
    /// Whether the reader sees who they are.
    people: bool,
    rows: Vec<(Uuid, String, &'static str, When)>,
    first: Option<String>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "dashboard/customer.html")]
struct ShowPage {
    shell: Shell,
    id: Uuid,
    name: String,
    provider: &'static str,
    since: When,
    forgotten: bool,
    licenses: Vec<licenses::Row>,
    /// How many licences are shown, where there are more.
    cut: Option<u32>,
    timeline: Vec<ShownEntry>,
    /// Everything that is known of them, once that was asked for.
    profile: Option<CustomerJson>,
    /// Their postal address in one line.
    address: String,
}

async fn list(viewer: Viewer, State(front): State<Front>) -> Answer {
    let (app, team) = (&front.app, viewer.team_id());
    let search = viewer.query.text("q").unwrap_or_default().to_owned();
    app.catch_up(&[view::CUSTOMERS]).await?;
    let mut found = match search.as_str() {
        "" => app.views.team(team).listed_customers_page(paging::wanted(&viewer.query)?).await?,
        search => {
            let ids = match search.parse() {
                Ok(id) => vec![id],
                // Whoever does not see who bought does not learn it by asking, either.
                Err(_) if !viewer.sees_people() => Vec::new(),
                Err(_) => customers::named(app, team, search).await?,
            };
            if let [only] = ids.as_slice() {
                return to(&viewer.at(&format!("customers/{only}")));
            }
            app.views.team(team).customers(&ids).await?
        }
    };
    let next = paging::next(&mut found, &viewer.query, &viewer.path, |customer| customer.created_position);
    let mut rows = Vec::with_capacity(found.len());
    for customer in &found {
        let name = name(app, &viewer, customer).await?;
        rows.push((customer.id, name, customer.provider.as_str(), When(customer.created_at)));
    }
    let shell = viewer.shell("Customers", "customers").await?;
    page(&ListPage { shell, search, people: viewer.sees_people(), rows, first: paging::first(&viewer), next })
}

/// What a customer is called: their address, for those who help buyers.
///
/// # Errors
/// When the keys store does not answer.
pub(super) async fn name(app: &App, viewer: &Viewer, customer: &Customer) -> Result<String, Problem> {
    if customer.forgotten {
        return Ok("forgotten".to_owned());
    }
    let anonymous = || format!("a customer of {}", customer.provider.as_str());
    if !viewer.sees_people() {
        return Ok(anonymous());
    }
    let known = customers::describe(app, viewer.team_id(), customer).await?;
    Ok(known.email.or(known.full_name).or(known.username).unwrap_or_else(anonymous))
}

async fn find(app: &App, team: TeamId, id: &str) -> Result<Customer, Problem> {
    let none = || Problem::not_found(format!("There is no customer “{id}”."));
    let id: Uuid = id.parse().map_err(|_| none())?;
    app.catch_up(&[view::CUSTOMERS]).await?;
    // Whoever was taken off the list has a page all the same: their licences are still there.
    app.views.team(team).customers(&[id]).await?.pop().ok_or_else(none)
}

async fn show(viewer: Viewer, State(front): State<Front>, Path((_, id)): Path<(String, String)>) -> Answer {
    shown(&front, &viewer, &id, None).await
}

async fn shown(front: &Front, viewer: &Viewer, id: &str, profile: Option<CustomerJson>) -> Answer {
    let (app, team) = (&front.app, viewer.team_id());
    let customer = find(app, team, id).await?;
    app.catch_up(&[view::LICENSES, view::TIMELINE]).await?;
    let filter = LicenseFilter { customer_ids: vec![customer.id], ..LicenseFilter::default() };
    // One more than is shown tells whether there are more.
    let limit = Some(LICENSES_MAX + 1);
    let mut held = app.views.team(team).licenses(&filter, Page { before: None, limit }).await?;
    let most = usize::try_from(LICENSES_MAX).unwrap_or(usize::MAX);
    let cut = (held.len() > most).then_some(LICENSES_MAX);
    held.truncate(most);
    let about = About::Customer(customer.id);
    let told = timeline::page(app, &mut Causes::of(team), team, about, Position::START, ENTRIES).await?;
    let mut timeline = ShownEntry::all(app, team, told.entries).await?;
    timeline.reverse();
    let name = name(app, viewer, &customer).await?;
    let mut shell = viewer.shell(name.clone(), "customers").await?;
    shell.path = viewer.at(&format!("customers/{}", customer.id));
    page(&ShowPage {
        shell,
        id: customer.id,
        name,
        provider: customer.provider.as_str(),
        since: When(customer.created_at),
        forgotten: customer.forgotten,
        licenses: licenses::rows(app, team, &held).await?,
        cut,
        timeline,
        address: profile.as_ref().and_then(|profile| profile.address.as_ref()).map(one_line).unwrap_or_default(),
        profile,
    })
}

fn one_line(address: &Address) -> String {
    let Address { street, line1, line2, city, state, country, postal_code } = address;
    let parts = [street, line1, line2, postal_code, city, state, country];
    parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Shows everything that is known of somebody, and records that it was looked at.
async fn reveal(
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
    change: Change<Confirmed<Supporter>>,
) -> Answer {
    let (app, viewer) = (&front.app, &change.viewer);
    let customer = find(app, viewer.team_id(), &id).await?;
    let profile = customers::describe(app, viewer.team_id(), &customer).await?;
    let what = RevealedKind::Customer;
    members::reveal(app, &change.actor(), viewer.team_id(), viewer.member.id, what, customer.id).await?;
    shown(&front, viewer, &id, Some(profile)).await
}

async fn forget(
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
    change: Change<Confirmed<Administrator>>,
) -> Answer {
    let forgotten = async {
        let (app, team) = (&front.app, change.viewer.team_id());
        let customer = find(app, team, &id).await?;
        let folder = front.mail_folder.as_ref();
        let done = forget::forget(app, &change.actor(), team, &Who::Customer(customer.id), folder).await?;
        Ok(format!(
            "They are forgotten: {} keys of their data are destroyed. Their licences work on.",
            done.keys_destroyed
        ))
    };
    let here = format!("customers/{id}");
    change.done(forgotten.await, &here, &here).await
}
