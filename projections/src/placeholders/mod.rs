//! Placeholders: which licence a marketplace's buyer holds for a marketplace's product.

use keyledger_events::id::StreamKind;
use keyledger_events::{Event, RecordedEvent};

use crate::db::Value;
use crate::error::QueryError;
use crate::fold::{Fold, Key, from_json, to_json};
use crate::licenses::License;
use crate::table::{Column, Index, Table};
use crate::team_views::{TeamViews, state};

/// The reference of a licence that names Polymart's product.
pub const PRODUCT_REFERENCE: &str = "polymartProduct";
/// The reference of a licence that names Polymart's user.
pub const USER_REFERENCE: &str = "polymartUser";

/// The view `placeholders`: the licences that have both references.
pub struct PlaceholdersFold;

impl Fold for PlaceholdersFold {
    const NAME: &'static str = "placeholders";
    const VERSION: u32 = 3;
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
    type State = License;

    fn key(recorded: &RecordedEvent, _: &Event) -> Option<Key> {
        Some(Key::Item(recorded.team, recorded.stream.id))
    }

    fn evolve(state: Option<License>, recorded: &RecordedEvent, event: &Event) -> Result<Option<License>, String> {
        Ok(License::evolve(state, recorded, event).filter(|license| references(license).is_some()))
    }

    fn encode(license: &License) -> Result<Vec<Value>, String> {
        let (product, buyer) = references(license).ok_or("the licence lost its marketplace references")?;
        Ok(vec![
            Value::text(product),
            Value::text(buyer),
            license.revoked().into(),
            license.created_position.into(),
            to_json(license)?,
        ])
    }

    fn decode(stored: &Value) -> Result<License, String> {
        from_json(stored)
    }
}

fn references(license: &License) -> Option<(&str, &str)> {
    let references = &license.terms.references;
    Some((references.get(PRODUCT_REFERENCE)?, references.get(USER_REFERENCE)?))
}

impl TeamViews<'_> {
    /// The latest licence of a marketplace's buyer for a marketplace's product that is not revoked. Whether it is
    /// suspended or has run out, the licence tells.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn placeholder_license(&self, product: &str, user: &str) -> Result<Option<License>, QueryError> {
        let sql = "SELECT doc FROM {table} WHERE team = $1 AND product = $2 AND buyer = $3 AND revoked = 0 \
                   ORDER BY created_position DESC LIMIT 1";
        let args = vec![self.team.into(), Value::text(product), Value::text(user)];
        let rows = self.views.query(PlaceholdersFold::NAME, sql, args).await?;
        rows.first().map(state::<PlaceholdersFold>).transpose()
    }
}
