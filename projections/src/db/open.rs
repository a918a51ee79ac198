//! Opening the store. Views are disposable: a file that is damaged is deleted and computed again.

use std::io;
use std::path::Path;

use keyledger_events::store::{MigrationError, SqliteFile, migrate_postgres_schema, migrate_sqlite, open_sqlite};
use sqlx::PgPool;
use sqlx::migrate::MigrateError;

use super::{Database, ViewStore};

static SQLITE_MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations/sqlite/views");
static POSTGRES_MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations/postgres/views");

const FILE: &str = "views.db";
/// Primary result codes of SQLite for a damaged file: CORRUPT and NOTADB.
const DAMAGED_CODES: [i64; 2] = [11, 26];

/// Why the store of views cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database refused or could not be reached.
    #[error("the views' database cannot be opened: {0}")]
    Database(#[from] sqlx::Error),
    /// Its bookkeeping could not be brought up to date.
    #[error("the views' database: {0}")]
    Migration(#[from] MigrationError),
    /// A damaged file could not be deleted.
    #[error("{file} is damaged and cannot be deleted; delete it by hand, it is computed again: {source}")]
    Delete {
        /// The file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
}

impl ViewStore {
    /// Opens (or makes) `views.db` in `folder`. A damaged file is deleted: the runner fills a new one.
    ///
    /// # Errors
    /// When the file cannot be opened, or was made by a newer release.
    pub async fn open_sqlite(folder: &Path) -> Result<Self, OpenError> {
        let path = folder.join(FILE);
        match migrated(&path).await {
            Err(error) if is_damaged(&error) => {
                tracing::warn!(file = %path.display(), %error, "the file of views is damaged: computing all views again");
                delete(&path)?;
                migrated(&path).await
            }
            other => other,
        }
        .map(|file| Self::new(Database::Sqlite(file), folder))
    }

    /// Uses (or makes) the schema `views`. The pool must be the views' own: a transaction over views may wait for a
    /// reader of the ledger, and of one pool both could wait for each other.
    ///
    /// # Errors
    /// When the database cannot be reached, or its schema was made by a newer release.
    pub async fn open_postgres(pool: PgPool) -> Result<Self, OpenError> {
        migrate_postgres_schema(&pool, "views", &POSTGRES_MIGRATIONS).await?;
        Ok(Self::new(Database::Postgres(pool), Path::new("")))
    }
}

async fn migrated(path: &Path) -> Result<SqliteFile, OpenError> {
    let file = open_sqlite(path, false).await?;
    if let Err(error) = migrate_sqlite(&file.writer, &SQLITE_MIGRATIONS).await {
        file.writer.close().await;
        file.readers.close().await;
        return Err(error.into());
    }
    Ok(file)
}

fn is_damaged(error: &OpenError) -> bool {
    let database = match error {
        OpenError::Database(error) | OpenError::Migration(MigrationError::Database(error)) => error,
        OpenError::Migration(MigrationError::Migrate(
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _),
        )) => error,
        _ => return false,
    };
    let code = database.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.and_then(|code| code.parse::<i64>().ok()).is_some_and(|code| DAMAGED_CODES.contains(&(code & 0xff)))
}

fn delete(path: &Path) -> Result<(), OpenError> {
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        match std::fs::remove_file(&file) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(OpenError::Delete { file: file.to_string_lossy().into_owned(), source });
            }
            _ => {}
        }
    }
    Ok(())
}
