//! The SQL of [`super::ProofStore`], the same on both engines but for the schema's name.

/// Implements [`super::ProofStore`] for a ledger. `$tables` is what stands before a table's name, `$begin` how a
/// transaction that writes begins, `$reading` and `$writing` how long an
/// answer is waited for. Beside it stands `check_events`, which reads what each driver reads in its own way.
macro_rules! proof_store {
    (
        $ledger:ty, $row:ty, $tables:literal,
        readers: $readers:expr, begin: $begin:expr, reading: $reading:expr, writing: $writing:expr
    ) => {
        #[async_trait::async_trait]
        impl $crate::store::proofs::ProofStore for $ledger {
            async fn newest_checkpoints(&self, limit: u32) -> Result<Vec<StoredCheckpoint>, LedgerError> {
                let newest = concat!(
                    "SELECT size, root, signed_at, note FROM ",
                    $tables,
                    "checkpoint ORDER BY size DESC LIMIT $1"
                );
                let newest = sqlx::query(newest).bind(i64::from(limit.min(PROOF_ROWS_MAX)));
                answered($reading, newest.fetch_all($readers(self))).await?.iter().map(checkpoint).collect()
            }

            async fn checkpoints(&self, after: u64, limit: u32) -> Result<Vec<StoredCheckpoint>, LedgerError> {
                let page = concat!(
                    "SELECT size, root, signed_at, note FROM ",
                    $tables,
                    "checkpoint WHERE size > $1 ORDER BY size LIMIT $2"
                );
                let page = sqlx::query(page).bind(number(after)).bind(i64::from(limit.min(PROOF_ROWS_MAX)));
                answered($reading, page.fetch_all($readers(self))).await?.iter().map(checkpoint).collect()
            }

            async fn store_checkpoint(&self, checkpoint: &StoredCheckpoint) -> Result<Stored, LedgerError> {
                let insert = concat!(
                    "INSERT INTO ",
                    $tables,
                    "checkpoint (size, root, signed_at, note) SELECT $1, $2, $3, $4 ",
                    "WHERE NOT EXISTS (SELECT 1 FROM ",
                    $tables,
                    "checkpoint WHERE size = $1) ON CONFLICT DO NOTHING"
                );
                let mut tx = $begin(self).await?;
                let insert = sqlx::query(insert)
                    .bind(number(checkpoint.size))
                    .bind(checkpoint.root.to_vec())
                    .bind(checkpoint.signed_at.as_microsecond())
                    .bind(checkpoint.note.clone());
                let done = answered($writing, insert.execute(&mut *tx)).await?;
                tx.commit().await?;
                Ok(if done.rows_affected() == 1 { Stored::Appended } else { Stored::AlreadyThere })
            }

            async fn tiles_kept(&self, level: u32) -> Result<u64, LedgerError> {
                let last = concat!("SELECT max(idx) FROM ", $tables, "merkle_tile WHERE level = $1");
                let last = sqlx::query_scalar(last).bind(i64::from(level)).fetch_one($readers(self));
                let last: Option<i64> = answered($reading, last).await?;
                Ok(last.map_or(0, |last| last.unsigned_abs() + 1))
            }

            async fn hashes(&self, level: u32, first: u64, count: u32) -> Result<Vec<Hash>, LedgerError> {
                let leaves = concat!(
                    "SELECT position - 1, leaf_hash FROM ",
                    $tables,
                    "event WHERE position > $1 AND position <= $2 ORDER BY position"
                );
                let tiles = concat!(
                    "SELECT idx, hash FROM ",
                    $tables,
                    "merkle_tile WHERE idx >= $1 AND idx < $2 AND level = $3 ORDER BY idx"
                );
                let (first, count) = (number(first), i64::from(count.min(PROOF_ROWS_MAX)));
                let query = sqlx::query(if level == 0 { leaves } else { tiles }).bind(first).bind(first + count);
                let query = if level == 0 { query } else { query.bind(i64::from(level)) };
                let mut hashes = Vec::new();
                let rows = answered($reading, query.fetch_all($readers(self))).await?;
                for (expected, row) in (first..).zip(rows) {
                    let index: i64 = row.try_get(0)?;
                    if index != expected {
                        break;
                    }
                    hashes.push(hash(first_under(level, index.unsigned_abs()), row.try_get(1)?)?);
                }
                Ok(hashes)
            }

            async fn store_tiles(&self, level: u32, first: u64, hashes: &[Hash]) -> Result<(), LedgerError> {
                let insert = concat!(
                    "INSERT INTO ",
                    $tables,
                    "merkle_tile (level, idx, hash) SELECT $1, $2, $3 WHERE NOT EXISTS ",
                    "(SELECT 1 FROM ",
                    $tables,
                    "merkle_tile WHERE level = $1 AND idx = $2) ON CONFLICT DO NOTHING"
                );
                let mut tx = $begin(self).await?;
                for (index, hash) in (number(first)..).zip(hashes) {
                    let query = sqlx::query(insert).bind(i64::from(level)).bind(index).bind(hash.to_vec());
                    answered($writing, query.execute(&mut *tx)).await?;
                }
                Ok(tx.commit().await?)
            }

            async fn tiles(&self, after: Option<(u32, u64)>, limit: u32) -> Result<Vec<StoredTile>, LedgerError> {
                let page = concat!(
                    "SELECT level, idx, hash FROM ",
                    $tables,
                    "merkle_tile WHERE (level, idx) > ($1, $2) ORDER BY level, idx LIMIT $3"
                );
                let (level, index) = after.map_or((0, 0), |(level, index)| (i64::from(level), number(index)));
                let page = sqlx::query(page).bind(level).bind(index).bind(i64::from(limit.min(PROOF_ROWS_MAX)));
                answered($reading, page.fetch_all($readers(self)))
                    .await?
                    .iter()
                    .map(|row| {
                        let (level, index): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
                        let level = u32::try_from(level).unwrap_or(u32::MAX);
                        let index = index.unsigned_abs();
                        Ok(StoredTile { level, index, hash: hash(first_under(level, index), row.try_get(2)?)? })
                    })
                    .collect()
            }

            async fn edges(&self) -> Result<Edges, LedgerError> {
                // One statement sees one moment.
                let edges = concat!(
                    "SELECT (SELECT min(position) FROM ",
                    $tables,
                    "event), ",
                    "(SELECT max(position) FROM ",
                    $tables,
                    "event), head.position, head.recorded_at, head.frontier, head.restoring ",
                    "FROM (SELECT 1 AS one) AS always LEFT JOIN ",
                    $tables,
                    "ledger_head AS head ON head.id = 1"
                );
                let row = answered($reading, sqlx::query(edges).fetch_one($readers(self))).await?;
                let position: Option<i64> = row.try_get(2)?;
                let head = match position {
                    None => None,
                    Some(position) => {
                        let (recorded_at, frontier) = (row.try_get(3)?, row.try_get(4)?);
                        Some(RawHead { position, recorded_at, frontier, restoring: row.try_get(5)? })
                    }
                };
                Ok(Edges { head, first: row.try_get(0)?, last: row.try_get(1)? })
            }

            async fn check_events(&self, after: Position, until: Position) -> Result<Vec<Checked>, LedgerError> {
                check_events(self, after.0, until.0).await
            }

            async fn payload_bytes(&self, after: Position, limit: u32) -> Result<Vec<u64>, LedgerError> {
                // Both engines know a value's length without reading it.
                let page = concat!(
                    "SELECT CAST(length(payload) AS bigint) FROM ",
                    $tables,
                    "event WHERE position > $1 ORDER BY position LIMIT $2"
                );
                let page = sqlx::query_scalar(page).bind(after.0).bind(i64::from(limit.min(PROOF_ROWS_MAX)));
                let bytes: Vec<i64> = answered($reading, page.fetch_all($readers(self))).await?;
                Ok(bytes.into_iter().map(i64::unsigned_abs).collect())
            }
        }

        /// Sizes and indexes are far below 2^63.
        fn number(size: u64) -> i64 {
            i64::try_from(size).unwrap_or(i64::MAX)
        }

        fn hash(position: i64, bytes: Vec<u8>) -> Result<Hash, LedgerError> {
            let corrupt = |bytes: Vec<u8>| LedgerError::Corrupt { position, column: "hash", value: hex::encode(bytes) };
            bytes.try_into().map_err(corrupt)
        }

        fn checkpoint(row: &$row) -> Result<StoredCheckpoint, LedgerError> {
            let size: i64 = row.try_get(0)?;
            Ok(StoredCheckpoint {
                size: size.unsigned_abs(),
                root: hash(size, row.try_get(1)?)?,
                signed_at: $crate::store::row::time(size, "signed_at", row.try_get(2)?)?,
                note: row.try_get(3)?,
            })
        }
    };
}
pub(super) use proof_store;
