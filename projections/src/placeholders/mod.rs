//! Placeholders: which licence a marketplace's buyer holds for a marketplace's product.

use keyledger_events::event::license::Terms;
use keyledger_events::id::StreamKind;
use keyledger_events::{Event, Position, RecordedEvent};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::db::Value;
use crate::error::QueryError;
use crate::fold::{Fold, Key, from_json, to_json};
use crate::licenses::new_terms;
use crate::table::{Column, Index, Table};
use crate::team_views::TeamViews;

/// The reference of a licence that names Polymart's product.
pub const PRODUCT_REFERENCE: &str = "polymartProduct";
/// The reference of a licence that names Polymart's user.
pub const USER_REFERENCE: &str = "polymartUser";

/// The view `placeholders`: the licences that have both references.
pub struct PlaceholdersFold;

impl Fold for PlaceholdersFold {
    const NAME: &'static str = "placeholders";
    const VERSION: u32 = 4;
    const TABLE: &'static Table = &Table {
        columns: &[
            Column::bytes("team"),
            Column::bytes("id"),
            Column::text("product"),
            Column::text("buyer"),
            Column::int("revoked"),
            Column::int("created_position"),
            Column::text("doc"),
        ],
        key_columns: 2,
        indexes: &[Index {
            name: "buyer",
            columns: "team, product, buyer, created_position",
            only: Some("revoked = 0"),
        }],
    };
    const STREAMS: &'static [StreamKind] = &[StreamKind::License];
    type State = Placeholder;

    fn key(recorded: &RecordedEvent, event: &Event) -> Option<Key> {
        let begins = matches!(event, Event::LicenseIssued(_));
        let concerns = begins || matches!(event, Event::LicenseRevoked(_)) || new_terms(event).is_some();
        concerns.then_some(Key::Item(recorded.team, recorded.stream.id))
    }

    fn evolve(
        state: Option<Placeholder>,
        recorded: &RecordedEvent,
        event: &Event,
    ) -> Result<Option<Placeholder>, String> {
        Ok(match (state, event) {
            (None, Event::LicenseIssued(issued)) => Placeholder::of(recorded, &issued.terms),
            (None, _) => None,
            (Some(mut placeholder), event) => {
                match new_terms(event) {
                    Some(terms) => placeholder.provider_revoked = terms.revoked,
                    None => placeholder.admin_revoked |= matches!(event, Event::LicenseRevoked(_)),
                }
                Some(placeholder)
            }
        })
    }

    fn encode(placeholder: &Placeholder) -> Result<Vec<Value>, String> {
        Ok(vec![
            Value::lookup(&placeholder.product),
            Value::lookup(&placeholder.buyer),
            (placeholder.admin_revoked || placeholder.provider_revoked).into(),
            placeholder.created_position.into(),
            to_json(placeholder)?,
        ])
    }

    fn decode(stored: &Value) -> Result<Placeholder, String> {
        from_json(stored)
    }
}

/// Whose licence it is for what, as far as the view needs it: the licence itself is in its stream and in `licenses`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placeholder {
    product: String,
    buyer: String,
    created_position: Position,
    admin_revoked: bool,
    provider_revoked: bool,
}

impl Placeholder {
    fn of(recorded: &RecordedEvent, terms: &Terms) -> Option<Self> {
        Some(Self {
            product: terms.references.get(PRODUCT_REFERENCE)?.clone(),
            buyer: terms.references.get(USER_REFERENCE)?.clone(),
            created_position: recorded.position,
            admin_revoked: false,
            provider_revoked: terms.revoked,
        })
    }
}

impl TeamViews<'_> {
    /// The latest licence of a marketplace's buyer for a marketplace's product that is not revoked. Whether it is
    /// suspended or has run out, the licence tells.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn placeholder_license(&self, product: &str, user: &str) -> Result<Option<Uuid>, QueryError> {
        let sql = "SELECT id FROM {table} WHERE team = $1 AND product = $2 AND buyer = $3 AND revoked = 0 \
                   ORDER BY created_position DESC LIMIT 1";
        let args = vec![self.team.into(), Value::lookup(product), Value::lookup(user)];
        let rows = self.views.query(PlaceholdersFold::NAME, sql, args).await?;
        Ok(rows.first().map(|row| row.uuid(0)).transpose()?)
    }
}
