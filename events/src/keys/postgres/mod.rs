//! The keys store in PostgreSQL's schema `keys`, which can be dumped and kept apart from the ledger's.

mod vault;

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::{PgConnection, PgPool, Row as _};
use uuid::Uuid;

use super::vault::StaleMaster;
use super::{KeyLink, KeyStore, WrappedKey, missing, taken};
use crate::store::{ANSWER_MAX, MigrationError, answered, migrate_postgres_schema};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations/postgres/keys");

/// Keys in PostgreSQL.
#[derive(Debug, Clone)]
pub struct PostgresKeys {
    pub(super) pool: PgPool,
}

impl PostgresKeys {
    /// Brings the schema `keys` up to date and works through `pool`.
    ///
    /// # Errors
    /// When the database cannot be reached or migrated.
    pub async fn open(pool: PgPool) -> Result<Self, MigrationError> {
        migrate_postgres_schema(&pool, "keys", &MIGRATIONS).await?;
        Ok(Self { pool })
    }
}

#[async_trait]
impl KeyStore for PostgresKeys {
    async fn insert(&self, keys: &[WrappedKey], links: &[KeyLink]) -> Result<(), sqlx::Error> {
        if !keys.is_empty() {
            let mut connection = self.pool.acquire().await?;
            answered(ANSWER_MAX, insert_keys(&mut connection, keys)).await?;
        }
        if !links.is_empty() {
            let (customers, ids): (Vec<_>, Vec<_>) = links.iter().map(|link| (link.customer_id, link.key_id)).unzip();
            let insert = sqlx::query(
                "INSERT INTO keys.key_link (customer_id, key_id) SELECT * FROM unnest($1::uuid[], $2::uuid[]) \
                 ON CONFLICT DO NOTHING",
            );
            answered(ANSWER_MAX, insert.bind(customers).bind(ids).execute(&self.pool)).await?;
        }
        Ok(())
    }

    async fn find(&self, id: Uuid) -> Result<Option<WrappedKey>, sqlx::Error> {
        answered(ANSWER_MAX, find(&self.pool, id)).await
    }
}

/// How long the answer about a page of keys, or all of one person's, is waited for.
pub(super) const LOOK_MAX: Duration = Duration::from_secs(60);
/// How long when all keys are looked at.
pub(super) const LOOK_AT_ALL_MAX: Duration = Duration::from_secs(600);

/// The master key in force.
async fn in_force(connection: &mut PgConnection) -> Result<Option<Uuid>, sqlx::Error> {
    sqlx::query_scalar("SELECT id FROM keys.master_key").fetch_optional(connection).await
}

/// Inserts what the master key in force wraps, all of it or nothing, in one statement: it stands in the way of every
/// append. Where no master key is in force yet, as while a copy is restored, keys under any are taken.
async fn insert_keys(connection: &mut PgConnection, keys: &[WrappedKey]) -> Result<(), sqlx::Error> {
    let masters: BTreeSet<_> = keys.iter().map(WrappedKey::master).collect();
    let (ids, wrapped): (Vec<_>, Vec<_>) = keys.iter().map(|key| (key.id, key.wrapped.clone())).unzip();
    let insert = sqlx::query(
        "INSERT INTO keys.data_key (id, wrapped) SELECT id, wrapped FROM unnest($1::uuid[], $2::bytea[]) \
         AS given (id, wrapped) WHERE NOT EXISTS (SELECT 1 FROM keys.master_key, unnest($3::uuid[]) AS under (master) \
         WHERE master_key.id IS DISTINCT FROM under.master) ON CONFLICT DO NOTHING",
    );
    let insert = insert.bind(ids).bind(wrapped).bind(Vec::from_iter(masters));
    if insert.execute(&mut *connection).await?.rows_affected() < keys.len() as u64 {
        StaleMaster::check(in_force(connection).await?, keys)?;
        check(connection, keys).await?;
    }
    Ok(())
}

async fn find(executor: impl sqlx::PgExecutor<'_>, id: Uuid) -> Result<Option<WrappedKey>, sqlx::Error> {
    let select = sqlx::query("SELECT wrapped FROM keys.data_key WHERE id = $1").bind(id);
    let row = select.fetch_optional(executor).await?;
    row.map(|row| Ok(WrappedKey { id, wrapped: row.try_get(0)? })).transpose()
}

/// All must be there, and those that were there before the same.
async fn check(tx: &mut PgConnection, keys: &[WrappedKey]) -> Result<(), sqlx::Error> {
    for key in keys {
        match find(&mut *tx, key.id).await? {
            Some(stored) if stored.wrapped == key.wrapped => {}
            Some(_) => return Err(taken(key.id)),
            None => return Err(missing(key.id)),
        }
    }
    Ok(())
}
