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

/// The licences that a text finds, newest first.
///
/// # Errors
/// When views or ledger do not answer.
pub async fn search(app: &App, team: TeamId, text: &str) -> Result<Vec<License>, AdminError> {
    match super::find(app, Some(team), text).await {
        Ok((_, license)) => return Ok(vec![license]),
        Err(AdminError::NotFound { .. }) => {}
        Err(error) => return Err(error),
    }
    let mut found = Vec::new();
    let customer_ids = customers::named(app, team, text).await?;
    app.catch_up(&[view::LICENSES, view::TIMELINE]).await?;
    if !customer_ids.is_empty() {
        let filter = LicenseFilter { customer_ids, ..LicenseFilter::default() };
        found.extend(of(app, team, &filter).await?);
    }
    for purchase in purchases(app, team, text).await? {
        let filter = LicenseFilter { purchase: Some(purchase), ..LicenseFilter::default() };
        found.extend(of(app, team, &filter).await?);
    }
    found.sort_by_key(|license| std::cmp::Reverse(license.created_position));
    found.dedup_by_key(|license| license.id);
    Ok(found)
}

async fn of(app: &App, team: TeamId, filter: &LicenseFilter) -> Result<Vec<License>, AdminError> {
    Ok(app.views.team(team).licenses(filter, Page { before: None, limit: Some(FOUND_MAX) }).await?)
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
