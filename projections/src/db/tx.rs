//! A transaction over the views: rows and checkpoints change together or not at all.

use keyledger_events::store::{SpotTx, SqliteFile, Turn};
use sqlx::{AssertSqlSafe, Executor as _, Postgres, Sqlite, Transaction};

use super::value::{Row, Value};
use super::{TableName, postgres, spot, sqlite};

/// What can be done without need not wait for the disk.
const POSTGRES_NOT_DURABLE: &str = "SET LOCAL synchronous_commit TO OFF";

/// An open transaction. Dropping it rolls back.
pub struct Tx(Kind);

enum Kind {
    Sqlite(Transaction<'static, Sqlite>, Option<Turn>),
    Spot(SpotTx),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    pub(super) async fn begin_sqlite(file: &SqliteFile) -> Result<Self, sqlx::Error> {
        let (turn, tx) = file.begin().await?;
        Ok(Self(Kind::Sqlite(tx, Some(turn))))
    }

    pub(super) async fn begin_on_the_spot(file: &SqliteFile) -> Result<Self, sqlx::Error> {
        Ok(Self(Kind::Spot(file.spot.begin().await?)))
    }

    pub(super) async fn begin_postgres(pool: &sqlx::PgPool) -> Result<Self, sqlx::Error> {
        Ok(Self(Kind::Postgres(pool.begin_with("BEGIN").await?)))
    }

    pub(super) async fn begin_postgres_not_durable(pool: &sqlx::PgPool) -> Result<Self, sqlx::Error> {
        let mut tx = pool.begin_with("BEGIN").await?;
        (&mut *tx).execute(POSTGRES_NOT_DURABLE).await?;
        Ok(Self(Kind::Postgres(tx)))
    }

    pub(super) async fn begin_sqlite_snapshot(readers: &sqlx::SqlitePool) -> Result<Self, sqlx::Error> {
        Ok(Self(Kind::Sqlite(readers.begin_with("BEGIN DEFERRED").await?, None)))
    }

    pub(super) async fn begin_postgres_snapshot(pool: &sqlx::PgPool) -> Result<Self, sqlx::Error> {
        Ok(Self(Kind::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)))
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
            Kind::Postgres(tx) => postgres::execute(&mut **tx, sql, args).await,
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
            Kind::Postgres(tx) => postgres::fetch(&mut **tx, sql, args).await,
        }
    }

    /// Runs statements without arguments and without keeping them prepared.
    pub(crate) async fn run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        match &mut self.0 {
            Kind::Sqlite(tx, _) => (&mut **tx).execute(AssertSqlSafe(sql)).await.map(drop),
            Kind::Spot(tx) => tx.run(sql),
            Kind::Postgres(tx) => (&mut **tx).execute(AssertSqlSafe(sql)).await.map(drop),
        }
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
