//! A transaction over the views: rows and checkpoints change together or not at all.

use std::time::Duration;

use keyledger_events::store::{PostgresTx, SpotTx, SqliteFile, Turn, answered};
use sqlx::{AssertSqlSafe, Executor as _, Sqlite, Transaction};

use super::value::{Row, Value};
use super::{TableName, postgres, spot, sqlite};

/// How a transaction of PostgreSQL begins, and how long each of its answers is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begin(&'static str, Duration);

impl Begin {
    /// Whoever waits for what it holds does not wait for long.
    pub(super) const QUICK: Self = Self("BEGIN", Duration::from_secs(60));
    /// A table is filled, or an index made: that may take its time, and between two of its statements much is read.
    pub(super) const PATIENT: Self = Self(
        "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '30s'; SET LOCAL lock_timeout = '60s'",
        Duration::from_secs(86_400),
    );
    /// What stands in nobody's way may idle.
    pub(super) const SNAPSHOT: Self = Self(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = 0",
        Duration::from_secs(600),
    );
    /// What can be done without need not wait for the disk.
    pub(super) const NOT_DURABLE: Self = Self("BEGIN; SET LOCAL synchronous_commit TO OFF", Duration::from_secs(600));
    /// As that, and somebody may wait for it to end.
    pub(super) const NOT_DURABLE_QUICK: Self =
        Self("BEGIN; SET LOCAL synchronous_commit TO OFF", Duration::from_secs(10));
}

/// An open transaction. Dropping it rolls back.
pub struct Tx(Kind);

enum Kind {
    Sqlite(Transaction<'static, Sqlite>, Option<Turn>),
    Spot(SpotTx),
    Postgres(PostgresTx),
}

impl Tx {
    pub(super) async fn begin_sqlite(file: &SqliteFile) -> Result<Self, sqlx::Error> {
        let (turn, tx) = file.begin().await?;
        Ok(Self(Kind::Sqlite(tx, Some(turn))))
    }

    pub(super) async fn begin_on_the_spot(file: &SqliteFile) -> Result<Self, sqlx::Error> {
        Ok(Self(Kind::Spot(file.spot.begin().await?)))
    }

    pub(super) async fn begin_postgres(pool: &sqlx::PgPool, Begin(sql, longest): Begin) -> Result<Self, sqlx::Error> {
        Ok(Self(Kind::Postgres(PostgresTx::begin(pool, sql, longest).await?)))
    }

    pub(super) async fn begin_sqlite_snapshot(readers: &sqlx::SqlitePool) -> Result<Self, sqlx::Error> {
        Ok(Self(Kind::Sqlite(readers.begin_with("BEGIN DEFERRED").await?, None)))
    }

    /// Whether this is PostgreSQL, for the few statements that have two texts.
    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.0, Kind::Postgres(_))
    }

    /// The table of a build of a view.
    pub(crate) fn table(&self, view: &str, version: i64) -> TableName {
        TableName::of(self.is_postgres(), view, version)
    }

    /// Runs a statement and tells how many rows it changed.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn execute(&mut self, sql: String, args: Vec<Value>) -> Result<u64, sqlx::Error> {
        match &mut self.0 {
            Kind::Sqlite(tx, _) => sqlite::execute(&mut **tx, sql, args).await,
            Kind::Spot(tx) => spot::execute(tx, &sql, &args),
            Kind::Postgres(tx) => answered(tx.answer_max(), postgres::execute(&mut **tx, sql, args)).await,
        }
    }

    /// Runs a query.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn fetch(&mut self, sql: String, args: Vec<Value>) -> Result<Vec<Row>, sqlx::Error> {
        match &mut self.0 {
            Kind::Sqlite(tx, _) => sqlite::fetch(&mut **tx, sql, args).await,
            Kind::Spot(tx) => spot::fetch(tx, &sql, &args),
            Kind::Postgres(tx) => answered(tx.answer_max(), postgres::fetch(&mut **tx, sql, args)).await,
        }
    }

    /// Runs statements without arguments and without keeping them prepared.
    pub(crate) async fn run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        match &mut self.0 {
            Kind::Sqlite(tx, _) => (&mut **tx).execute(AssertSqlSafe(sql)).await.map(drop),
            Kind::Spot(tx) => tx.run(sql),
            Kind::Postgres(tx) => tx.run(AssertSqlSafe(sql)).await,
        }
    }

    /// Does not wait for a lock for longer than a moment from here on: whoever reads a table, as a dump of the database does
    /// for hours, keeps it from being dropped, and nothing else. On SQLite nobody does.
    pub(crate) async fn insist_on_no_lock(&mut self) -> Result<(), sqlx::Error> {
        if self.is_postgres() { self.run("SET LOCAL lock_timeout = '2s'").await } else { Ok(()) }
    }

    /// Marks a point to come back to when a view fails.
    pub(crate) async fn savepoint(&mut self) -> Result<(), sqlx::Error> {
        self.run("SAVEPOINT one_view").await
    }

    /// Keeps what was done since the savepoint.
    pub(crate) async fn release(&mut self) -> Result<(), sqlx::Error> {
        self.run("RELEASE SAVEPOINT one_view").await
    }

    /// Undoes what was done since the savepoint.
    pub(crate) async fn roll_back_to_savepoint(&mut self) -> Result<(), sqlx::Error> {
        self.run("ROLLBACK TO SAVEPOINT one_view").await?;
        self.release().await
    }

    /// Ends the transaction.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        match self.0 {
            Kind::Sqlite(tx, _turn) => tx.commit().await,
            Kind::Spot(tx) => tx.commit(),
            Kind::Postgres(tx) => tx.commit().await,
        }
    }
}
