//! Forgetting a person: one command, after which nobody can tell any more who they were.

use std::collections::BTreeSet;

use keyledger_events::event::customer::CustomerForgotten;
use keyledger_events::{
    AppendOutcome, AppendRequest, Event, NewEvent, Position, StreamId, StreamKind, TeamId, store::PAGE_EVENTS_MAX,
};
use keyledger_projections::view;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{AdminError, CONFLICTS_MAX, by, teams};
use crate::app::App;
use crate::forgetting::{Entry, Forgotten, Person, erase};
use crate::mail::FileTransport;
use crate::providers::person::of_email;

/// Keys that one event names at most: the others follow in further ones.
const KEYS_PER_EVENT_MAX: usize = 500;

/// Who is to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// The customer with this id, and whoever shares their mail address or their id at a provider.
    Customer(Uuid),
    /// Whoever has this mail address.
    Email(String),
}

/// What forgetting somebody came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForgottenJson {
    /// The customers that the person was.
    pub customer_ids: Vec<Uuid>,
    /// Data keys that were destroyed: theirs, and those of deliveries that named them.
    pub keys_destroyed: u64,
    /// Mails to them: given up, or deleted where they are in the folder at hand.
    pub mails: u64,
    /// Whether they had been forgotten before.
    pub already: bool,
}

/// Forgets a person. `folder` is where mails are, where they go into a folder. Doing it again finishes what broke off.
///
/// # Errors
/// When there is no such customer, or something does not answer.
pub async fn forget(
    app: &App,
    actor: &str,
    team: TeamId,
    who: &Who,
    folder: Option<&FileTransport>,
) -> Result<ForgottenJson, AdminError> {
    teams::find(app, team).await?;
    let mut told = ForgottenJson { customer_ids: Vec::new(), keys_destroyed: 0, mails: 0, already: true };
    let mut left = Vec::new();
    loop {
        let Some((some, is_whole)) = forget_some(app, actor, team, who, &mut left, folder).await? else { break };
        let is_over = is_whole || some.already;
        told.add(some);
        if is_over {
            break;
        }
    }
    if told.customer_ids.is_empty() { Err(nobody(who)) } else { Ok(told) }
}

impl ForgottenJson {
    fn add(&mut self, further: Self) {
        let known: BTreeSet<Uuid> = self.customer_ids.iter().copied().collect();
        self.customer_ids.extend(further.customer_ids.into_iter().filter(|id| !known.contains(id)));
        self.keys_destroyed += further.keys_destroyed;
        self.mails += further.mails;
        self.already &= further.already;
    }
}

/// Forgets as many entries of a person as are gathered at once; tells whether these were all. `None` when there are none.
/// What one pass had no room for is where the next begins, too: nothing may lead there any more from who was forgotten.
async fn forget_some(
    app: &App,
    actor: &str,
    team: TeamId,
    who: &Who,
    left: &mut Vec<Uuid>,
    folder: Option<&FileTransport>,
) -> Result<Option<(ForgottenJson, bool)>, AdminError> {
    for _ in 0..CONFLICTS_MAX {
        app.catch_up(&[view::CUSTOMERS]).await?;
        // Deliveries after this are judged by their place in the ledger.
        let head = app.ledger.head().await?.position;
        let beginning = [beginning(app, team, who).await?, left.clone()].concat();
        let person = Person::gather(app, team, &beginning).await?;
        let linked = app.keys.vault().linked(&aliases(&person)).await?;
        if person.customers.is_empty() && linked.is_empty() {
            return Ok(None);
        }
        let Some((mut forgotten, appended)) = append(app, actor, team, head, &person, linked).await? else { continue };
        let keys_destroyed = u64::try_from(forgotten.key_ids.len()).unwrap_or(u64::MAX);
        // Mails are told by the keys that they are sealed with, also by those that an earlier run destroyed.
        forgotten.key_ids.extend(person.customers.values().flat_map(|entry| &entry.key_ids));
        let mails = erase(app, folder, &forgotten).await?;
        let customer_ids = forgotten.customer_ids;
        let some = ForgottenJson { customer_ids, keys_destroyed, mails, already: !appended };
        let is_whole = person.is_whole();
        *left = person.left;
        return Ok(Some((some, is_whole)));
    }
    Err(AdminError::Contended)
}

fn aliases(person: &Person) -> Vec<Uuid> {
    person.aliases.iter().copied().collect()
}

/// Where to begin gathering.
async fn beginning(app: &App, team: TeamId, who: &Who) -> Result<Vec<Uuid>, AdminError> {
    match who {
        Who::Customer(id) => Ok(vec![*id]),
        Who::Email(email) => {
            let derived = of_email(&app.keys, team, email);
            let lookup = super::customers::email_lookup(app, team, email);
            let named = app.views.team(team).customers_named(lookup.as_deref(), None, PAGE_EVENTS_MAX).await?;
            Ok(derived.into_iter().chain(named.iter().map(|customer| customer.id)).collect())
        }
    }
}

/// The mail address is not repeated: what is said here may end up in a log.
fn nobody(who: &Who) -> AdminError {
    let list = "customer list --team ID";
    match who {
        Who::Customer(id) => AdminError::NotFound { what: "customer", id: id.to_string(), list },
        Who::Email(_) => AdminError::NotFound { what: "customer", id: "with this mail address".to_owned(), list },
    }
}

/// Records that they are forgotten, with every key that must go; tells whether there was anything to record. `None` when
/// one of their streams moved on meanwhile.
async fn append(
    app: &App,
    actor: &str,
    team: TeamId,
    head: Position,
    person: &Person,
    linked: Vec<Uuid>,
) -> Result<Option<(Forgotten, bool)>, AdminError> {
    let mut entries: Vec<(Uuid, Entry)> = person.customers.iter().map(|(id, entry)| (*id, entry.clone())).collect();
    if entries.is_empty() {
        // Named by deliveries and never a customer: the record stands where the customer would.
        entries.extend(person.aliases.first().map(|id| (*id, Entry::default())));
    }
    let own = entries.iter().flat_map(|(_, entry)| entry.key_ids.iter().copied());
    let wanted: Vec<Uuid> = linked.into_iter().chain(own).filter(|id| *id != team.0).collect();
    let mut stored: BTreeSet<Uuid> = app.keys.vault().existing(&wanted).await?.into_iter().collect();
    let mut forgotten = Forgotten {
        team,
        customer_ids: entries.iter().map(|(id, _)| *id).collect(),
        aliases: aliases(person),
        key_ids: stored.iter().copied().collect(),
        position: head,
    };
    let Some((first, _)) = entries.first().cloned().filter(|_| person.known || !stored.is_empty()) else {
        return Ok(Some((forgotten, false)));
    };
    let mut request = AppendRequest::new(team, by(actor));
    for (id, entry) in &entries {
        let own: Vec<Uuid> = entry.key_ids.iter().copied().filter(|key| stored.remove(key)).collect();
        request = request.expect(StreamId::new(StreamKind::Customer, *id), entry.version).event(event(app, *id, &own));
    }
    // Nobody may become known under another of their names meanwhile.
    for alias in person.aliases.iter().filter(|alias| **alias != first && !person.customers.contains_key(alias)) {
        request = request.expect(StreamId::new(StreamKind::Customer, *alias), 0);
    }
    let of_deliveries: Vec<Uuid> = stored.into_iter().collect();
    for chunk in of_deliveries.chunks(KEYS_PER_EVENT_MAX) {
        request = request.event(event(app, first, chunk));
    }
    let AppendOutcome::Appended { last } = app.writer.append(request).await? else { return Ok(None) };
    forgotten.position = last;
    slipped_in(app, actor, head, first, &mut forgotten).await?;
    Ok(Some((forgotten, true)))
}

fn event(app: &App, customer_id: Uuid, key_ids: &[Uuid]) -> NewEvent {
    let stream = StreamId::new(StreamKind::Customer, customer_id);
    NewEvent::new(stream, app.clock.now(), CustomerForgotten { key_ids: key_ids.to_vec() })
}

/// Deliveries that name the person and were recorded after the links had been read, but before the person was forgotten.
/// A later one is the business of whoever comes back: it must stay readable.
async fn slipped_in(
    app: &App,
    actor: &str,
    head: Position,
    customer_id: Uuid,
    forgotten: &mut Forgotten,
) -> Result<(), AdminError> {
    let linked: BTreeSet<Uuid> = app.keys.vault().linked(&forgotten.aliases).await?.into_iter().collect();
    let (mut after, mut slipped) = (head, Vec::new());
    while after < forgotten.position {
        let page = app.ledger.read(after, PAGE_EVENTS_MAX).await?;
        let Some(last) = page.last() else { break };
        after = last.position;
        for recorded in page.iter().filter(|it| it.team == forgotten.team && it.position < forgotten.position) {
            if let Event::ProviderEventReceived(received) = recorded.decode()? {
                let key_id = received.body.key_id();
                if linked.contains(&key_id) && !forgotten.key_ids.contains(&key_id) {
                    slipped.push(key_id);
                }
            }
        }
    }
    for chunk in slipped.chunks(KEYS_PER_EVENT_MAX) {
        let request = AppendRequest::new(forgotten.team, by(actor)).event(event(app, customer_id, chunk));
        let AppendOutcome::Appended { last } = app.writer.append(request).await? else {
            return Err(AdminError::Contended);
        };
        forgotten.position = last;
    }
    forgotten.key_ids.extend(slipped);
    Ok(())
}
