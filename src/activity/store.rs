//! Where activity is kept: `activity.db` on SQLite, the schema `activity` on PostgreSQL.

use std::path::Path;

use keyledger_events::store::{MigrationError, migrate_postgres_schema, migrate_sqlite, open_sqlite as open_file};
use keyledger_projections::Database;
use sqlx::PgPool;

use super::Activity;

static SQLITE_MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations/sqlite/activity");
static POSTGRES_MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations/postgres/activity");

/// Opens (or makes) the file. The caller holds the folder's start-up lock.
///
/// # Errors
/// When the file cannot be opened or migrated.
pub async fn open_sqlite(path: &Path) -> Result<Activity, MigrationError> {
    let file = open_file(path, false).await?;
    migrate_sqlite(&file.writer, &SQLITE_MIGRATIONS).await?;
    Ok(Activity::new(Database::Sqlite(file)))
}

/// Uses (or makes) the schema.
///
/// # Errors
/// When the database cannot be reached or migrated.
pub async fn open_postgres(pool: PgPool) -> Result<Activity, MigrationError> {
    migrate_postgres_schema(&pool, "activity", &POSTGRES_MIGRATIONS).await?;
    Ok(Activity::new(Database::Postgres(pool)))
}

/// The qualified name of a table.
pub(super) fn table(database: &Database, name: &str) -> String {
    if database.is_postgres() { format!("activity.{name}") } else { name.to_owned() }
}

/// `$2, $3, $4`: places for so many arguments behind `before` others.
pub(super) fn places(before: usize, count: usize) -> String {
    (before + 1..=before + count).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ")
}

/// A seat's kind as it is stored.
pub(super) fn kind_number(kind: keyledger_projections::SeatKind) -> i64 {
    match kind {
        keyledger_projections::SeatKind::Device => 1,
        keyledger_projections::SeatKind::Address => 2,
    }
}
