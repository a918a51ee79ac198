//! Finding licences by what people have at hand: a key, an id, a mail address, a provider's reference.

use std::collections::BTreeSet;

use keyledger_events::{Event, StreamId, StreamKind, TeamId};
use keyledger_projections::{License, LicenseFilter, Page, view};

use crate::admin::{AdminError, customers};
use crate::app::App;
use crate::licensing::payment;
use crate::licensing::purchase::stripe_stream;

/// Licences of one search at most.
pub const FOUND_MAX: u32 = 200;
/// How far payments are followed to their purchase: a charge leads to its payment, that to an invoice, that to the sale.
const HOPS_MAX: usize = 4;
/// Payments that one search follows at most.
const PAYMENTS_MAX: usize = 50;

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The licences, newest first, at most [`FOUND_MAX`].
    pub licenses: Vec<License>,
    /// Whether there are more.
    pub cut: bool,
}

/// What a text may find licences by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundBy {
    /// A key, an id, a provider's reference, and who bought.
    Everything,
    /// The same, but not who bought: for those who do not see it.
    NoPeople,
}

/// The licences that a text finds and a filter wants.
///
/// # Errors
/// When views or ledger do not answer.
pub async fn search(
    app: &App,
    team: TeamId,
    text: &str,
    by: FoundBy,
    filter: &LicenseFilter,
) -> Result<Found, AdminError> {
    match super::find(app, Some(team), text).await {
        Ok((_, license)) => {
            let licenses = Some(license).filter(|license| filter.wants(license)).into_iter().collect();
            return Ok(Found { licenses, cut: false });
        }
        Err(AdminError::NotFound { .. }) => {}
        Err(error) => return Err(error),
    }
    let mut found = Vec::new();
    let customer_ids = match by {
        FoundBy::Everything => customers::named(app, team, text).await?,
        FoundBy::NoPeople => Vec::new(),
    };
    app.catch_up(&[view::LICENSES, view::TIMELINE]).await?;
    if !customer_ids.is_empty() {
        let held = LicenseFilter { customer_ids, ..filter.clone() };
        found.extend(of(app, team, &held).await?);
    }
    for purchase in purchases(app, team, text).await? {
        let bought = LicenseFilter { purchase: Some(purchase), ..filter.clone() };
        found.extend(of(app, team, &bought).await?);
    }
    found.retain(|license| filter.wants(license));
    found.sort_by_key(|license| std::cmp::Reverse(license.created_position));
    found.dedup_by_key(|license| license.id);
    let most = usize::try_from(FOUND_MAX).unwrap_or(usize::MAX);
    let cut = found.len() > most;
    found.truncate(most);
    Ok(Found { licenses: found, cut })
}

async fn of(app: &App, team: TeamId, filter: &LicenseFilter) -> Result<Vec<License>, AdminError> {
    // One more than is shown tells whether there are more.
    Ok(app.views.team(team).licenses(filter, Page { before: None, limit: Some(FOUND_MAX + 1) }).await?)
}

/// The purchases that a provider's reference may be of: the sale itself, or the one that a payment paid for.
async fn purchases(app: &App, team: TeamId, reference: &str) -> Result<BTreeSet<StreamId>, AdminError> {
    let mut purchases = BTreeSet::from([stripe_stream(team, reference)]);
    let mut seen = BTreeSet::new();
    let mut next = vec![payment::stream(team, reference)];
    for _ in 0..HOPS_MAX {
        next.retain(|stream| seen.len() < PAYMENTS_MAX && seen.insert(*stream));
        if next.is_empty() {
            break;
        }
        let mut links = Vec::new();
        for recorded in app.ledger.read_streams(team, &next).await? {
            if let Event::PaymentLinked(linked) = recorded.decode()? {
                links.push(linked.to);
            }
        }
        let (payments, others): (Vec<_>, Vec<_>) = links.into_iter().partition(|to| to.kind == StreamKind::Payment);
        purchases.extend(others);
        next = payments;
    }
    Ok(purchases)
}
