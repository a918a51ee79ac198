//! Who a person is to us: one mail address or one of a provider's customers may stand behind several entries.

use std::collections::{BTreeMap, BTreeSet};

use keyledger_events::event::inbox::Provider;
use keyledger_events::{Event, Sealed, StreamId, StreamKind, TeamId};
use uuid::Uuid;

use super::ForgettingError;
use crate::app::App;
use crate::providers::person::{of_email_lookup, of_provider};

/// Entries that are gathered of one person at once; those that are forgotten make room for further ones.
const ENTRIES_MAX: usize = 256;

/// One entry of a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// The number of events in its stream.
    pub version: i64,
    /// The data keys that it was ever sealed with.
    pub key_ids: BTreeSet<Uuid>,
}

/// Everything that is known to be one person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// Their entries among the customers, by id.
    pub customers: BTreeMap<Uuid, Entry>,
    /// Every id that links to keys may stand under: their entries', and those that their mail addresses and their
    /// providers' ids give.
    pub aliases: BTreeSet<Uuid>,
    /// Whether anything was ever recorded of them that was not forgotten since.
    pub known: bool,
    /// Entries for which there was no room.
    pub left: Vec<Uuid>,
}

impl Person {
    /// Gathers a person, beginning with these entries. Whoever shares a mail address or a provider's id with one of them
    /// is the same person, whichever of the two changed in the course of time. The views must be up to date.
    ///
    /// # Errors
    /// When ledger or views do not answer.
    pub async fn gather(app: &App, team: TeamId, beginning: &[Uuid]) -> Result<Self, ForgettingError> {
        let mut person = Self::default();
        let mut open: Vec<Uuid> = beginning.to_vec();
        while let Some(id) = open.pop() {
            if person.aliases.contains(&id) {
                continue;
            }
            if !person.is_whole() {
                person.left.push(id);
                continue;
            }
            let (lookups, at_providers) = person.take_in(app, team, id).await?;
            let views = app.views.team(team);
            let limit = u32::try_from(ENTRIES_MAX).unwrap_or(u32::MAX);
            for lookup in &lookups {
                open.extend(views.customers_named(Some(lookup), None, limit).await?.iter().map(|other| other.id));
                open.extend(of_email_lookup(lookup));
            }
            for customer in &at_providers {
                open.extend(views.customers_named(None, Some(customer), limit).await?.iter().map(|other| other.id));
                open.extend([Provider::Stripe, Provider::Polymart].map(|it| of_provider(team, it.as_str(), customer)));
            }
        }
        Ok(person)
    }

    /// Whether there was room for every entry.
    pub fn is_whole(&self) -> bool {
        self.customers.len() < ENTRIES_MAX
    }

    /// Takes in an entry from its stream. Answers the fingerprints of its mail addresses and its ids at providers.
    async fn take_in(
        &mut self,
        app: &App,
        team: TeamId,
        id: Uuid,
    ) -> Result<(BTreeSet<String>, BTreeSet<String>), ForgettingError> {
        let (mut lookups, mut at_providers) = (BTreeSet::new(), BTreeSet::new());
        let recorded = app.ledger.read_streams(team, &[StreamId::new(StreamKind::Customer, id)]).await?;
        self.aliases.insert(id);
        let version = recorded.last().map_or(0, |event| event.stream_version);
        let mut known = false;
        let mut entry = Entry { version, key_ids: BTreeSet::new() };
        for event in &recorded {
            let sealed: Vec<Option<Sealed>> = match event.decode()? {
                Event::CustomerRegistered(registered) => {
                    lookups.extend(registered.email_lookup);
                    at_providers.extend(registered.provider_customer);
                    vec![registered.email, registered.name]
                }
                Event::CustomerUpdated(update) => {
                    lookups.extend(update.email_lookup);
                    vec![update.email, update.name, update.username, update.address, update.metadata]
                }
                Event::CustomerForgotten(_) => {
                    known = false;
                    continue;
                }
                _ => continue,
            };
            known = true;
            entry.key_ids.extend(sealed.into_iter().flatten().map(|sealed| sealed.key_id()));
        }
        self.known |= known;
        entry.key_ids.remove(&team.0);
        // An alias that is no entry is not to become one: its links go with the entries'.
        if version > 0 {
            self.customers.insert(id, entry);
        }
        Ok((lookups, at_providers))
    }
}
