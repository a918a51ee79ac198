//! A digest of a view's rows that does not depend on their order: the same events give the same digest, however
//! often and in whatever batches the view was computed.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::db::{Row, TableName, Value, ViewStore};
use crate::error::QueryError;
use crate::table::{Table, tuples};

/// Rows of one query.
const ROWS_PER_QUERY: usize = 1_000;

/// The number of rows, and the sum of their SHA-256 hashes modulo 2^256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest {
    /// How many rows there are.
    pub rows: u64,
    sum: [u8; 32],
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.sum))
    }
}

impl Digest {
    fn add(&mut self, row: &Row) {
        let mut hasher = Sha256::new();
        for value in row.values() {
            hash_value(&mut hasher, value);
        }
        let hash: [u8; 32] = hasher.finalize().into();
        let mut carry = 0_u16;
        for (sum, byte) in self.sum.iter_mut().zip(hash).rev() {
            let [high, low] = (u16::from(*sum) + u16::from(byte) + carry).to_be_bytes();
            *sum = low;
            carry = u16::from(high);
        }
        self.rows += 1;
    }
}

/// A tag, then a length where the value has one, so that no two rows look alike. NULL is NULL whatever its type.
fn hash_value(hasher: &mut Sha256, value: &Value) {
    match value {
        Value::Int(Some(int)) => {
            hasher.update([1]);
            hasher.update(int.to_be_bytes());
        }
        Value::Text(Some(text)) => hash_bytes(hasher, 2, text.as_bytes()),
        Value::Bytes(Some(bytes)) => hash_bytes(hasher, 3, bytes),
        Value::Int(None) | Value::Text(None) | Value::Bytes(None) => hasher.update([0]),
    }
}

fn hash_bytes(hasher: &mut Sha256, tag: u8, bytes: &[u8]) {
    hasher.update([tag]);
    hasher.update((bytes.len() as u64).to_be_bytes());
    hasher.update(bytes);
}

/// Where rows are read from, page by page.
pub(crate) trait Pages {
    /// Runs one query.
    fn page(&mut self, sql: String, args: Vec<Value>) -> impl Future<Output = Result<Vec<Row>, sqlx::Error>> + Send;
}

impl Pages for &ViewStore {
    async fn page(&mut self, sql: String, args: Vec<Value>) -> Result<Vec<Row>, sqlx::Error> {
        self.fetch(sql, args).await
    }
}

impl Pages for &mut crate::db::Tx {
    async fn page(&mut self, sql: String, args: Vec<Value>) -> Result<Vec<Row>, sqlx::Error> {
        self.fetch(sql, args).await
    }
}

/// The digest of a table, read in order of its key.
pub(crate) async fn digest(mut pages: impl Pages, table: &Table, name: &TableName) -> Result<Digest, QueryError> {
    let mut digest = Digest::default();
    let (columns, key) = (table.names(), table.key_names());
    let mut after: Vec<Value> = Vec::new();
    loop {
        let condition = match after.len() {
            0 => String::new(),
            columns => format!(" WHERE ({key}) > {}", tuples(name.is_postgres(), 1, columns)),
        };
        let sql = format!("SELECT {columns} FROM {name}{condition} ORDER BY {key} LIMIT {ROWS_PER_QUERY}");
        let rows = pages.page(sql, after).await?;
        rows.iter().for_each(|row| digest.add(row));
        match rows.last() {
            Some(last) if rows.len() == ROWS_PER_QUERY => {
                after = last.values().iter().take(table.key_columns).cloned().collect();
            }
            _ => return Ok(digest),
        }
    }
}
