//! Expirations: for which licence a LicenseExpired is owed, and from when; and which ends its buyer is to be reminded
//! of. Durable timers, as rows. And because they know when licences end: which licences stand how at a moment.

mod standing;

use keyledger_events::id::StreamKind;
use keyledger_events::{Event, RecordedEvent, TeamId, Timestamp};
use uuid::Uuid;

use crate::db::{Value, ViewStore};
use crate::error::QueryError;
use crate::fold::{Fold, Key, from_json, to_json};
use crate::licenses::License;
use crate::table::{Column, Index, Table};
use crate::team_views::{TeamViews, state};

use standing::Class;
pub use standing::{LicenseCounts, Standing};

/// The view `expirations`.
pub struct ExpirationsFold;

impl Fold for ExpirationsFold {
    const NAME: &'static str = "expirations";
    const VERSION: u32 = 4;
    const TABLE: &'static Table = &Table {
        columns: &[
            Column::bytes("team"),
            Column::bytes("id"),
            Column::int("due_at").or_null(),
            // The end that a LicenseExpiringSoon is owed for, and how long the licence lasts until then, in
            // microseconds; NULL when none is owed.
            Column::int("remind_end").or_null(),
            Column::int("remind_term").or_null(),
            // How it stands as far as no clock is needed to know, when it ends, and where it is in lists.
            Column::int("class"),
            Column::int("ends_at").or_null(),
            Column::int("created_position"),
            Column::text("doc"),
        ],
        key_columns: 2,
        indexes: &[
            Index { name: "due", columns: "due_at", only: Some("due_at IS NOT NULL") },
            Index { name: "remind", columns: "team, remind_end", only: Some("remind_end IS NOT NULL") },
            Index { name: "class", columns: "team, class, created_position", only: None },
            // "What runs out next?" and "what ran out last?", with the place in lists to tell equal ends apart.
            Index {
                name: "ends",
                columns: "team, class, ends_at, created_position",
                only: Some("ends_at IS NOT NULL"),
            },
        ],
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
        let license = &state.1;
        let end = license.reminder_owed();
        let term = end.map(|end| end.as_microsecond().saturating_sub(license.term_began().as_microsecond()));
        Ok(vec![
            Value::time_or_null(license.expiration_owed()),
            Value::time_or_null(end),
            Value::Int(term),
            Class::of(license).number().into(),
            Value::time_or_null(license.expires_at()),
            license.created_position.into(),
            to_json(state)?,
        ])
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

/// A licence that runs out soon without the ledger saying so yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reminder {
    /// Which one.
    pub license_id: Uuid,
    /// When it runs out.
    pub expires_at: Timestamp,
}

impl TeamViews<'_> {
    /// The team's licences for which a LicenseExpiringSoon is owed at `now`: those that run out within `lead_seconds`
    /// but have not yet, and that last longer than that. The nearest end first.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn due_reminders(
        &self,
        now: Timestamp,
        lead_seconds: i64,
        limit: u32,
    ) -> Result<Vec<Reminder>, QueryError> {
        let lead = lead_seconds.saturating_mul(1_000_000);
        let sql = "SELECT doc FROM {table} WHERE team = $1 AND remind_end IS NOT NULL AND remind_end > $2 \
                   AND remind_end <= $3 AND remind_term > $4 ORDER BY remind_end LIMIT $5";
        let until = now.as_microsecond().saturating_add(lead);
        let args = vec![self.team.into(), now.into(), until.into(), lead.into(), i64::from(limit).into()];
        let rows = self.views.query(ExpirationsFold::NAME, sql, args).await?;
        let mut due = Vec::with_capacity(rows.len());
        for row in &rows {
            let (_, license) = state::<ExpirationsFold>(row)?;
            due.extend(license.reminder_owed().map(|expires_at| Reminder { license_id: license.id, expires_at }));
        }
        Ok(due)
    }
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
