//! Reading a keys store from end to end, for a copy of it, and making room for such a copy. What is added while one is
//! taken may be missed: it belongs to events that are newer than the copy.

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Row as _};
use uuid::Uuid;

use super::postgres::{LOOK_AT_ALL_MAX, LOOK_MAX};
use super::{KeyLink, KeyVault, PostgresKeys, SqliteKeys};
use crate::store::{PostgresTx, answered};

/// A keys store that can be read in whole.
#[async_trait]
pub trait KeyArchive: KeyVault {
    /// The links behind this one, in order of customer and key, at most `limit`.
    async fn links_after(&self, after: Option<KeyLink>, limit: u32) -> Result<Vec<KeyLink>, sqlx::Error>;

    /// Removes everything. Only right beside an empty ledger: a process that looked into it has made keys that seal
    /// nothing, and those of a copy have the same ids.
    async fn clear(&self) -> Result<(), sqlx::Error>;
}

#[async_trait]
impl KeyArchive for SqliteKeys {
    async fn links_after(&self, after: Option<KeyLink>, limit: u32) -> Result<Vec<KeyLink>, sqlx::Error> {
        let bytes = |of: fn(KeyLink) -> Uuid| after.map(|link| of(link).as_bytes().to_vec()).unwrap_or_default();
        let rows = sqlx::query(
            "SELECT customer_id, key_id FROM key_link WHERE (customer_id, key_id) > ($1, $2) \
             ORDER BY customer_id, key_id LIMIT $3",
        )
        .bind(bytes(|link| link.customer_id))
        .bind(bytes(|link| link.key_id))
        .bind(i64::from(limit))
        .fetch_all(&self.file.readers)
        .await?;
        rows.into_iter().map(|row| Ok(KeyLink { customer_id: row.try_get(0)?, key_id: row.try_get(1)? })).collect()
    }

    async fn clear(&self) -> Result<(), sqlx::Error> {
        let (_turn, mut tx) = self.file.begin().await?;
        for table in ["key_link", "data_key", "server_key", "master_key"] {
            sqlx::query(AssertSqlSafe(format!("DELETE FROM {table}"))).execute(&mut *tx).await?;
        }
        tx.commit().await
    }
}

#[async_trait]
impl KeyArchive for PostgresKeys {
    async fn links_after(&self, after: Option<KeyLink>, limit: u32) -> Result<Vec<KeyLink>, sqlx::Error> {
        let rows = match after {
            None => sqlx::query("SELECT customer_id, key_id FROM keys.key_link ORDER BY customer_id, key_id LIMIT $1")
                .bind(i64::from(limit)),
            Some(after) => sqlx::query(
                "SELECT customer_id, key_id FROM keys.key_link WHERE (customer_id, key_id) > ($1, $2) \
                 ORDER BY customer_id, key_id LIMIT $3",
            )
            .bind(after.customer_id)
            .bind(after.key_id)
            .bind(i64::from(limit)),
        };
        let rows = answered(LOOK_MAX, rows.fetch_all(&self.pool)).await?;
        rows.into_iter().map(|row| Ok(KeyLink { customer_id: row.try_get(0)?, key_id: row.try_get(1)? })).collect()
    }

    async fn clear(&self) -> Result<(), sqlx::Error> {
        let mut tx = PostgresTx::begin(&self.pool, "BEGIN", LOOK_AT_ALL_MAX).await?;
        for table in ["keys.key_link", "keys.data_key", "keys.server_key", "keys.master_key"] {
            tx.run(AssertSqlSafe(format!("DELETE FROM {table}"))).await?;
        }
        tx.commit().await
    }
}
