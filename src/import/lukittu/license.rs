//! Licences: with their keys, limits, ends and seats, and with the purchases that they were sold in, so that renewals
//! and removals find them.

use std::collections::HashMap;

use keyledger_events::event::inbox::Provider;
use keyledger_events::event::license::{LicenseAmended, LicenseIssued, LicenseSuspended, Offer, Terms};
use keyledger_events::event::purchase::{PurchaseAdopted, PurchaseLine, PurchaseRecorded};
use keyledger_events::sealed::{DataKey, SealContext};
use keyledger_events::writer::REQUEST_EVENTS_MAX;
use keyledger_events::{Event, NewEvent, StreamId, StreamKind, Timestamp};
use keyledger_projections::License;
use uuid::Uuid;

use super::activity::Use;
use super::append::{Item, append, known};
use super::error::ImportError;
use super::expiry::{self, Columns, Expiry};
use super::license_key::EncryptionKey;
use super::rows::LicenseRow;
use super::sale::{Sale, origin};
use super::{Scope, Step, ids, seats};
use crate::admin::metadata;
use crate::keys;

const TABLE: &str = "License";
/// What an imported licence is said to have been bought as.
const ITEM: &str = "lukittu";

/// Imports the team's licences.
pub(super) async fn import(step: &mut Step<'_>, key: &EncryptionKey) -> Result<(), ImportError> {
    let mut after = String::new();
    loop {
        let rows = step.source.licenses(&step.scope.lukittu, &after).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after.clone_from(&last.id);
        let first = |row: &LicenseRow| ids::event(step.scope.team, StreamKind::License, &row.id, "issued");
        let known = known(step.app, &rows.iter().map(first).collect::<Vec<_>>()).await?;
        let new: Vec<_> = rows.iter().filter(|row| !known.contains(&first(row))).collect();
        let holders = holders(step, &new).await?;
        let (mut items, mut uses) = (Vec::new(), HashMap::new());
        for row in new {
            let holder = row.customers.first().and_then(|id| holders.get(id)).unwrap_or(&step.scope.key);
            match item(step, row, key, holder).await? {
                Ok((item, used)) => {
                    items.push(item);
                    uses.insert(row.id.clone(), used);
                }
                Err(problem) => step.report.problem(TABLE, &row.id, problem),
            }
        }
        let done = append(step, TABLE, items).await?;
        if !step.scope.dry_run {
            done.imported.iter().filter_map(|id| uses.get(id)).for_each(|used| used.note(step));
            step.app.activity.flush().await?;
        }
        let progress = done.count(&mut step.report.licenses, rows.len(), known.len());
        (step.progress)(progress);
    }
}

/// The data keys of the customers who hold these licences, by Lukittu's id: forgetting them makes their devices and
/// addresses unreadable.
async fn holders(step: &Step<'_>, rows: &[&LicenseRow]) -> Result<HashMap<String, DataKey>, ImportError> {
    let with_seats = rows.iter().filter(|row| !(row.devices.is_empty() && row.addresses.is_empty()));
    let names: HashMap<Uuid, &String> = with_seats
        .filter_map(|row| row.customers.first())
        .map(|name| (step.scope.stream(StreamKind::Customer, name).id, name))
        .collect();
    let ids: Vec<_> = names.keys().copied().collect();
    let mut found = HashMap::new();
    for customer in step.app.views.team(step.scope.team).customers(&ids).await? {
        let Some((name, key_id)) = names.get(&customer.id).zip(customer.key_id()) else { continue };
        if let Some(key) = step.app.keys.key_unless_gone(key_id).await? {
            found.insert((*name).clone(), key);
        }
    }
    Ok(found)
}

/// A limit as Lukittu reads it: 0 and nothing are none.
fn limit(column: &str, value: Option<i32>) -> Result<Option<u32>, String> {
    let number = value.filter(|number| *number != 0).map(u32::try_from).transpose();
    number.map_err(|_| format!("{column} is negative"))
}

/// What is known of a licence before its events are made.
struct Draft<'r> {
    row: &'r LicenseRow,
    stream: StreamId,
    sale: Option<Sale>,
    expiry: Expiry,
    offer: Offer,
    customers: Vec<Uuid>,
}

impl<'r> Draft<'r> {
    fn read(scope: &Scope, row: &'r LicenseRow) -> Result<Self, String> {
        let ids = |kind, names: &[String]| names.iter().map(|name| scope.stream(kind, name).id).collect::<Vec<_>>();
        let sale = Sale::of(&row.notes);
        let follows = matches!(sale, Some(Sale::Subscription(_)));
        // The end of what never ends is of no consequence.
        let date = if row.expiration_type == expiry::NEVER { None } else { row.expiration_date.clone()? };
        let columns = Columns {
            date,
            kind: &row.expiration_type,
            start: &row.expiration_start,
            days: row.expiration_days,
            created_at: row.created_at,
        };
        let expiry = expiry::read(columns, follows.then_some(scope.grace_seconds))?;
        let offer = Offer {
            product_ids: ids(StreamKind::Product, &row.products),
            ip_limit: limit("ipLimit", row.ip_limit)?,
            hwid_limit: limit("hwidLimit", row.hwid_limit)?,
            expiration_days: expiry.days,
            expiration_start: expiry.start,
        };
        let customers = ids(StreamKind::Customer, &row.customers);
        Ok(Self { row, stream: scope.stream(StreamKind::License, &row.id), sale, expiry, offer, customers })
    }

    fn purchase(&self, scope: &Scope) -> StreamId {
        let own = StreamId::new(StreamKind::Purchase, self.stream.id);
        self.sale.as_ref().map_or(own, |sale| sale.stream(scope.team))
    }

    fn terms(&self) -> Terms {
        Terms {
            offer: self.offer.clone(),
            purchased_at: self.expiry.purchased_at,
            subscription: self.expiry.subscription.clone(),
            revoked: false,
            disputed: false,
            references: self.sale.as_ref().map(Sale::references).unwrap_or_default(),
        }
    }

    /// The purchase's own facts: which licence stands for it, and on a marketplace, that it was bought.
    fn purchase_facts(&self) -> Vec<(&'static str, Event)> {
        let Some(sale) = &self.sale else { return Vec::new() };
        let (provider, reference) = (sale.provider(), sale.reference());
        let adopted = PurchaseAdopted { provider, reference: reference.clone(), license_ids: vec![self.stream.id] };
        let mut facts = vec![("adopted", adopted.into())];
        if provider == Provider::Polymart {
            let line = PurchaseLine { item: reference.clone(), quantity: 1, offer: self.offer.clone() };
            let recorded = PurchaseRecorded {
                provider,
                reference,
                purchased_at: self.row.created_at,
                livemode: None,
                customer_id: self.customers.first().copied(),
                payment: None,
                amount: None,
                lines: vec![line],
                licensed: Vec::new(),
            };
            facts.push(("bought", recorded.into()));
        }
        facts
    }

    /// What the terms and the one customer of the issue do not say, notes aside.
    fn amended(&self) -> LicenseAmended {
        LicenseAmended {
            customer_ids: (self.customers.len() > 1).then(|| self.customers.clone()),
            expiration: self.expiry.amended,
            ..LicenseAmended::default()
        }
    }
}

/// The append for a licence, and what is known of its use; the inner error says what is wrong with the row.
async fn item(
    step: &mut Step<'_>,
    row: &LicenseRow,
    key: &EncryptionKey,
    holder: &DataKey,
) -> Result<Result<(Item, Use), String>, ImportError> {
    let (app, scope) = (step.app, step.scope);
    let license_key = match key.open(&row.license_key) {
        Ok(license_key) => license_key,
        Err(problem) => return Ok(Err(problem)),
    };
    let draft = match Draft::read(scope, row) {
        Ok(draft) => draft,
        Err(problem) => return Ok(Err(problem)),
    };
    let (team, stream) = (scope.team, draft.stream);
    let key_lookup = keys::lookup(&app.keys, team, &license_key);
    // Within Lukittu keys are unique; a team with licences of its own may have it already.
    if scope.shared
        && let Some(other) = app.views.team(team).license_by_key(&key_lookup).await?
        && other != stream.id
    {
        return Ok(Err(format!("its key opens the licence {other} already")));
    }
    let event_id = |what: &str| ids::event(team, StreamKind::License, &row.id, what);
    let event =
        |what: &str, at: Timestamp, event: Event| NewEvent { stream, event_id: event_id(what), occurred_at: at, event };
    let context = SealContext { team, event_id: event_id("issued"), field: License::KEY_FIELD };
    let issued = LicenseIssued {
        key: scope.key.seal(context, license_key.as_bytes()),
        key_lookup,
        provider: origin(draft.sale.as_ref()),
        livemode: None,
        customer_id: draft.customers.first().copied(),
        purchase: draft.purchase(scope),
        item: ITEM.to_owned(),
        unit: 0,
        terms: draft.terms(),
    };
    let mut events = vec![event("issued", row.created_at, issued.into())];
    for (what, fact) in draft.purchase_facts() {
        events.push(NewEvent { stream: draft.purchase(scope), ..event(what, row.created_at, fact) });
    }
    let mut amended = draft.amended();
    if !row.notes.is_empty() {
        let sealed = metadata::seal(&scope.key, team, event_id("amended"), License::METADATA_FIELD, &row.notes)?;
        amended.metadata = Some(sealed);
    }
    if amended != LicenseAmended::default() {
        events.push(event("amended", row.created_at, amended.into()));
    }
    if let Some(activated) = draft.expiry.activated.clone() {
        events.push(event("activated", activated.activated_at, activated.into()));
    }
    let mut problems = Vec::new();
    let seen = seats::known(app, scope, stream.id, row, |id, problem| problems.push((id.to_owned(), problem)));
    let limits = (draft.offer.ip_limit, draft.offer.hwid_limit);
    events.extend(
        seats::taken(scope, &seen, limits, app.clock.now()).map(|seat| seat.bound(scope, stream, &row.id, holder)),
    );
    if row.suspended {
        events.push(event("suspended", app.clock.now(), LicenseSuspended { reason: None }.into()));
    }
    if events.len() > REQUEST_EVENTS_MAX {
        return Ok(Err(format!("{} devices and addresses hold a seat; forget some in Lukittu first", seen.len())));
    }
    for (id, problem) in problems {
        step.report.problem("IpAddress", &id, problem);
    }
    let used = Use::of(stream.id, row, seen);
    Ok(Ok((Item::new(scope, &row.id, stream, events), used)))
}
