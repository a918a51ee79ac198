//! Bringing a database to this build's schema, safely when several processes start at once.

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgPool, SqlitePool};

/// Why a schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// A migration failed, or the database is newer than this build.
    #[error("the database schema cannot be brought up to date: {0}")]
    Migrate(#[from] MigrateError),
    /// The database cannot be reached.
    #[error("the database cannot be reached: {0}")]
    Database(#[from] sqlx::Error),
}

/// Migrates a SQLite file through its write connection. The caller holds the folder's start-up lock, because
/// SQLite's driver has no lock of its own between processes.
///
/// # Errors
/// When a migration fails.
pub async fn migrate_sqlite(writer: &SqlitePool, migrator: &Migrator) -> Result<(), MigrationError> {
    Ok(migrator.run(writer).await?)
}

/// Migrates one PostgreSQL schema, which keeps its own list of migrations. The migrator's advisory lock lets one
/// process at a time do it.
///
/// # Errors
/// When a migration fails.
pub async fn migrate_postgres_schema(
    pool: &PgPool,
    schema: &'static str,
    migrator: &Migrator,
) -> Result<(), MigrationError> {
    let mut connection = pool.acquire().await?.detach();
    // IF NOT EXISTS asks for the right to make schemas even where the schema is there.
    let there = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)").bind(schema);
    if !there.fetch_one(&mut connection).await? {
        // Of two processes that make the schema at once one fails with a unique violation although it said IF NOT
        // EXISTS; by then the schema is there.
        let create = sqlx::query(AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS {schema}")));
        match create.execute(&mut connection).await {
            Err(error) if !error.as_database_error().is_some_and(|error| error.is_unique_violation()) => {
                return Err(error.into());
            }
            _ => {}
        }
    }
    // A migration takes its time, and those of another process are waited for.
    let settings =
        format!("SET search_path TO {schema}; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0");
    connection.execute(AssertSqlSafe(settings)).await?;
    migrator.run(&mut connection).await?;
    connection.close().await?;
    Ok(())
}
