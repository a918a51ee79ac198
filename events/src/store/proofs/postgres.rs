//! Proofs in PostgreSQL's schema `ledger`.

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::checked::RawEvent;
use super::{Checked, Edges, PROOF_ROWS_MAX, RawHead, Stored, StoredCheckpoint, StoredTile, StreamRow};
use crate::id::Position;
use crate::merkle::Hash;
use crate::store::{LedgerError, PostgresLedger};

super::proof_store!(
    PostgresLedger, PgRow, "ledger.", "BEGIN", i16,
    readers: PostgresLedger::readers, writer: PostgresLedger::writer
);
