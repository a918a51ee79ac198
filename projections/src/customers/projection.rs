//! One row a buyer.

use keyledger_events::event::customer::CustomerRegistered;
use keyledger_events::event::inbox::Origin;
use keyledger_events::id::StreamKind;
use keyledger_events::{Event, Position, RecordedEvent, Sealed, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::db::Value;
use crate::fold::{Fold, Key, from_json, to_json};
use crate::sealed_field::SealedField;
use crate::table::{Column, Index, Table};

/// A buyer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// Its id.
    pub id: Uuid,
    /// Who told us of them.
    pub provider: Origin,
    /// The provider's id of the buyer.
    pub provider_customer: Option<String>,
    /// Hex of the keyed fingerprint of the mail address.
    pub email_lookup: Option<String>,
    /// The mail address; the field is [`Customer::EMAIL_FIELD`].
    pub email: Option<SealedField>,
    /// The name; the field is [`Customer::NAME_FIELD`].
    pub name: Option<SealedField>,
    /// The user name; the field is [`Customer::USERNAME_FIELD`].
    pub username: Option<SealedField>,
    /// The postal address; the field is [`Customer::ADDRESS_FIELD`].
    pub address: Option<SealedField>,
    /// The seller's notes; the field is [`Customer::METADATA_FIELD`].
    pub metadata: Option<SealedField>,
    /// Whether they were taken off the list, or forgotten.
    pub removed: bool,
    /// Whether they were forgotten: nothing that tells who they are is kept.
    #[serde(default)]
    pub forgotten: bool,
    /// When they became known.
    pub created_at: Timestamp,
    /// Their place in the ledger.
    pub created_position: Position,
    /// When they last changed.
    pub updated_at: Timestamp,
    /// The place of that in the ledger.
    pub updated_position: Position,
    /// The number of events in their stream.
    pub version: i64,
}

impl Customer {
    /// The field of CustomerRegistered and CustomerUpdated that holds the mail address.
    pub const EMAIL_FIELD: &'static str = "email";
    /// The field of both that holds the name.
    pub const NAME_FIELD: &'static str = "name";
    /// The field of CustomerUpdated that holds the user name.
    pub const USERNAME_FIELD: &'static str = "username";
    /// The field of CustomerUpdated that holds the postal address.
    pub const ADDRESS_FIELD: &'static str = "address";
    /// The field of CustomerUpdated that holds the seller's notes.
    pub const METADATA_FIELD: &'static str = "metadata";

    /// The data key that their personal data is sealed with; `None` while there is none.
    pub fn key_id(&self) -> Option<Uuid> {
        let sealed = [&self.email, &self.name, &self.username, &self.address, &self.metadata];
        sealed.into_iter().flatten().next().map(|field| field.value.key_id())
    }

    /// Folds the next event of the stream into the state.
    pub fn evolve(state: Option<Self>, recorded: &RecordedEvent, event: &Event) -> Option<Self> {
        let mut customer = match (state, event) {
            (None, Event::CustomerRegistered(registered)) => Self::registered(recorded, registered),
            (None, _) => return None,
            (Some(customer), _) => customer,
        };
        let sealed = |value: &Option<Sealed>| value.as_ref().map(|value| SealedField::new(value, recorded.event_id));
        match event {
            // Somebody who was taken off the list has come back.
            Event::CustomerRegistered(registered) => {
                customer.provider_customer.clone_from(&registered.provider_customer);
                customer.email_lookup.clone_from(&registered.email_lookup);
                (customer.email, customer.name) = (sealed(&registered.email), sealed(&registered.name));
                (customer.removed, customer.forgotten) = (false, false);
            }
            Event::CustomerUpdated(update) => {
                customer.email_lookup.clone_from(&update.email_lookup);
                (customer.email, customer.name) = (sealed(&update.email), sealed(&update.name));
                (customer.username, customer.address) = (sealed(&update.username), sealed(&update.address));
                customer.metadata = sealed(&update.metadata);
            }
            Event::CustomerRemoved(_) => customer.removed = true,
            Event::CustomerForgotten(_) => customer.forget(),
            _ => {}
        }
        customer.updated_at = recorded.recorded_at;
        customer.updated_position = recorded.position;
        customer.version = recorded.stream_version;
        Some(customer)
    }

    fn forget(&mut self) {
        (self.removed, self.forgotten) = (true, true);
        (self.provider_customer, self.email_lookup) = (None, None);
        (self.email, self.name, self.username) = (None, None, None);
        (self.address, self.metadata) = (None, None);
    }

    fn registered(recorded: &RecordedEvent, registered: &CustomerRegistered) -> Self {
        Self {
            id: recorded.stream.id,
            provider: registered.provider,
            provider_customer: registered.provider_customer.clone(),
            email_lookup: None,
            email: None,
            name: None,
            username: None,
            address: None,
            metadata: None,
            removed: false,
            forgotten: false,
            created_at: recorded.recorded_at,
            created_position: recorded.position,
            updated_at: recorded.recorded_at,
            updated_position: recorded.position,
            version: recorded.stream_version,
        }
    }
}

/// The view `customers`.
pub struct CustomersFold;

impl Fold for CustomersFold {
    const NAME: &'static str = "customers";
    const VERSION: u32 = 3;
    const TABLE: &'static Table = &Table {
        columns: &[
            Column::bytes("team"),
            Column::bytes("id"),
            Column::int("created_position"),
            Column::int("updated_position"),
            Column::int("removed"),
            Column::text("email_lookup").or_null(),
            Column::text("provider_customer").or_null(),
            Column::text("doc"),
        ],
        key_columns: 2,
        indexes: &[
            Index { name: "listed", columns: "team, removed, created_position", only: None },
            Index { name: "updated", columns: "team, removed, updated_position", only: None },
            Index { name: "email", columns: "team, email_lookup", only: Some("email_lookup IS NOT NULL") },
            Index {
                name: "at_provider",
                columns: "team, provider_customer",
                only: Some("provider_customer IS NOT NULL"),
            },
        ],
    };
    const STREAMS: &'static [StreamKind] = &[StreamKind::Customer];
    type State = Customer;

    fn key(recorded: &RecordedEvent, _: &Event) -> Option<Key> {
        Some(Key::Item(recorded.team, recorded.stream.id))
    }

    fn evolve(state: Option<Customer>, recorded: &RecordedEvent, event: &Event) -> Result<Option<Customer>, String> {
        Ok(Customer::evolve(state, recorded, event))
    }

    fn encode(customer: &Customer) -> Result<Vec<Value>, String> {
        Ok(vec![
            customer.created_position.into(),
            customer.updated_position.into(),
            customer.removed.into(),
            Value::Text(customer.email_lookup.clone()),
            customer.provider_customer.as_deref().map_or(Value::Text(None), Value::lookup),
            to_json(customer)?,
        ])
    }

    fn decode(stored: &Value) -> Result<Customer, String> {
        from_json(stored)
    }
}
