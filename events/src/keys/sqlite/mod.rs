//! The keys store in `keys.db`, with `secure_delete`: a destroyed key leaves no trace in the file.

mod vault;

use std::path::Path;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _};
use sqlx::Row as _;
use uuid::Uuid;

use super::vault::StaleMaster;
use super::{KeyLink, KeyStore, WrappedKey, missing, taken};
use crate::store::{MigrationError, SpotTx, SqliteFile, migrate_sqlite, open_sqlite, sqlite_failure};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations/sqlite/keys");

/// Keys in SQLite.
#[derive(Debug, Clone)]
pub struct SqliteKeys {
    pub(super) file: SqliteFile,
}

/// Ids of one statement, far below SQLite's limit of 32,766 parameters.
const IDS_PER_STATEMENT: usize = 256;

impl SqliteKeys {
    /// Opens (or makes) the keys file and brings it up to date. The caller holds the folder's start-up lock.
    ///
    /// # Errors
    /// When the file cannot be opened or migrated.
    pub async fn open(path: &Path) -> Result<Self, MigrationError> {
        let file = open_sqlite(path, true).await?;
        migrate_sqlite(&file.writer, &MIGRATIONS).await?;
        Ok(Self { file })
    }
}

#[async_trait]
impl KeyStore for SqliteKeys {
    async fn insert(&self, keys: &[WrappedKey], links: &[KeyLink]) -> Result<(), sqlx::Error> {
        let (keys, links, turn) = (keys.to_vec(), links.to_vec(), self.file.spot.turn().await);
        // Beside the ledger's own work, which the thread that asks has meanwhile.
        let inserted = tokio::task::spawn_blocking(move || {
            let tx = turn.begin()?;
            if !keys.is_empty() {
                StaleMaster::check(in_force(&tx)?, &keys)?;
                insert_keys(&tx, &keys)?;
            }
            insert_links(tx.connection()?, &links).map_err(sqlite_failure)?;
            tx.commit()
        });
        inserted.await.map_err(|error| sqlx::Error::Io(std::io::Error::other(error)))?
    }

    async fn find(&self, id: Uuid) -> Result<Option<WrappedKey>, sqlx::Error> {
        let select = sqlx::query("SELECT wrapped FROM data_key WHERE id = $1").bind(id.as_bytes().to_vec());
        let row = select.fetch_optional(&self.file.readers).await?;
        row.map(|row| Ok(WrappedKey { id, wrapped: row.try_get(0)? })).transpose()
    }
}

/// The master key in force.
fn in_force(tx: &SpotTx) -> Result<Option<Uuid>, sqlx::Error> {
    let id = tx.connection()?.query_row("SELECT id FROM master_key", [], |row| row.get(0)).optional();
    Ok(id.map_err(sqlite_failure)?.map(Uuid::from_bytes))
}

fn insert_links(connection: &Connection, links: &[KeyLink]) -> Result<(), rusqlite::Error> {
    let mut insert = connection
        .prepare_cached("INSERT INTO key_link (customer_id, key_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    for link in links {
        insert.execute([link.customer_id.as_bytes(), link.key_id.as_bytes()])?;
    }
    Ok(())
}

/// Stores keys. Of those that were there before, all must be the same.
fn insert_keys(tx: &SpotTx, keys: &[WrappedKey]) -> Result<(), sqlx::Error> {
    let connection = tx.connection()?;
    let sql = "INSERT INTO data_key (id, wrapped) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    let mut insert = connection.prepare_cached(sql).map_err(sqlite_failure)?;
    for key in keys {
        let inserted = insert.execute((key.id.as_bytes(), &key.wrapped)).map_err(sqlite_failure)?;
        if inserted == 0 {
            check(connection, key)?;
        }
    }
    Ok(())
}

fn check(connection: &Connection, key: &WrappedKey) -> Result<(), sqlx::Error> {
    let sql = "SELECT wrapped FROM data_key WHERE id = ?1";
    let stored = connection.query_row(sql, [key.id.as_bytes()], |row| row.get::<_, Vec<u8>>(0)).optional();
    match stored.map_err(sqlite_failure)? {
        Some(wrapped) if wrapped == key.wrapped => Ok(()),
        Some(_) => Err(taken(key.id)),
        None => Err(missing(key.id)),
    }
}
