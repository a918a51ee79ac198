//! How far each build of each view is, and which one serves.
//!
//! A build is one filling of a view's table. Its row here changes in the same transaction as its table. Nodes of
//! two releases, whose code computes a view differently, keep one serving build each.

use std::collections::HashMap;

use keyledger_events::merkle::Hash;
use keyledger_events::{Position, Timestamp};
use serde::Serialize;

use crate::db::{Row, Tx, Value, ViewStore};
use crate::error::QueryError;
use crate::table::tuples;
use crate::view;

/// What a build is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BuildStatus {
    /// It is being filled beside the serving one.
    Building,
    /// It serves and follows the ledger.
    Live,
    /// It served and is kept for a while.
    Retired,
    /// It serves what it has: an event could not be applied.
    Faulted,
}

impl BuildStatus {
    /// The word used in the bookkeeping and for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Live => "live",
            Self::Retired => "retired",
            Self::Faulted => "faulted",
        }
    }

    fn parse(word: &str) -> Result<Self, QueryError> {
        [Self::Building, Self::Live, Self::Retired, Self::Faulted]
            .into_iter()
            .find(|status| status.as_str() == word)
            .ok_or_else(|| QueryError::Bookkeeping(format!("`{word}` is not a status of this release")))
    }

    /// Whether queries read it.
    pub(crate) fn serves(self) -> bool {
        matches!(self, Self::Live | Self::Faulted)
    }
}

/// Why and where a view stands still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The event that could not be applied.
    pub position: Position,
    /// Why.
    pub message: String,
}

/// One build of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Build {
    pub(crate) name: String,
    pub(crate) version: i64,
    pub(crate) code_version: i64,
    pub(crate) status: BuildStatus,
    pub(crate) position: Position,
    pub(crate) leaf_hash: Option<Hash>,
    pub(crate) changed_position: Position,
    pub(crate) fault: Option<Fault>,
    pub(crate) updated_at: i64,
}

impl Build {
    /// A build that has applied nothing yet.
    pub(crate) fn new(name: &str, version: i64, code_version: u32, status: BuildStatus) -> Self {
        Self {
            name: name.to_owned(),
            version,
            code_version: i64::from(code_version),
            status,
            position: Position::START,
            leaf_hash: None,
            changed_position: Position::START,
            fault: None,
            updated_at: 0,
        }
    }

    /// Moves the checkpoint past an event.
    pub(crate) fn advance(&mut self, position: Position, leaf_hash: Hash, changed: Option<Position>) {
        self.position = position;
        self.leaf_hash = Some(leaf_hash);
        self.changed_position = changed.unwrap_or(self.changed_position);
    }

    /// Whether it is the serving build of this code.
    pub(crate) fn serves(&self, name: &str, code_version: u32) -> bool {
        self.name == name && self.code_version == i64::from(code_version) && self.status.serves()
    }

    fn read(row: &Row) -> Result<Self, QueryError> {
        let leaf_hash = row.optional_bytes(5)?.map(Hash::try_from).transpose();
        let fault = match (row.optional_int(7)?, row.optional_text(8)?) {
            (Some(position), message) => {
                Some(Fault { position: Position(position), message: message.unwrap_or_default().to_owned() })
            }
            (None, _) => None,
        };
        Ok(Self {
            name: row.text(0)?.to_owned(),
            version: row.int(1)?,
            code_version: row.int(2)?,
            status: BuildStatus::parse(row.text(3)?)?,
            position: Position(row.int(4)?),
            leaf_hash: leaf_hash.map_err(|_| QueryError::Bookkeeping("a leaf hash is not 32 bytes long".to_owned()))?,
            changed_position: Position(row.int(6)?),
            fault,
            updated_at: row.int(9)?,
        })
    }

    fn values(&self, now: Timestamp) -> Vec<Value> {
        vec![
            Value::text(self.name.as_str()),
            self.version.into(),
            self.code_version.into(),
            Value::text(self.status.as_str()),
            self.position.into(),
            Value::Bytes(self.leaf_hash.map(|hash| hash.to_vec())),
            self.changed_position.into(),
            Value::Int(self.fault.as_ref().map(|fault| fault.position.0)),
            Value::text_or_null(self.fault.as_ref().map(|fault| fault.message.as_str())),
            now.into(),
        ]
    }
}

const COLUMNS: &str = "name, version, code_version, status, position, leaf_hash, changed_position, \
                       fault_position, fault_message, updated_at";
const COLUMN_COUNT: usize = 10;

fn table(postgres: bool) -> &'static str {
    if postgres { "views.projection" } else { "projection" }
}

/// Reads all builds, outside any transaction.
pub(crate) async fn read(views: &ViewStore) -> Result<Vec<Build>, QueryError> {
    let sql = format!("SELECT {COLUMNS} FROM {} ORDER BY name, version", table(views.is_postgres()));
    views.fetch(sql, vec![]).await?.iter().map(Build::read).collect()
}

/// Reads all builds as a transaction sees them.
pub(crate) async fn read_in(tx: &mut Tx) -> Result<Vec<Build>, QueryError> {
    let sql = format!("SELECT {COLUMNS} FROM {} ORDER BY name, version", table(tx.is_postgres()));
    tx.fetch(sql, vec![]).await?.iter().map(Build::read).collect()
}

/// Keeps all other processes from changing any build, then reads them. The lock conflicts with the row locks of
/// runners too, so none of them is in the middle of a pass, and nobody waits crosswise.
pub(crate) async fn lock_all(tx: &mut Tx) -> Result<Vec<Build>, QueryError> {
    if tx.is_postgres() {
        tx.run("LOCK TABLE views.projection IN EXCLUSIVE MODE").await?;
    }
    read_in(tx).await
}

/// Takes the live builds that no other node is at work on. On SQLite the transaction itself is the lock.
pub(crate) async fn lock_live(tx: &mut Tx) -> Result<Vec<Build>, QueryError> {
    let skip = if tx.is_postgres() { " FOR UPDATE SKIP LOCKED" } else { "" };
    let sql =
        format!("SELECT {COLUMNS} FROM {} WHERE status = 'live' ORDER BY name, version{skip}", table(tx.is_postgres()));
    tx.fetch(sql, vec![]).await?.iter().map(Build::read).collect()
}

/// Waits for all builds of a view and takes them.
pub(crate) async fn lock_view(tx: &mut Tx, name: &str) -> Result<Vec<Build>, QueryError> {
    let wait = if tx.is_postgres() { " FOR UPDATE" } else { "" };
    let sql = format!("SELECT {COLUMNS} FROM {} WHERE name = $1 ORDER BY version{wait}", table(tx.is_postgres()));
    tx.fetch(sql, vec![Value::text(name)]).await?.iter().map(Build::read).collect()
}

/// Waits for one build and takes it; nothing when it is gone.
pub(crate) async fn lock_build(tx: &mut Tx, build: &Build) -> Result<Option<Build>, QueryError> {
    let wait = if tx.is_postgres() { " FOR UPDATE" } else { "" };
    let sql = format!("SELECT {COLUMNS} FROM {} WHERE name = $1 AND version = $2{wait}", table(tx.is_postgres()));
    let rows = tx.fetch(sql, vec![Value::text(build.name.as_str()), build.version.into()]).await?;
    rows.first().map(Build::read).transpose()
}

/// Writes the rows of some builds, in one statement.
pub(crate) async fn save(tx: &mut Tx, builds: &[Build], now: Timestamp) -> Result<(), QueryError> {
    if builds.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO {} ({COLUMNS}) VALUES {} ON CONFLICT (name, version) DO UPDATE SET status = excluded.status, \
         position = excluded.position, leaf_hash = excluded.leaf_hash, changed_position = excluded.changed_position, \
         fault_position = excluded.fault_position, fault_message = excluded.fault_message, \
         updated_at = excluded.updated_at",
        table(tx.is_postgres()),
        tuples(tx.is_postgres(), builds.len(), COLUMN_COUNT)
    );
    tx.execute(sql, builds.iter().flat_map(|build| build.values(now)).collect()).await?;
    Ok(())
}

/// Forgets a build and drops its table.
pub(crate) async fn drop_build(tx: &mut Tx, build: &Build) -> Result<(), QueryError> {
    let drop = format!("DROP TABLE IF EXISTS {}", tx.table(&build.name, build.version));
    tx.run(&drop).await?;
    let sql = format!("DELETE FROM {} WHERE name = $1 AND version = $2", table(tx.is_postgres()));
    tx.execute(sql, vec![Value::text(build.name.as_str()), build.version.into()]).await?;
    Ok(())
}

/// The number of the next build of a view.
pub(crate) fn next_version(builds: &[Build], name: &str) -> i64 {
    builds.iter().filter(|build| build.name == name).map(|build| build.version).max().unwrap_or(0) + 1
}

/// The version of each view that this release reads.
pub(crate) fn serving_versions(builds: &[Build]) -> HashMap<String, i64> {
    let ours = view::code_versions();
    let mut versions = HashMap::new();
    for build in builds.iter().filter(|build| build.status.serves()) {
        if ours.get(build.name.as_str()).is_none_or(|code| i64::from(*code) == build.code_version) {
            versions.insert(build.name.clone(), build.version);
        }
    }
    versions
}
