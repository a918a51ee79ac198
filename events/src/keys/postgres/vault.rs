//! Looking after the keys in PostgreSQL. What is deleted is out of reach of every query at once; its bytes leave the
//! files with the next autovacuum and the write-ahead log with the next checkpoints.

use async_trait::async_trait;
use sqlx::Row as _;
use uuid::Uuid;

use super::{LOOK_AT_ALL_MAX, LOOK_MAX, PostgresKeys, insert_keys};
use crate::clock::from_microseconds;
use crate::keys::vault::{KeyVault, MasterRecord, ServerKeyRecord};
use crate::keys::{WRAPPED_BYTES, WrappedKey};
use crate::store::{PostgresTx, answered};

#[async_trait]
impl KeyVault for PostgresKeys {
    async fn linked(&self, customers: &[Uuid]) -> Result<Vec<Uuid>, sqlx::Error> {
        let select = "SELECT DISTINCT key_id FROM keys.key_link WHERE customer_id = ANY($1) ORDER BY key_id";
        answered(LOOK_MAX, sqlx::query_scalar(select).bind(customers.to_vec()).fetch_all(&self.pool)).await
    }

    async fn existing(&self, keys: &[Uuid]) -> Result<Vec<Uuid>, sqlx::Error> {
        let select = sqlx::query_scalar("SELECT id FROM keys.data_key WHERE id = ANY($1)");
        answered(LOOK_MAX, select.bind(keys.to_vec()).fetch_all(&self.pool)).await
    }

    async fn destroy(&self, keys: &[Uuid], customers: &[Uuid]) -> Result<u64, sqlx::Error> {
        let mut tx = PostgresTx::begin(&self.pool, "BEGIN", LOOK_MAX).await?;
        let destroy = sqlx::query("DELETE FROM keys.data_key WHERE id = ANY($1)").bind(keys.to_vec());
        let destroyed = answered(LOOK_MAX, destroy.execute(&mut *tx)).await?.rows_affected();
        let unlink = sqlx::query(
            "DELETE FROM keys.key_link WHERE customer_id = ANY($1) \
             AND NOT EXISTS (SELECT 1 FROM keys.data_key WHERE data_key.id = key_link.key_id)",
        );
        answered(LOOK_MAX, unlink.bind(customers.to_vec()).execute(&mut *tx)).await?;
        tx.commit().await?;
        Ok(destroyed)
    }

    async fn page(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<WrappedKey>, sqlx::Error> {
        let select = "SELECT id, wrapped FROM keys.data_key WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2";
        let page = sqlx::query(select).bind(after).bind(i64::from(limit));
        let rows = answered(LOOK_MAX, page.fetch_all(&self.pool)).await?;
        rows.iter().map(|row| Ok(WrappedKey { id: row.try_get(0)?, wrapped: row.try_get(1)? })).collect()
    }

    async fn master(&self) -> Result<Option<MasterRecord>, sqlx::Error> {
        let select = sqlx::query("SELECT id, before, handed_over FROM keys.master_key");
        let row = answered(LOOK_MAX, select.fetch_optional(&self.pool)).await?;
        row.map(|row| {
            let handed_over = row.try_get::<Option<Uuid>, _>(1)?.zip(row.try_get(2)?);
            Ok(MasterRecord { id: row.try_get(0)?, handed_over })
        })
        .transpose()
    }

    async fn register_master(&self, id: Uuid) -> Result<(), sqlx::Error> {
        let insert = sqlx::query("INSERT INTO keys.master_key (only_row, id) VALUES (1, $1) ON CONFLICT DO NOTHING");
        answered(LOOK_MAX, insert.bind(id).execute(&self.pool)).await.map(drop)
    }

    async fn begin_rotation(
        &self,
        before: Uuid,
        next: Uuid,
        handed_over: &[u8],
        keys: &[WrappedKey],
    ) -> Result<bool, sqlx::Error> {
        let mut tx = PostgresTx::begin(&self.pool, "BEGIN", LOOK_MAX).await?;
        let begin = sqlx::query(
            "UPDATE keys.master_key SET id = $1, before = $2, handed_over = $3 WHERE id = $2 AND handed_over IS NULL",
        );
        let begin = begin.bind(next).bind(before).bind(handed_over);
        if answered(LOOK_MAX, begin.execute(&mut *tx)).await?.rows_affected() == 0 {
            return Ok(false);
        }
        answered(LOOK_MAX, insert_keys(&mut tx, keys)).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn rewrap(&self, keys: &[(WrappedKey, WrappedKey)]) -> Result<(), sqlx::Error> {
        let ids: Vec<Uuid> = keys.iter().map(|(old, _)| old.id).collect();
        let old: Vec<Vec<u8>> = keys.iter().map(|(old, _)| old.wrapped.clone()).collect();
        let new: Vec<Vec<u8>> = keys.iter().map(|(_, new)| new.wrapped.clone()).collect();
        let update = sqlx::query(
            "UPDATE keys.data_key SET wrapped = given.new FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) \
             AS given (id, old, new) WHERE data_key.id = given.id AND data_key.wrapped = given.old",
        );
        answered(LOOK_MAX, update.bind(ids).bind(old).bind(new).execute(&self.pool)).await.map(drop)
    }

    async fn finish_rotation(&self, id: Uuid) -> Result<bool, sqlx::Error> {
        let mut tx = PostgresTx::begin(&self.pool, "BEGIN", LOOK_AT_ALL_MAX).await?;
        // Waits for inserts under way, which may have begun before the rotation did.
        tx.run("LOCK TABLE keys.data_key IN SHARE MODE").await?;
        let finish = sqlx::query(
            "UPDATE keys.master_key SET before = NULL, handed_over = NULL WHERE id = $1 AND NOT EXISTS \
             (SELECT 1 FROM keys.data_key WHERE octet_length(wrapped) <> $2 OR substring(wrapped FROM 1 FOR 16) <> $3)",
        )
        .bind(id)
        .bind(WRAPPED_BYTES)
        .bind(id.as_bytes().to_vec());
        let finished = answered(LOOK_AT_ALL_MAX, finish.execute(&mut *tx)).await?;
        tx.commit().await?;
        Ok(finished.rows_affected() > 0)
    }

    async fn server_keys(&self) -> Result<Vec<ServerKeyRecord>, sqlx::Error> {
        let select = sqlx::query("SELECT id, public_key, valid_from FROM keys.server_key ORDER BY ordinal");
        let rows = answered(LOOK_MAX, select.fetch_all(&self.pool)).await?;
        rows.iter()
            .map(|row| {
                let valid_from = from_microseconds(row.try_get(2)?).unwrap_or_default();
                Ok(ServerKeyRecord { id: row.try_get(0)?, public_key: row.try_get(1)?, valid_from })
            })
            .collect()
    }

    async fn add_server_key(
        &self,
        key: &ServerKeyRecord,
        seeds: &[WrappedKey],
        known: usize,
    ) -> Result<bool, sqlx::Error> {
        let mut tx = PostgresTx::begin(&self.pool, "BEGIN", LOOK_MAX).await?;
        let add = sqlx::query(
            "INSERT INTO keys.server_key (id, public_key, valid_from, ordinal) VALUES ($1, $2, $3, $4) \
             ON CONFLICT DO NOTHING",
        )
        .bind(key.id)
        .bind(&key.public_key)
        .bind(key.valid_from.as_microsecond())
        .bind(i64::try_from(known).unwrap_or(i64::MAX));
        if answered(LOOK_MAX, add.execute(&mut *tx)).await?.rows_affected() == 0 {
            return Ok(false);
        }
        if !seeds.is_empty() {
            answered(LOOK_MAX, insert_keys(&mut tx, seeds)).await?;
        }
        tx.commit().await?;
        Ok(true)
    }
}
