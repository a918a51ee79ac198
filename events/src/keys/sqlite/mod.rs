//! The keys store in `keys.db`, with `secure_delete`: a destroyed key leaves no trace in the file.

mod vault;

use std::path::Path;

use async_trait::async_trait;
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection, SqlitePool};
use uuid::Uuid;

use super::vault::StaleMaster;
use super::{KeyLink, KeyStore, WrappedKey, missing, taken};
use crate::store::{MigrationError, migrate_sqlite, open_sqlite};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations/sqlite/keys");

/// Keys in SQLite.
#[derive(Debug, Clone)]
pub struct SqliteKeys {
    pub(super) writer: SqlitePool,
    pub(super) readers: SqlitePool,
}

/// Rows of one INSERT; two columns each, far below SQLite's limit of 32,766 parameters.
const ROWS_PER_STATEMENT: usize = 256;

impl SqliteKeys {
    /// Opens (or makes) the keys file and brings it up to date. The caller holds the folder's start-up lock.
    ///
    /// # Errors
    /// When the file cannot be opened or migrated.
    pub async fn open(path: &Path) -> Result<Self, MigrationError> {
        let file = open_sqlite(path, true).await?;
        migrate_sqlite(&file.writer, &MIGRATIONS).await?;
        Ok(Self { writer: file.writer, readers: file.readers })
    }
}

#[async_trait]
impl KeyStore for SqliteKeys {
    async fn insert(&self, keys: &[WrappedKey], links: &[KeyLink]) -> Result<(), sqlx::Error> {
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        if !keys.is_empty() {
            StaleMaster::check(in_force(&mut tx).await?, keys)?;
            insert_keys(&mut tx, keys).await?;
        }
        for chunk in links.chunks(ROWS_PER_STATEMENT) {
            let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO key_link (customer_id, key_id) ");
            insert.push_values(chunk, |mut row, link| {
                row.push_bind(link.customer_id.as_bytes().to_vec()).push_bind(link.key_id.as_bytes().to_vec());
            });
            insert.push(" ON CONFLICT DO NOTHING");
            insert.build().execute(&mut *tx).await?;
        }
        tx.commit().await
    }

    async fn find(&self, id: Uuid) -> Result<Option<WrappedKey>, sqlx::Error> {
        find(&self.readers, id).await
    }
}

/// The master key in force.
async fn in_force(tx: &mut SqliteConnection) -> Result<Option<Uuid>, sqlx::Error> {
    sqlx::query_scalar("SELECT id FROM master_key").fetch_optional(tx).await
}

async fn insert_keys(tx: &mut SqliteConnection, keys: &[WrappedKey]) -> Result<(), sqlx::Error> {
    for chunk in keys.chunks(ROWS_PER_STATEMENT) {
        let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO data_key (id, wrapped) ");
        insert.push_values(chunk, |mut row, key| {
            row.push_bind(key.id.as_bytes().to_vec()).push_bind(key.wrapped.clone());
        });
        insert.push(" ON CONFLICT DO NOTHING");
        if insert.build().execute(&mut *tx).await?.rows_affected() < chunk.len() as u64 {
            check(tx, chunk).await?;
        }
    }
    Ok(())
}

async fn find(executor: impl sqlx::SqliteExecutor<'_>, id: Uuid) -> Result<Option<WrappedKey>, sqlx::Error> {
    let select = sqlx::query("SELECT wrapped FROM data_key WHERE id = $1").bind(id.as_bytes().to_vec());
    let row = select.fetch_optional(executor).await?;
    row.map(|row| Ok(WrappedKey { id, wrapped: row.try_get(0)? })).transpose()
}

/// Of keys that were there before, all must be the same.
async fn check(tx: &mut SqliteConnection, keys: &[WrappedKey]) -> Result<(), sqlx::Error> {
    for key in keys {
        match find(&mut *tx, key.id).await? {
            Some(stored) if stored.wrapped == key.wrapped => {}
            Some(_) => return Err(taken(key.id)),
            None => return Err(missing(key.id)),
        }
    }
    Ok(())
}
