//! Licences: searched by key, id, mail address or a provider's reference, and listed newest first.

use std::collections::HashMap;

use askama::Template;
use axum::extract::State;
use keyledger_events::TeamId;
use keyledger_projections::{License, LicenseFilter, Standing, view};
use uuid::Uuid;

use super::super::fields::Fields;
use super::super::page::{Answer, page, to};
use super::super::paging;
use super::super::problem::Problem;
use super::super::shell::Shell;
use super::super::viewer::Viewer;
use super::super::when::When;
use super::words::{Tag, masked, product_name, tag};
use crate::admin::licenses::{self, FOUND_MAX, Found, FoundBy};
use crate::admin::{AdminError, products};
use crate::app::App;
use crate::http::Front;

#[derive(Template)]
#[template(path = "dashboard/licenses/list.html")]
struct ListPage {
    shell: Shell,
    search: String,
    standing: String,
    standings: Vec<(&'static str, String)>,
    product: String,
    products: Vec<(Uuid, String)>,
    customer: String,
    rows: Vec<Row>,
    filtered: bool,
    first: Option<String>,
    next: Option<String>,
    /// How many a search shows, where it found more.
    cut: Option<u32>,
}

/// A licence in a list.
pub(in crate::http::dashboard) struct Row {
    /// Its id.
    pub(in crate::http::dashboard) id: Uuid,
    /// Its masked key.
    pub(in crate::http::dashboard) key: String,
    /// Its status.
    pub(in crate::http::dashboard) tag: Tag,
    /// The names of what it opens.
    pub(in crate::http::dashboard) products: String,
    /// When it ends.
    pub(in crate::http::dashboard) expires: Option<When>,
    /// When it was bought.
    pub(in crate::http::dashboard) bought: When,
    /// Where it was sold.
    pub(in crate::http::dashboard) provider: &'static str,
    /// Whether it was sold in a provider's test mode.
    pub(in crate::http::dashboard) test: bool,
}

/// Which licences are asked for, besides what is searched.
struct Wanted {
    standing: Option<Standing>,
    filter: LicenseFilter,
}

impl Wanted {
    fn of(query: &Fields) -> Result<Self, Problem> {
        let bad = |wanted: &str| Problem::unusable(format!("No licence can stand “{wanted}”."));
        let known = |wanted: &str| Standing::ALL.into_iter().find(|standing| standing.as_str() == wanted);
        let standing = query.text("standing").map(|wanted| known(wanted).ok_or_else(|| bad(wanted))).transpose()?;
        let product_ids = query.id("product", "The product")?.into_iter().collect();
        let customer_ids = query.id("customer", "The customer")?.into_iter().collect();
        Ok(Self { standing, filter: LicenseFilter { product_ids, customer_ids, ..LicenseFilter::default() } })
    }
}

/// `GET /teams/{teamId}/licenses`
pub(super) async fn show(viewer: Viewer, State(front): State<Front>) -> Answer {
    let (app, team) = (&front.app, viewer.team_id());
    let text = |name: &str| viewer.query.text(name).unwrap_or_default().to_owned();
    let [search, standing, product, customer] = ["q", "standing", "product", "customer"].map(text);
    let Found { licenses: mut found, cut } = found(app, &viewer, &search).await?;
    if let ([only], false, false) = (found.as_slice(), search.is_empty(), cut) {
        return to(&viewer.at(&format!("licenses/{}", only.id)));
    }
    // A search shows what it found on one page, and says when that is not all.
    let next = match search.is_empty() {
        true => paging::next(&mut found, &viewer.query, &viewer.path, |license| license.created_position),
        false => None,
    };
    let products = products::ever(app, team).await?;
    page(&ListPage {
        shell: viewer.shell("Licences", "licenses").await?,
        rows: rows(app, team, &found).await?,
        filtered: [&search, &standing, &product, &customer].iter().any(|text| !text.is_empty()),
        standings: Standing::ALL.map(|standing| (standing.as_str(), standing.as_str().replace('-', " "))).into(),
        products: products.iter().map(|product| (product.id, product_name(product))).collect(),
        first: paging::first(&viewer),
        next,
        cut: cut.then_some(FOUND_MAX),
        search,
        standing,
        product,
        customer,
    })
}

async fn found(app: &App, viewer: &Viewer, search: &str) -> Result<Found, Problem> {
    let (team, now) = (viewer.team_id(), app.clock.now());
    let Wanted { standing, filter } = Wanted::of(&viewer.query)?;
    if !search.is_empty() {
        let by = if viewer.sees_people() { FoundBy::Everything } else { FoundBy::NoPeople };
        let mut found = licenses::search(app, team, search, by, &filter).await?;
        found.licenses.retain(|license| standing.is_none_or(|standing| Standing::of(license, now) == standing));
        return Ok(found);
    }
    let page = paging::wanted(&viewer.query)?;
    let views = app.views.team(team);
    app.catch_up(&[view::LICENSES, view::TIMELINE]).await?;
    let licenses = match standing {
        Some(standing) => views.licenses_standing(&filter, standing, now, page).await?,
        None => views.licenses(&filter, page).await?,
    };
    Ok(Found { licenses, cut: false })
}

/// Licences as lists show them.
///
/// # Errors
/// When views, activity or keys store do not answer.
pub(in crate::http::dashboard) async fn rows(
    app: &App,
    team: TeamId,
    found: &[License],
) -> Result<Vec<Row>, AdminError> {
    let names: HashMap<_, _> =
        products::ever(app, team).await?.iter().map(|product| (product.id, product_name(product))).collect();
    let ids: Vec<_> = found.iter().map(|license| license.id).collect();
    let used = app.activity.last_used(team, Some(&ids)).await?;
    let now = app.clock.now();
    let mut rows = Vec::with_capacity(found.len());
    for license in found {
        let described = licenses::describe_used(app, team, license, now, used.get(&license.id).copied()).await?;
        let products: Vec<_> =
            license.product_ids().iter().filter_map(|id| names.get(id).map(String::as_str)).collect();
        rows.push(Row {
            id: license.id,
            key: masked(described.key.as_deref()),
            tag: tag(described.status),
            products: products.join(", "),
            expires: described.expires_at.map(When),
            bought: When(license.terms.purchased_at),
            provider: license.provider.as_str(),
            test: license.livemode == Some(false),
        });
    }
    Ok(rows)
}
