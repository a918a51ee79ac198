//! Browsers that are signed in to the dashboard. Kept beside what was seen: losing them loses a sign-in and nothing else.

use std::fmt;

use async_trait::async_trait;
use keyledger_events::{SharedClock, TeamId, Timestamp};
use keyledger_projections::{Database, Row, Value, insert_into};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tower_sessions::cookie::time::OffsetDateTime;
use tower_sessions::session::{Id, Record};
use tower_sessions::{SessionStore, session_store};
use uuid::Uuid;

use super::store::table;
use super::{Activity, ActivityError};

/// How old the time at which a session was last seen may be before it is written again, in seconds.
const SEEN_SECONDS: i64 = 60;
/// Sessions of one member that are listed at most.
const LISTED_MAX: i64 = 100;

/// The store of sessions. Clones share it.
#[derive(Clone)]
pub struct Sessions {
    database: Database,
    clock: SharedClock,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions")
    }
}

/// A browser that somebody is signed in on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrowserSession {
    /// What names it: hex of the hash of its id, which opens nothing.
    pub handle: String,
    /// Since when.
    pub created_at: Timestamp,
    /// When it was last seen, to the minute.
    pub seen_at: Timestamp,
    /// When it ends if nothing happens.
    pub expires_at: Timestamp,
    /// The address that it was begun from.
    pub address: Option<String>,
    /// The browser, in its own words.
    pub agent: Option<String>,
}

/// Who a session is, among its data.
#[derive(Debug, Deserialize)]
struct Owner {
    team: TeamId,
    id: Uuid,
}

impl Activity {
    /// The store of sessions.
    pub fn sessions(&self, clock: SharedClock) -> Sessions {
        Sessions { database: self.database.clone(), clock }
    }

    /// Notes that a member used the code of a step of time. `false` when it, or a later one, was used before; of two at
    /// once one is told `true`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn use_code(&self, team: TeamId, member_id: Uuid, step: i64) -> Result<bool, ActivityError> {
        let sql = format!(
            "INSERT INTO {} AS old (team, member_id, step) VALUES ($1, $2, $3) \
             ON CONFLICT (team, member_id) DO UPDATE SET step = excluded.step WHERE excluded.step > old.step",
            table(&self.database, "used_code")
        );
        let mut tx = self.database.begin().await?;
        let used = tx.execute(sql, vec![team.into(), member_id.into(), step.into()]).await?;
        tx.commit().await?;
        Ok(used == 1)
    }
}

impl Sessions {
    /// What names a session without opening it.
    pub fn handle_of(id: &Id) -> String {
        hex::encode(hash(id))
    }

    /// The browsers that a member is signed in on, the latest seen first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn of_member(&self, team: TeamId, member_id: Uuid) -> Result<Vec<BrowserSession>, ActivityError> {
        let sql = format!(
            "SELECT id_hash, created_at, seen_at, expires_at, address, agent FROM {} \
             WHERE team = $1 AND member_id = $2 AND expires_at > $3 ORDER BY seen_at DESC, id_hash LIMIT {LISTED_MAX}",
            table(&self.database, "session")
        );
        let args = vec![team.into(), member_id.into(), self.clock.now().into()];
        self.database.fetch(sql, args).await?.iter().map(browser).collect()
    }

    /// Ends a session of a member. Tells whether there was one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn end(&self, team: TeamId, member_id: Uuid, handle: &str) -> Result<bool, ActivityError> {
        let Ok(hash) = hex::decode(handle) else { return Ok(false) };
        let sql = format!(
            "DELETE FROM {} WHERE team = $1 AND member_id = $2 AND id_hash = $3",
            table(&self.database, "session")
        );
        let ended = self.run(sql, vec![team.into(), member_id.into(), Value::Bytes(Some(hash))]).await?;
        Ok(ended > 0)
    }

    /// Ends every session of a member but one. Tells how many.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn end_all_of(&self, team: TeamId, member_id: Uuid, but: Option<&str>) -> Result<u64, ActivityError> {
        let kept = but.and_then(|handle| hex::decode(handle).ok()).unwrap_or_default();
        let sql = format!(
            "DELETE FROM {} WHERE team = $1 AND member_id = $2 AND id_hash <> $3",
            table(&self.database, "session")
        );
        self.run(sql, vec![team.into(), member_id.into(), Value::Bytes(Some(kept))]).await
    }

    /// Deletes what has expired.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn purge(&self) -> Result<u64, ActivityError> {
        let sql = format!("DELETE FROM {} WHERE expires_at <= $1", table(&self.database, "session"));
        self.run(sql, vec![self.clock.now().into()]).await
    }

    async fn run(&self, sql: String, args: Vec<Value>) -> Result<u64, ActivityError> {
        let mut tx = self.database.begin().await?;
        let rows = tx.execute(sql, args).await?;
        tx.commit().await?;
        Ok(rows)
    }

    /// Writes a record with a statement over a session's columns, in the order of the table.
    async fn write(&self, record: &Record, statement: &str) -> Result<(), session_store::Error> {
        let data = serde_json::to_string(&record.data).map_err(|error| encode(&error))?;
        let owner = record.data.get("member").and_then(|owner| Owner::deserialize(owner).ok());
        let text = |name: &str| Value::text_or_null(record.data.get(name).and_then(|value| value.as_str()));
        let now = self.clock.now();
        let args = vec![
            Value::Bytes(Some(hash(&record.id))),
            owner.as_ref().map_or(Value::Bytes(None), |owner| owner.team.into()),
            Value::uuid_or_null(owner.as_ref().map(|owner| owner.id)),
            now.into(),
            Value::Int(Some(expiry(record)?)),
            text("address"),
            text("agent"),
            Value::text(data),
        ];
        self.run(statement.to_owned(), args).await.map(drop).map_err(|error| backend(&error))
    }

    async fn read(&self, id: &Id) -> Result<Option<Record>, ActivityError> {
        let sql = format!(
            "SELECT data, expires_at, seen_at FROM {} WHERE id_hash = $1 AND expires_at > $2",
            table(&self.database, "session")
        );
        let now = self.clock.now();
        let rows = self.database.fetch(sql, vec![Value::Bytes(Some(hash(id))), now.into()]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let expiry = row.int(1)?;
        let expiry_date = OffsetDateTime::from_unix_timestamp_nanos(i128::from(expiry) * 1_000);
        let expiry_date = expiry_date.map_err(|_| ActivityError::Time(expiry))?;
        if now.as_second() - row.int(2)? / 1_000_000 >= SEEN_SECONDS {
            self.seen(id, now).await?;
        }
        // What this release cannot read is no session: its owner signs in again.
        let data = serde_json::from_str(row.text(0)?).ok();
        Ok(data.map(|data| Record { id: *id, data, expiry_date }))
    }

    async fn seen(&self, id: &Id, now: Timestamp) -> Result<(), ActivityError> {
        let sql = format!("UPDATE {} SET seen_at = $2 WHERE id_hash = $1", table(&self.database, "session"));
        self.run(sql, vec![Value::Bytes(Some(hash(id))), now.into()]).await.map(drop)
    }
}

#[async_trait]
impl SessionStore for Sessions {
    async fn create(&self, record: &mut Record) -> Result<(), session_store::Error> {
        // Never the id that a browser brought along, or that the record had before: somebody else may know it.
        record.id = Id::default();
        let insert = format!(
            "{} {} (id_hash, team, member_id, created_at, seen_at, expires_at, address, agent, data) \
             VALUES ($1, $2, $3, $4, $4, $5, $6, $7, $8)",
            insert_into(self.database.is_postgres()),
            table(&self.database, "session")
        );
        self.write(record, &insert).await
    }

    async fn save(&self, record: &Record) -> Result<(), session_store::Error> {
        // Never an insert: a session that was ended while one of its requests was under way stays ended.
        let update = format!(
            "UPDATE {} SET team = $2, member_id = $3, seen_at = $4, expires_at = $5, address = $6, agent = $7, \
             data = $8 WHERE id_hash = $1",
            table(&self.database, "session")
        );
        self.write(record, &update).await
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>, session_store::Error> {
        self.read(id).await.map_err(|error| backend(&error))
    }

    async fn delete(&self, id: &Id) -> Result<(), session_store::Error> {
        let sql = format!("DELETE FROM {} WHERE id_hash = $1", table(&self.database, "session"));
        self.run(sql, vec![Value::Bytes(Some(hash(id)))]).await.map(drop).map_err(|error| backend(&error))
    }
}

fn hash(id: &Id) -> Vec<u8> {
    Sha256::digest(id.0.to_be_bytes()).to_vec()
}

/// Microseconds since the Unix epoch.
fn expiry(record: &Record) -> Result<i64, session_store::Error> {
    let microseconds = record.expiry_date.unix_timestamp_nanos() / 1_000;
    i64::try_from(microseconds).map_err(|error| encode(&error))
}

fn encode(error: &dyn fmt::Display) -> session_store::Error {
    session_store::Error::Encode(error.to_string())
}

fn backend(error: &dyn fmt::Display) -> session_store::Error {
    session_store::Error::Backend(error.to_string())
}

fn browser(row: &Row) -> Result<BrowserSession, ActivityError> {
    let time = |column| -> Result<Timestamp, ActivityError> {
        let microseconds = row.int(column)?;
        keyledger_events::clock::from_microseconds(microseconds).ok_or(ActivityError::Time(microseconds))
    };
    Ok(BrowserSession {
        handle: hex::encode(row.optional_bytes(0)?.unwrap_or_default()),
        created_at: time(1)?,
        seen_at: time(2)?,
        expires_at: time(3)?,
        address: row.optional_text(4)?.map(str::to_owned),
        agent: row.optional_text(5)?.map(str::to_owned),
    })
}
