//! Looking after the keys in `keys.db`.

use async_trait::async_trait;
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection};
use uuid::Uuid;

use super::{IDS_PER_STATEMENT, SqliteKeys, in_force};
use crate::clock::from_microseconds;
use crate::keys::vault::{KeyVault, MasterRecord, ServerKeyRecord};
use crate::keys::{WRAPPED_BYTES, WrappedKey};
use crate::store::{sqlite_failure, truncate_wal};

#[async_trait]
impl KeyVault for SqliteKeys {
    async fn linked(&self, customers: &[Uuid]) -> Result<Vec<Uuid>, sqlx::Error> {
        let mut found = Vec::new();
        for chunk in customers.chunks(IDS_PER_STATEMENT) {
            let mut query = QueryBuilder::<Sqlite>::new("SELECT DISTINCT key_id FROM key_link WHERE customer_id IN (");
            push_ids(&mut query, chunk);
            for row in query.build().fetch_all(&self.file.readers).await? {
                found.push(row.try_get(0)?);
            }
        }
        Ok(distinct(found))
    }

    async fn existing(&self, keys: &[Uuid]) -> Result<Vec<Uuid>, sqlx::Error> {
        let mut found = Vec::new();
        for chunk in keys.chunks(IDS_PER_STATEMENT) {
            let mut query = QueryBuilder::<Sqlite>::new("SELECT id FROM data_key WHERE id IN (");
            push_ids(&mut query, chunk);
            for row in query.build().fetch_all(&self.file.readers).await? {
                found.push(row.try_get(0)?);
            }
        }
        Ok(found)
    }

    async fn destroy(&self, keys: &[Uuid], customers: &[Uuid]) -> Result<u64, sqlx::Error> {
        let (_turn, mut tx) = self.file.begin().await?;
        let mut destroyed = 0;
        for chunk in keys.chunks(IDS_PER_STATEMENT) {
            let mut delete = QueryBuilder::<Sqlite>::new("DELETE FROM data_key WHERE id IN (");
            push_ids(&mut delete, chunk);
            destroyed += delete.build().execute(&mut *tx).await?.rows_affected();
        }
        for chunk in customers.chunks(IDS_PER_STATEMENT) {
            let mut delete = QueryBuilder::<Sqlite>::new("DELETE FROM key_link WHERE customer_id IN (");
            push_ids(&mut delete, chunk);
            delete.push(" AND NOT EXISTS (SELECT 1 FROM data_key WHERE data_key.id = key_link.key_id)");
            delete.build().execute(&mut *tx).await?;
        }
        if destroyed > 0 {
            rewrite(&mut tx).await?;
        }
        tx.commit().await?;
        // The log of changes still holds the pages as they were.
        self.leave_no_trace().await?;
        Ok(destroyed)
    }

    async fn page(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<WrappedKey>, sqlx::Error> {
        let after = after.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
        let rows = sqlx::query("SELECT id, wrapped FROM data_key WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(&self.file.readers)
            .await?;
        rows.iter().map(|row| Ok(WrappedKey { id: row.try_get(0)?, wrapped: row.try_get(1)? })).collect()
    }

    async fn master(&self) -> Result<Option<MasterRecord>, sqlx::Error> {
        let row =
            sqlx::query("SELECT id, before, handed_over FROM master_key").fetch_optional(&self.file.readers).await?;
        row.map(|row| {
            let handed_over = row.try_get::<Option<Uuid>, _>(1)?.zip(row.try_get(2)?);
            Ok(MasterRecord { id: row.try_get(0)?, handed_over })
        })
        .transpose()
    }

    async fn register_master(&self, id: Uuid) -> Result<(), sqlx::Error> {
        let insert = sqlx::query("INSERT INTO master_key (only_row, id) VALUES (1, $1) ON CONFLICT DO NOTHING");
        let _turn = self.file.spot.turn().await;
        insert.bind(id).execute(&self.file.writer).await.map(drop)
    }

    async fn begin_rotation(
        &self,
        before: Uuid,
        next: Uuid,
        handed_over: &[u8],
        keys: &[WrappedKey],
    ) -> Result<bool, sqlx::Error> {
        let tx = self.file.spot.begin().await?;
        let begun = tx.connection()?.execute(
            "UPDATE master_key SET id = ?1, before = ?2, handed_over = ?3 WHERE id = ?2 AND handed_over IS NULL",
            (next.as_bytes(), before.as_bytes(), handed_over),
        );
        if begun.map_err(sqlite_failure)? == 0 {
            return Ok(false);
        }
        super::insert_keys(&tx, keys)?;
        tx.commit()?;
        Ok(true)
    }

    async fn rewrap(&self, keys: &[(WrappedKey, WrappedKey)]) -> Result<(), sqlx::Error> {
        let (_turn, mut tx) = self.file.begin().await?;
        for (old, new) in keys {
            sqlx::query("UPDATE data_key SET wrapped = $1 WHERE id = $2 AND wrapped = $3")
                .bind(&new.wrapped)
                .bind(old.id)
                .bind(&old.wrapped)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await
    }

    async fn finish_rotation(&self, id: Uuid) -> Result<bool, sqlx::Error> {
        let (_turn, mut tx) = self.file.begin().await?;
        let finished = sqlx::query(
            "UPDATE master_key SET before = NULL, handed_over = NULL WHERE id = $1 AND NOT EXISTS \
             (SELECT 1 FROM data_key WHERE length(wrapped) <> $2 OR substr(wrapped, 1, 16) <> $3)",
        )
        .bind(id)
        .bind(WRAPPED_BYTES)
        .bind(id.as_bytes().to_vec())
        .execute(&mut *tx)
        .await?;
        if finished.rows_affected() == 0 {
            return Ok(false);
        }
        rewrite(&mut tx).await?;
        tx.commit().await?;
        self.leave_no_trace().await?;
        Ok(true)
    }

    async fn server_keys(&self) -> Result<Vec<ServerKeyRecord>, sqlx::Error> {
        let select = sqlx::query("SELECT id, public_key, valid_from FROM server_key ORDER BY ordinal");
        let rows = select.fetch_all(&self.file.readers).await?;
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
        let tx = self.file.spot.begin().await?;
        crate::keys::vault::StaleMaster::check(in_force(&tx)?, seeds)?;
        let known = i64::try_from(known).unwrap_or(i64::MAX);
        let added = tx.connection()?.execute(
            "INSERT INTO server_key (id, public_key, valid_from, ordinal) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
            (key.id.as_bytes(), &key.public_key, key.valid_from.as_microsecond(), known),
        );
        if added.map_err(sqlite_failure)? == 0 {
            return Ok(false);
        }
        super::insert_keys(&tx, seeds)?;
        tx.commit()?;
        Ok(true)
    }
}

impl SqliteKeys {
    /// What was deleted or replaced is in no file any more.
    async fn leave_no_trace(&self) -> Result<(), sqlx::Error> {
        if truncate_wal(&self.file.writer).await? {
            return Ok(());
        }
        let message =
            "keys.db could not be rid of its log of changes, because another process reads from it; run it again";
        Err(sqlx::Error::Protocol(message.to_owned()))
    }
}

fn push_ids(query: &mut QueryBuilder<Sqlite>, ids: &[Uuid]) {
    let mut places = query.separated(", ");
    for id in ids {
        places.push_bind(*id);
    }
    query.push(")");
}

fn distinct(mut ids: Vec<Uuid>) -> Vec<Uuid> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Writes the table of keys afresh. `secure_delete` wipes what is deleted where it stands, but where pages were split or
/// merged before, copies of a row that moved stay in the unused part of a page; dropping the table wipes its pages whole.
async fn rewrite(tx: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    for statement in [
        "CREATE TABLE data_key_afresh (id BLOB PRIMARY KEY CHECK (length(id) = 16), wrapped BLOB NOT NULL) STRICT, \
         WITHOUT ROWID",
        "INSERT INTO data_key_afresh SELECT id, wrapped FROM data_key ORDER BY id",
        "DROP TABLE data_key",
        "ALTER TABLE data_key_afresh RENAME TO data_key",
    ] {
        sqlx::query(statement).execute(&mut *tx).await?;
    }
    Ok(())
}
