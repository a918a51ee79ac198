//! Licences: listed and shown, now or as they were, and what an admin decides about one.

mod change;
mod check;
mod create;
mod diff;
mod json;
mod past;
mod search;
mod update;

pub use change::{Done, change};
pub use create::{NewLicense, create};
pub use diff::{Change, KeyShown, LicenseDiff, Side, diff};
pub use json::{LicenseJson, describe, describe_as_of, describe_sealed, describe_used};
pub use past::{Past, list_as_of, position_of, show_as_of};
pub use search::{FOUND_MAX, Found, FoundBy, search};
pub use update::{Update, update};

use keyledger_events::TeamId;
use keyledger_projections::{License, LicenseFilter, NumberedPage, Page, QueryError, view};
use uuid::Uuid;

use super::{AdminError, Listing, teams};
use crate::app::App;
use crate::keys;

/// Licences of one team or of all, newest first.
///
/// # Errors
/// When there is no such team.
pub async fn list(
    app: &App,
    team: Option<TeamId>,
    limit: Option<u32>,
) -> Result<Listing<License, impl AsyncFn(TeamId, Page) -> Result<Vec<License>, QueryError>>, AdminError> {
    let teams = teams::ids(app, team).await?;
    app.catch_up(&[view::LICENSES]).await?;
    let views = app.views.clone();
    let fetch = async move |team, page| views.team(team).licenses(&LicenseFilter::default(), page).await;
    Ok(Listing::new(teams, limit, |license: &License| license.created_position, fetch))
}

/// A page of a team's licences, and how many fit the filter in all.
///
/// # Errors
/// When the views do not answer.
pub async fn page(
    app: &App,
    team: TeamId,
    filter: &LicenseFilter,
    page: NumberedPage,
) -> Result<(Vec<License>, u64), AdminError> {
    app.catch_up(&[view::LICENSES, view::TIMELINE]).await?;
    let views = app.views.team(team);
    Ok((views.licenses_page(filter, page).await?, views.count_licenses(filter).await?))
}

/// A licence by its id or its key, of one team or of any.
///
/// # Errors
/// When there is none.
pub async fn find(app: &App, team: Option<TeamId>, id_or_key: &str) -> Result<(TeamId, License), AdminError> {
    let teams = teams::ids(app, team).await?;
    app.catch_up(&[view::LICENSES, view::LICENSE_KEYS]).await?;
    for team in teams {
        let views = app.views.team(team);
        let id = match Uuid::parse_str(id_or_key) {
            Ok(id) => Some(id),
            Err(_) => views.license_by_key(&keys::lookup(&app.keys, team, &id_or_key.to_uppercase())).await?,
        };
        if let Some(id) = id
            && let Some(license) = views.license(id).await?
        {
            return Ok((team, license));
        }
    }
    Err(AdminError::NotFound { what: "licence", id: id_or_key.to_owned(), list: "license list" })
}
