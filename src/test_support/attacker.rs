//! Somebody who may change the database by hand, and begins with what stands in the way.

use keyledger_events::merkle::Frontier;
use keyledger_events::store::open_sqlite;
use keyledger_events::{Position, RecordedEvent};
use sqlx::{AssertSqlSafe, PgPool, SqlitePool};
use uuid::Uuid;

use super::TestResult;
use crate::app::App;
use crate::config::DatabaseUrl;

/// Somebody who may change the database by hand.
pub(crate) enum Attacker {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Attacker {
    /// Opens the database as its owner and removes the triggers, constraints and indexes.
    pub(super) async fn open(url: &DatabaseUrl) -> TestResult<Self> {
        let attacker = match url {
            DatabaseUrl::Sqlite(folder) => Self::Sqlite(open_sqlite(&folder.join("ledger.db"), true).await?.writer),
            DatabaseUrl::Postgres(address) => Self::Postgres(PgPool::connect(address.as_str()).await?),
        };
        match &attacker {
            Self::Sqlite(pool) => {
                let triggers: Vec<String> =
                    sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetch_all(pool).await?;
                for trigger in triggers {
                    attacker.run(&format!("DROP TRIGGER {trigger}")).await?;
                }
                attacker.run("PRAGMA ignore_check_constraints = ON").await?;
            }
            Self::Postgres(_) => {
                for table in ["event", "checkpoint", "merkle_tile"] {
                    attacker.run(&format!("ALTER TABLE @{table} DISABLE TRIGGER ALL")).await?;
                }
            }
        }
        attacker.run("DROP INDEX @event_stream_version").await?;
        attacker.run("DROP INDEX @event_id_once").await?;
        attacker.run("CREATE TABLE @before AS SELECT * FROM @event").await?;
        Ok(attacker)
    }

    /// Runs a statement, in which `@` stands before each table's name; how many rows it changed.
    pub(crate) async fn run(&self, sql: &str) -> TestResult<u64> {
        Ok(match self {
            Self::Sqlite(pool) => sqlx::query(AssertSqlSafe(sql.replace('@', ""))).execute(pool).await?.rows_affected(),
            Self::Postgres(pool) => {
                sqlx::query(AssertSqlSafe(sql.replace('@', "ledger."))).execute(pool).await?.rows_affected()
            }
        })
    }

    /// Changes exactly one row.
    pub(crate) async fn change(&self, sql: &str) -> TestResult {
        match self.run(sql).await? {
            1 => Ok(()),
            rows => Err(format!("`{sql}` changed {rows} rows").into()),
        }
    }

    /// The names of the columns of the table `event`, as the database tells them.
    pub(crate) async fn columns(&self) -> TestResult<Vec<String>> {
        Ok(match self {
            Self::Sqlite(pool) => {
                sqlx::query_scalar("SELECT name FROM pragma_table_info('event')").fetch_all(pool).await?
            }
            Self::Postgres(pool) => {
                let columns = "SELECT column_name::text FROM information_schema.columns \
                     WHERE table_schema = 'ledger' AND table_name = 'event'";
                sqlx::query_scalar(columns).fetch_all(pool).await?
            }
        })
    }

    /// Bytes, as the engine writes them.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> String {
        match self {
            Self::Sqlite(_) => format!("x'{}'", hex::encode(bytes)),
            Self::Postgres(_) => format!("'\\x{}'::bytea", hex::encode(bytes)),
        }
    }

    /// An id, as the engine writes it.
    pub(crate) fn id(&self, id: Uuid) -> String {
        match self {
            Self::Sqlite(_) => self.bytes(id.as_bytes()),
            Self::Postgres(_) => format!("'{id}'::uuid"),
        }
    }

    /// Puts back a row as it was, found by where it is now.
    pub(crate) async fn restore(&self, column: &str, now_at: i64, before_at: i64) -> TestResult {
        let old = format!("(SELECT {column} FROM @before WHERE position = {before_at})");
        self.change(&format!("UPDATE @event SET {column} = {old} WHERE position = {now_at}")).await
    }

    /// Writes history anew from `events`, with all hashes and the head row as they must be then.
    pub(crate) async fn rewrite(&self, events: Vec<RecordedEvent>) -> TestResult {
        let mut tree = Frontier::default();
        let mut last = None;
        for mut event in events {
            event.leaf_hash = event.expected_leaf_hash();
            tree.push(event.leaf_hash);
            self.change(&format!(
                "UPDATE @event SET payload = {}, actor = '{}', type = '{}', leaf_hash = {} WHERE position = {}",
                self.bytes(&event.payload),
                event.provenance.actor,
                event.event_type,
                self.bytes(&event.leaf_hash),
                event.position
            ))
            .await?;
            last = Some(event);
        }
        let last = last.ok_or("nothing to rewrite")?;
        self.run(&format!("DELETE FROM @event WHERE position > {}", last.position)).await?;
        self.change(&format!(
            "UPDATE @ledger_head SET position = {}, recorded_at = {}, frontier = {}",
            last.position,
            last.recorded_at.as_microsecond(),
            self.bytes(&tree.to_bytes())
        ))
        .await
    }
}

/// All events.
pub(crate) async fn all(app: &App) -> TestResult<Vec<RecordedEvent>> {
    let mut all: Vec<RecordedEvent> = Vec::new();
    loop {
        let after = all.last().map_or(Position::START, |event| event.position);
        let page = app.ledger.read(after, 1_000).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}
