//! One row a buyer.

use keyledger_events::event::inbox::Provider;
use keyledger_events::id::StreamKind;
use keyledger_events::{Event, Position, RecordedEvent, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::db::Value;
use crate::fold::{Fold, Key, from_json, to_json};
use crate::sealed_field::SealedField;
use crate::table::{Column, Table};

/// A buyer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// Its id.
    pub id: Uuid,
    /// Who told us of them.
    pub provider: Provider,
    /// The provider's id of the buyer.
    pub provider_customer: Option<String>,
    /// Hex of the keyed fingerprint of the mail address.
    pub email_lookup: Option<String>,
    /// The mail address; the field is [`Customer::EMAIL_FIELD`].
    pub email: Option<SealedField>,
    /// The name; the field is [`Customer::NAME_FIELD`].
    pub name: Option<SealedField>,
    /// When they became known.
    pub created_at: Timestamp,
    /// Their place in the ledger.
    pub created_position: Position,
    /// The number of events in their stream.
    pub version: i64,
}

impl Customer {
    /// The field of CustomerRegistered that holds the mail address.
    pub const EMAIL_FIELD: &'static str = "email";
    /// The field of CustomerRegistered that holds the name.
    pub const NAME_FIELD: &'static str = "name";
}

/// The view `customers`.
pub struct CustomersFold;

impl Fold for CustomersFold {
    const NAME: &'static str = "customers";
    const VERSION: u32 = 1;
    const TABLE: &'static Table = &Table {
        columns: &[Column::bytes("team"), Column::bytes("id"), Column::int("created_position"), Column::text("doc")],
        key_columns: 2,
        indexes: &[],
    };
    const STREAMS: &'static [StreamKind] = &[StreamKind::Customer];
    type State = Customer;

    fn key(recorded: &RecordedEvent, _: &Event) -> Option<Key> {
        Some(Key::Item(recorded.team, recorded.stream.id))
    }

    fn evolve(state: Option<Customer>, recorded: &RecordedEvent, event: &Event) -> Result<Option<Customer>, String> {
        Ok(match (state, event) {
            (None, Event::CustomerRegistered(customer)) => Some(Customer {
                id: recorded.stream.id,
                provider: customer.provider,
                provider_customer: customer.provider_customer.clone(),
                email_lookup: customer.email_lookup.clone(),
                email: customer.email.as_ref().map(|email| SealedField::new(email, recorded.event_id)),
                name: customer.name.as_ref().map(|name| SealedField::new(name, recorded.event_id)),
                created_at: recorded.recorded_at,
                created_position: recorded.position,
                version: recorded.stream_version,
            }),
            (None, _) => None,
            (Some(customer), _) => Some(Customer { version: recorded.stream_version, ..customer }),
        })
    }

    fn encode(customer: &Customer) -> Result<Vec<Value>, String> {
        Ok(vec![customer.created_position.into(), to_json(customer)?])
    }

    fn decode(stored: &Value) -> Result<Customer, String> {
        from_json(stored)
    }
}
