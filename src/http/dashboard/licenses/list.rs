//! Licences: searched by key, id, mail address or a provider's reference, and listed newest first.

use askama::Template;
use axum::extract::State;
use keyledger_events::TeamId;
use keyledger_projections::{License, LicenseFilter, Standing, view};
use uuid::Uuid;

use super::super::page::{Answer, page, to};
use super::super::paging;
use super::super::problem::Problem;
use super::super::shell::Shell;
use super::super::viewer::Viewer;
use super::super::when::When;
use super::words::{Tag, masked, tag};
use crate::admin::{AdminError, licenses, products};
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
    rows: Vec<Row>,
    filtered: bool,
    first: Option<String>,
    next: Option<String>,
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

/// `GET /teams/{teamId}/licenses`
pub(super) async fn show(viewer: Viewer, State(front): State<Front>) -> Answer {
    let (app, team) = (&front.app, viewer.team_id());
    let text = |name: &str| viewer.query.text(name).unwrap_or_default().to_owned();
    let (search, standing, product) = (text("q"), text("standing"), text("product"));
    let mut found = found(app, &viewer, &search).await?;
    if let ([only], false) = (found.as_slice(), search.is_empty()) {
        return to(&viewer.at(&format!("licenses/{}", only.id)));
    }
    // A search shows all that it found.
    let next = match search.is_empty() {
        true => paging::next(&mut found, &viewer.query, &viewer.path, |license| license.created_position),
        false => None,
    };
    let products = products::list(app, team).await?.into_iter().map(|product| (product.id, product.name)).collect();
    page(&ListPage {
        shell: viewer.shell("Licences", "licenses").await?,
        rows: rows(app, team, &found).await?,
        filtered: [&search, &standing, &product].iter().any(|text| !text.is_empty()),
        standings: Standing::ALL.map(|standing| (standing.as_str(), standing.as_str().replace('-', " "))).into(),
        products,
        first: paging::first(&viewer),
        next,
        search,
        standing,
        product,
    })
}

async fn found(app: &App, viewer: &Viewer, search: &str) -> Result<Vec<License>, Problem> {
    let (team, query) = (viewer.team_id(), &viewer.query);
    if !search.is_empty() {
        return Ok(licenses::search(app, team, search).await?);
    }
    let page = paging::wanted(query)?;
    let views = app.views.team(team);
    if let Some(wanted) = query.text("standing") {
        app.catch_up(&[view::LICENSES]).await?;
        let standing = Standing::ALL.into_iter().find(|standing| standing.as_str() == wanted);
        let bad = || Problem::unusable(format!("No licence can stand “{wanted}”."));
        return Ok(views.licenses_standing(standing.ok_or_else(bad)?, app.clock.now(), page).await?);
    }
    app.catch_up(&[view::LICENSES]).await?;
    let product_ids = query.id("product", "The product")?.into_iter().collect();
    let filter = LicenseFilter { product_ids, ..LicenseFilter::default() };
    Ok(views.licenses(&filter, page).await?)
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
    let names: std::collections::HashMap<_, _> =
        products::list(app, team).await?.into_iter().map(|product| (product.id, product.name)).collect();
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
