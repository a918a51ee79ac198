//! The keys store in PostgreSQL's schema `keys`, which can be dumped and kept apart from the ledger's.

use async_trait::async_trait;
use sqlx::{PgPool, Row as _};
use uuid::Uuid;

use super::{KeyLink, KeyStore, WrappedKey, taken};
use crate::store::{MigrationError, migrate_postgres_schema};

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

    /// Of keys that were there before, all must be the same.
    async fn check(&self, keys: &[WrappedKey]) -> Result<(), sqlx::Error> {
        for key in keys {
            if self.find(key.id).await?.is_some_and(|stored| stored.wrapped != key.wrapped) {
                return Err(taken(key.id));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl KeyStore for PostgresKeys {
    async fn insert(&self, keys: &[WrappedKey], links: &[KeyLink]) -> Result<(), sqlx::Error> {
        if !keys.is_empty() {
            let (ids, wrapped): (Vec<_>, Vec<_>) = keys.iter().map(|key| (key.id, key.wrapped.clone())).unzip();
            let inserted = sqlx::query(
                "INSERT INTO keys.data_key (id, wrapped) SELECT * FROM unnest($1::uuid[], $2::bytea[]) \
                 ON CONFLICT DO NOTHING",
            )
            .bind(ids)
            .bind(wrapped)
            .execute(&self.pool)
            .await?;
            if inserted.rows_affected() < keys.len() as u64 {
                self.check(keys).await?;
            }
        }
        if !links.is_empty() {
            let (customers, ids): (Vec<_>, Vec<_>) = links.iter().map(|link| (link.customer_id, link.key_id)).unzip();
            sqlx::query(
                "INSERT INTO keys.key_link (customer_id, key_id) SELECT * FROM unnest($1::uuid[], $2::uuid[]) \
                 ON CONFLICT DO NOTHING",
            )
            .bind(customers)
            .bind(ids)
            .execute(&self.pool)
            .await?;
        }
        Ok(())
    }

    async fn find(&self, id: Uuid) -> Result<Option<WrappedKey>, sqlx::Error> {
        let row =
            sqlx::query("SELECT wrapped FROM keys.data_key WHERE id = $1").bind(id).fetch_optional(&self.pool).await?;
        row.map(|row| Ok(WrappedKey { id, wrapped: row.try_get(0)? })).transpose()
    }
}
