//! Proofs in `ledger.db`.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::checked::RawEvent;
use super::{Checked, Edges, PROOF_ROWS_MAX, RawHead, Stored, StoredCheckpoint, StoredTile, StreamRow};
use crate::id::Position;
use crate::merkle::Hash;
use crate::store::{LedgerError, SqliteLedger};

super::proof_store!(
    SqliteLedger, SqliteRow, "", "BEGIN IMMEDIATE", i64,
    readers: SqliteLedger::readers, writer: SqliteLedger::writer
);
