//! Whether what a seller sets on a licence can be.

use std::collections::HashSet;

use keyledger_events::event::license::Expiration;
use keyledger_events::{TeamId, Timestamp};
use keyledger_projections::{Customer, License, view};
use uuid::Uuid;

use crate::admin::AdminError;
use crate::app::App;
use crate::licensing::settings::{Settings, ends_so};

/// Products and customers of a licence at most.
const IDS_MAX: usize = 20;
/// The most days that a licence can last: a hundred years.
const DAYS_MAX: u32 = 36_500;

/// Checks settings, and finds the customers that they name. What `before` has already is not questioned: a product
/// that is no longer sold stays on the licences that were sold.
///
/// # Errors
/// Names what does not exist or cannot be used.
pub(super) async fn check(
    app: &App,
    team: TeamId,
    settings: &Settings,
    before: Option<(&License, &[Timestamp])>,
) -> Result<Vec<Customer>, AdminError> {
    app.catch_up(&[view::TEAMS, view::PRODUCTS, view::CUSTOMERS]).await?;
    let invalid = |message: String| Err(AdminError::Invalid(message));
    for (name, ids) in [("productIds", &settings.product_ids), ("customerIds", &settings.customer_ids)] {
        if ids.len() > IDS_MAX {
            return invalid(format!("{name}: has {} ids; at most {IDS_MAX} are allowed", ids.len()));
        }
        if ids.iter().collect::<HashSet<_>>().len() < ids.len() {
            return invalid(format!("{name}: names an id twice"));
        }
    }
    for (name, limit) in [("ipLimit", settings.ip_limit), ("hwidLimit", settings.hwid_limit)] {
        if limit == Some(0) {
            return invalid(format!("{name}: must be at least 1, or null for no limit"));
        }
    }
    let ends = |(license, ends)| ends_so(license, ends, settings.expiration);
    let unchanged = before.is_some_and(ends);
    let before = before.map(|(license, _)| license);
    match settings.expiration {
        Expiration::Duration { days, .. } if !(1..=DAYS_MAX).contains(&days) && !unchanged => {
            return invalid(format!("expirationDays: is {days}; 1 to {DAYS_MAX} are allowed"));
        }
        Expiration::Date(end) if end <= app.clock.now() && !unchanged => {
            return invalid(format!("expirationDate: {end} is past; suspend or delete the licence to end it now"));
        }
        _ => {}
    }
    let known = |ids: fn(&License) -> &[Uuid], id: &Uuid| before.is_some_and(|license| ids(license).contains(id));
    let views = app.views.team(team);
    let sold = views.existing_products(&settings.product_ids).await?;
    let missing = |id: &&Uuid| !sold.contains(*id) && !known(License::product_ids, id);
    if let Some(id) = settings.product_ids.iter().find(missing) {
        return Err(AdminError::NotFound { what: "product", id: id.to_string(), list: "product list" });
    }
    let mut customers = views.customers(&settings.customer_ids).await?;
    customers.retain(|customer| !customer.removed);
    let listed: HashSet<Uuid> = customers.iter().map(|customer| customer.id).collect();
    let missing = |id: &&Uuid| !listed.contains(*id) && !known(License::customer_ids, id);
    if let Some(id) = settings.customer_ids.iter().find(missing) {
        return Err(AdminError::NotFound { what: "customer", id: id.to_string(), list: "customer list" });
    }
    Ok(customers)
}
