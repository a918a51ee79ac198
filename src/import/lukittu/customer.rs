//! Customers: everything that says who they are is sealed under a data key of their own.

use keyledger_events::event::customer::{CustomerRegistered, CustomerUpdated};
use keyledger_events::event::inbox::{Origin, Provider};
use keyledger_events::keys::KeyLink;
use keyledger_events::sealed::SealContext;
use keyledger_events::{NewEvent, StreamKind, id};
use keyledger_projections::Customer;

use super::append::{Item, append, known};
use super::error::ImportError;
use super::rows::CustomerRow;
use super::{Step, ids};
use crate::admin::metadata;
use crate::providers::person::Person;

const TABLE: &str = "Customer";

/// Imports the team's customers.
pub(super) async fn import(step: &mut Step<'_>) -> Result<(), ImportError> {
    let mut after = String::new();
    loop {
        let rows = step.source.customers(&step.scope.lukittu, &after).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after.clone_from(&last.id);
        let first = |row: &CustomerRow| ids::event(step.scope.team, StreamKind::Customer, &row.id, "registered");
        let known = known(step.app, &rows.iter().map(first).collect::<Vec<_>>()).await?;
        let mut items = Vec::new();
        for row in rows.iter().filter(|row| !known.contains(&first(row))) {
            match item(step, row) {
                Ok(item) => items.push(item),
                Err(problem) => step.report.problem(TABLE, &row.id, problem),
            }
        }
        let done = append(step, TABLE, items).await?;
        let progress = done.count(&mut step.report.customers, rows.len(), known.len());
        (step.progress)(progress);
    }
}

fn item(step: &Step<'_>, row: &CustomerRow) -> Result<Item, String> {
    let (scope, keys) = (step.scope, &step.app.keys);
    let team = scope.team;
    let stream = scope.stream(StreamKind::Customer, &row.id);
    let event_id = |what| ids::event(team, StreamKind::Customer, &row.id, what);
    let (registered_id, told_id) = (event_id("registered"), event_id("told"));
    let (key, wrapped) = keys.generate(id::fresh());
    let seal = |field, text: &str| key.seal(SealContext { team, event_id: told_id, field }, text.as_bytes());
    let filled = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let (email, name, username) = (filled(&row.email), filled(&row.full_name), filled(&row.username));
    let address = row.address.as_ref().map(serde_json::to_string).transpose().map_err(|error| error.to_string())?;
    let notes = (!row.notes.is_empty())
        .then(|| metadata::seal(&key, team, told_id, Customer::METADATA_FIELD, &row.notes))
        .transpose()
        .map_err(|error| error.to_string())?;
    // The provider is of no consequence: only what a mail address leads to is asked of this person.
    let person = Person { provider: Provider::Stripe, provider_customer: None, email: email.clone(), name: None };
    let told = CustomerUpdated {
        email_lookup: person.email_lookup(keys, team),
        email: email.as_deref().map(|text| seal(Customer::EMAIL_FIELD, text)),
        name: name.as_deref().map(|text| seal(Customer::NAME_FIELD, text)),
        username: username.as_deref().map(|text| seal(Customer::USERNAME_FIELD, text)),
        address: address.as_deref().map(|text| seal(Customer::ADDRESS_FIELD, text)),
        metadata: notes,
    };
    let registered = CustomerRegistered {
        provider: Origin::Manual,
        provider_customer: None,
        email_lookup: None,
        email: None,
        name: None,
    };
    let event = |event_id, event| NewEvent { stream, event_id, occurred_at: row.created_at, event };
    let events = vec![event(registered_id, registered.into()), event(told_id, told.into())];
    let mut item = Item::new(scope, &row.id, stream, events);
    item.request.links.push(KeyLink { key_id: key.id(), customer_id: stream.id });
    item.request.keys.push(wrapped);
    Ok(item)
}
