//! The shape of a view's table, declared once and spelled for both engines.

use std::fmt::Write as _;

use crate::db::TableName;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ColumnKind {
    /// Integers, times and booleans.
    Int,
    /// Texts and JSON documents.
    Text,
    /// Ids and other bytes.
    Bytes,
}

/// A column of a view's table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    name: &'static str,
    kind: ColumnKind,
    nullable: bool,
}

impl Column {
    /// An integer, time or boolean.
    pub const fn int(name: &'static str) -> Self {
        Self { name, kind: ColumnKind::Int, nullable: false }
    }

    /// A text.
    pub const fn text(name: &'static str) -> Self {
        Self { name, kind: ColumnKind::Text, nullable: false }
    }

    /// Bytes.
    pub const fn bytes(name: &'static str) -> Self {
        Self { name, kind: ColumnKind::Bytes, nullable: false }
    }

    /// The same, but it may be NULL.
    pub const fn or_null(self) -> Self {
        Self { nullable: true, ..self }
    }

    fn ddl(&self, postgres: bool) -> String {
        let kind = match (self.kind, postgres) {
            (ColumnKind::Int, false) => "INTEGER",
            (ColumnKind::Int, true) => "BIGINT",
            (ColumnKind::Text, false) => "TEXT",
            (ColumnKind::Text, true) => "TEXT COLLATE \"C\"",
            (ColumnKind::Bytes, false) => "BLOB",
            (ColumnKind::Bytes, true) => "BYTEA",
        };
        format!("{} {kind}{}", self.name, if self.nullable { "" } else { " NOT NULL" })
    }
}

/// An index of a view's table.
#[derive(Debug, Clone, Copy)]
pub struct Index {
    /// Its name, which the table's goes before.
    pub name: &'static str,
    /// What it is over.
    pub columns: &'static str,
    /// The rows it is about, for work lists: nearly all rows are done with.
    pub only: Option<&'static str>,
}

/// A view's table. The first columns are its key; in a fold's table the last one holds the state that events are
/// folded into. Where every column belongs to the key, rows are only ever added.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// All columns.
    pub columns: &'static [Column],
    /// How many of them are the key.
    pub key_columns: usize,
    /// Its indexes beside the key.
    pub indexes: &'static [Index],
}

impl Table {
    pub(crate) fn key_names(&self) -> String {
        names(self.columns.iter().take(self.key_columns))
    }

    pub(crate) fn names(&self) -> String {
        names(self.columns.iter())
    }

    /// What names a row within its team.
    pub(crate) fn second_key_name(&self) -> &'static str {
        self.columns.get(1).map_or("", |column| column.name)
    }

    pub(crate) fn state_name(&self) -> &'static str {
        self.columns.last().map_or("", |column| column.name)
    }

    pub(crate) fn create(&self, postgres: bool, table: &TableName) -> String {
        let columns = self.columns.iter().map(|column| column.ddl(postgres)).collect::<Vec<_>>().join(", ");
        let strict = match (postgres, self.is_all_key()) {
            (true, _) => "",
            (false, false) => " STRICT",
            // Rows that are nothing but their key are kept once, in the key's index.
            (false, true) => " STRICT, WITHOUT ROWID",
        };
        format!("CREATE TABLE {table} ({columns}, PRIMARY KEY ({})){strict}", self.key_names())
    }

    pub(crate) fn create_indexes(&self, table: &TableName) -> Vec<String> {
        let create = |index: &Index| {
            let only = index.only.map(|only| format!(" WHERE {only}")).unwrap_or_default();
            format!("CREATE INDEX {} ON {table} ({}){only}", table.index(index.name), index.columns)
        };
        self.indexes.iter().map(create).collect()
    }

    /// Whether a row says no more than that it is there.
    fn is_all_key(&self) -> bool {
        self.key_columns == self.columns.len()
    }

    /// Writes `rows` whole rows; a row that is there is replaced.
    pub(crate) fn upsert(&self, table: &TableName, rows: usize) -> String {
        let updates = self.columns.iter().skip(self.key_columns);
        let updates = updates.map(|column| format!("{0} = excluded.{0}", column.name)).collect::<Vec<_>>().join(", ");
        let values = tuples(table.is_postgres(), rows, self.columns.len());
        let (names, key) = (self.names(), self.key_names());
        let insert = insert_into(table.is_postgres());
        let update = if self.is_all_key() { "NOTHING".to_owned() } else { format!("UPDATE SET {updates}") };
        format!("{insert} {table} ({names}) VALUES {values} ON CONFLICT ({key}) DO {update}")
    }

    /// Reads key and state of the rows with `rows` given keys.
    pub(crate) fn select(&self, table: &TableName, rows: usize) -> String {
        let key = self.key_names();
        let values = tuples(table.is_postgres(), rows, self.key_columns);
        format!("SELECT {key}, {} FROM {table} WHERE ({key}) IN (VALUES {values})", self.state_name())
    }
}

fn names<'a>(columns: impl Iterator<Item = &'a Column>) -> String {
    columns.map(|column| column.name).collect::<Vec<_>>().join(", ")
}

/// How a statement that inserts many rows begins. A statement that SQLite may have to undo alone copies every page before
/// it changes it. Ours need no such copies: when one fails, the transaction or the savepoint that it is in is rolled back.
pub fn insert_into(postgres: bool) -> &'static str {
    if postgres { "INSERT INTO" } else { "INSERT OR FAIL INTO" }
}

/// `($1, $2), ($3, $4)` and so on; on SQLite `(?, ?), (?, ?)`, for it looks a numbered parameter up among all others,
/// which takes a time that grows with the square of their number.
pub fn tuples(postgres: bool, rows: usize, columns: usize) -> String {
    let mut sql = String::with_capacity(rows * columns * 7);
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns {
            sql.push_str(if column == 0 { "" } else { ", " });
            if postgres {
                // Writing into a String cannot fail.
                let _ = write!(sql, "${}", row * columns + column + 1);
            } else {
                sql.push('?');
            }
        }
        sql.push(')');
    }
    sql
}
