//! Reading a keys store from end to end, for a copy of it. What is added meanwhile may be missed: it belongs to events
//! that are newer than the copy.

use async_trait::async_trait;
use sqlx::Row as _;
use uuid::Uuid;

use super::{KeyLink, KeyVault, PostgresKeys, SqliteKeys};

/// A keys store that can be read in whole.
#[async_trait]
pub trait KeyArchive: KeyVault {
    /// The links behind this one, in order of customer and key, at most `limit`.
    async fn links_after(&self, after: Option<KeyLink>, limit: u32) -> Result<Vec<KeyLink>, sqlx::Error>;
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
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(|row| Ok(KeyLink { customer_id: row.try_get(0)?, key_id: row.try_get(1)? })).collect()
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
        let rows = rows.fetch_all(&self.pool).await?;
        rows.into_iter().map(|row| Ok(KeyLink { customer_id: row.try_get(0)?, key_id: row.try_get(1)? })).collect()
    }
}
