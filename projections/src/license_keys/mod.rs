//! Licence keys: which licence a key opens or once opened, found by the key's keyed fingerprint. Whether the key is
//! still the licence's is for the licence to say.

use keyledger_events::id::StreamKind;
use keyledger_events::{Event, RecordedEvent};
use uuid::Uuid;

use crate::db::Value;
use crate::error::QueryError;
use crate::fold::{Fold, Key};
use crate::table::{Column, Table};
use crate::team_views::TeamViews;

/// The view `license_keys`.
pub struct LicenseKeysFold;

impl Fold for LicenseKeysFold {
    const NAME: &'static str = "license_keys";
    const VERSION: u32 = 1;
    const TABLE: &'static Table = &Table {
        columns: &[Column::bytes("team"), Column::text("key_lookup"), Column::bytes("license_id")],
        key_columns: 2,
        indexes: &[],
    };
    const STREAMS: &'static [StreamKind] = &[StreamKind::License];
    type State = Uuid;

    fn key(recorded: &RecordedEvent, event: &Event) -> Option<Key> {
        match event {
            Event::LicenseIssued(issued) => Some(Key::Named(recorded.team, issued.key_lookup.clone())),
            Event::LicenseKeyReplaced(replaced) => Some(Key::Named(recorded.team, replaced.key_lookup.clone())),
            _ => None,
        }
    }

    fn evolve(_: Option<Uuid>, recorded: &RecordedEvent, _: &Event) -> Result<Option<Uuid>, String> {
        Ok(Some(recorded.stream.id))
    }

    fn encode(license_id: &Uuid) -> Result<Vec<Value>, String> {
        Ok(vec![(*license_id).into()])
    }

    fn decode(stored: &Value) -> Result<Uuid, String> {
        match stored {
            Value::Bytes(Some(bytes)) => Uuid::from_slice(bytes).map_err(|error| error.to_string()),
            _ => Err("the column holds no id".to_owned()),
        }
    }
}

impl TeamViews<'_> {
    /// The licence that a key opens or, before it was replaced, opened, by hex of the key's keyed fingerprint.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn license_by_key(&self, key_lookup: &str) -> Result<Option<Uuid>, QueryError> {
        self.document::<LicenseKeysFold>(Value::text(key_lookup)).await
    }
}
