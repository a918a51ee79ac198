//! The keys store in `keys.db`, with `secure_delete`: a destroyed key leaves no trace in the file.

mod vault;

use std::path::Path;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _};
use uuid::Uuid;

use super::vault::StaleMaster;
use super::{KeyLink, KeyStore, WrappedKey, missing, taken};
use crate::store::{MigrationError, Reader, SpotTx, SqliteFile, migrate_sqlite, open_sqlite, sqlite_failure};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations/sqlite/keys");

/// Keys in SQLite.
#[derive(Debug, Clone)]
pub struct SqliteKeys {
    pub(super) file: SqliteFile,
    reader: Reader,
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
        Ok(Self { file, reader: Reader::of(path) })
    }
}

#[async_trait]
impl KeyStore for SqliteKeys {
    async fn insert(&self, keys: &[WrappedKey], links: &[KeyLink]) -> Result<(), sqlx::Error> {
        // On the spot: but for the installation's own keys at the first start it is the Writer who asks, on a thread of
        // its own, and another one would not be done sooner than this one has been told that it is.
        let tx = self.file.spot.begin().await?;
        if !keys.is_empty() {
            StaleMaster::check(in_force(&tx)?, keys)?;
            insert_keys(&tx, keys)?;
        }
        insert_links(tx.connection()?, links).map_err(sqlite_failure)?;
        tx.commit()
    }

    async fn find(&self, id: Uuid) -> Result<Option<WrappedKey>, sqlx::Error> {
        let wrapped = self.reader.glance(|connection| wrapped(connection, id)).await?;
        Ok(wrapped.map(|wrapped| WrappedKey { id, wrapped }))
    }
}

/// The master key in force.
fn in_force(tx: &SpotTx) -> Result<Option<Uuid>, sqlx::Error> {
    let select = tx.connection()?.prepare_cached("SELECT id FROM master_key");
    let id = select.and_then(|mut select| select.query_row([], |row| row.get(0)).optional());
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
    match wrapped(connection, key.id).map_err(sqlite_failure)? {
        Some(wrapped) if wrapped == key.wrapped => Ok(()),
        Some(_) => Err(taken(key.id)),
        None => Err(missing(key.id)),
    }
}

/// What is stored of a key.
fn wrapped(connection: &Connection, id: Uuid) -> Result<Option<Vec<u8>>, rusqlite::Error> {
    let mut select = connection.prepare_cached("SELECT wrapped FROM data_key WHERE id = ?1")?;
    select.query_row([id.as_bytes()], |row| row.get(0)).optional()
}
