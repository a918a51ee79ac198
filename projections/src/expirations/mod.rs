//! Expirations: for which licence a LicenseExpired is owed, and from when. Durable timers, as rows.

use keyledger_events::id::StreamKind;
use keyledger_events::{Event, RecordedEvent, TeamId, Timestamp};
use uuid::Uuid;

use crate::db::{Value, ViewStore};
use crate::error::QueryError;
use crate::fold::{Fold, Key, from_json, to_json};
use crate::licenses::License;
use crate::table::{Column, Index, Table};
use crate::team_views::state;

/// The view `expirations`.
pub struct ExpirationsFold;

impl Fold for ExpirationsFold {
    const NAME: &'static str = "expirations";
    const VERSION: u32 = 2;
    const TABLE: &'static Table = &Table {
        columns: &[Column::bytes("team"), Column::bytes("id"), Column::int("due_at").or_null(), Column::text("doc")],
        key_columns: 2,
        indexes: &[Index { name: "due", columns: "due_at", only: Some("due_at IS NOT NULL") }],
    };
    const STREAMS: &'static [StreamKind] = &[StreamKind::License];
    type State = (TeamId, License);

    fn key(recorded: &RecordedEvent, _: &Event) -> Option<Key> {
        Some(Key::Item(recorded.team, recorded.stream.id))
    }

    fn evolve(
        state: Option<Self::State>,
        recorded: &RecordedEvent,
        event: &Event,
    ) -> Result<Option<Self::State>, String> {
        let license = License::evolve(state.map(|(_, license)| license), recorded, event);
        Ok(license.map(|license| (recorded.team, license)))
    }

    fn encode(state: &Self::State) -> Result<Vec<Value>, String> {
        Ok(vec![Value::time_or_null(state.1.expiration_owed()), to_json(state)?])
    }

    fn decode(stored: &Value) -> Result<Self::State, String> {
        from_json(stored)
    }
}

/// A licence that ran out without the ledger saying so yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiration {
    /// Whose licence.
    pub team: TeamId,
    /// Which one.
    pub license_id: Uuid,
    /// When it ran out.
    pub due_at: Timestamp,
    /// The number of events in its stream: the version to append LicenseExpired at.
    pub version: i64,
}

impl ViewStore {
    /// The licences of all teams for which a LicenseExpired is owed at `now`, longest due first.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn due_expirations(&self, now: Timestamp, limit: u32) -> Result<Vec<Expiration>, QueryError> {
        let sql = "SELECT doc FROM {table} WHERE due_at IS NOT NULL AND due_at <= $1 ORDER BY due_at LIMIT $2";
        let rows = self.query(ExpirationsFold::NAME, sql, vec![now.into(), i64::from(limit).into()]).await?;
        let mut due = Vec::with_capacity(rows.len());
        for row in &rows {
            let (team, license) = state::<ExpirationsFold>(row)?;
            if let Some(due_at) = license.expiration_owed() {
                due.push(Expiration { team, license_id: license.id, due_at, version: license.version });
            }
        }
        Ok(due)
    }
}
