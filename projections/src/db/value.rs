//! The three kinds of values that both engines store alike: integers, texts and bytes.
//!
//! Ids are 16 bytes, times are microseconds since the Unix epoch, booleans are 0 and 1.

use keyledger_events::{Position, TeamId, Timestamp};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Texts that rows are found by: as they are up to here …
const LOOKUP_BYTES_MAX: usize = 500;
/// … and of longer ones so much.
const LOOKUP_BEGINNING_BYTES: usize = 100;

/// A value of a row or of a statement's argument; `None` is NULL.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    /// INTEGER or BIGINT.
    Int(Option<i64>),
    /// TEXT.
    Text(Option<String>),
    /// BLOB or BYTEA.
    Bytes(Option<Vec<u8>>),
}

impl Value {
    /// A text. PostgreSQL stores no NUL character, so it becomes U+FFFD on both engines.
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        Self::Text(Some(if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }))
    }

    /// A text from outside that rows are found by. PostgreSQL's indexes take some 2,700 bytes for all columns of a row, so
    /// a long text is known by its beginning and its SHA-256.
    pub fn lookup(text: &str) -> Self {
        if text.len() <= LOOKUP_BYTES_MAX {
            return Self::text(text);
        }
        let beginning = &text[..text.floor_char_boundary(LOOKUP_BEGINNING_BYTES)];
        Self::text(format!("{beginning}…{}", hex::encode(Sha256::digest(text))))
    }

    /// A text or NULL.
    pub fn text_or_null(text: Option<&str>) -> Self {
        text.map_or(Self::Text(None), Self::text)
    }

    /// A time or NULL.
    pub fn time_or_null(time: Option<Timestamp>) -> Self {
        Self::Int(time.map(Timestamp::as_microsecond))
    }

    /// An id or NULL.
    pub fn uuid_or_null(id: Option<Uuid>) -> Self {
        Self::Bytes(id.map(|id| id.as_bytes().to_vec()))
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(Some(i64::from(value)))
    }
}

impl From<Uuid> for Value {
    fn from(id: Uuid) -> Self {
        Self::Bytes(Some(id.as_bytes().to_vec()))
    }
}

impl From<TeamId> for Value {
    fn from(team: TeamId) -> Self {
        team.0.into()
    }
}

impl From<Position> for Value {
    fn from(position: Position) -> Self {
        Self::Int(Some(position.0))
    }
}

impl From<Timestamp> for Value {
    fn from(time: Timestamp) -> Self {
        Self::Int(Some(time.as_microsecond()))
    }
}

/// A stored value that is not of the kind that we write there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column} holds {found} where {expected} was expected")]
pub struct ColumnError {
    column: usize,
    expected: &'static str,
    found: String,
}

/// A row as read, column by column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row(pub(super) Vec<Value>);

impl Row {
    /// All columns.
    pub fn values(&self) -> &[Value] {
        &self.0
    }

    /// An integer, or `None` for NULL.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn optional_int(&self, column: usize) -> Result<Option<i64>, ColumnError> {
        match self.0.get(column) {
            Some(Value::Int(value)) => Ok(*value),
            Some(Value::Text(None) | Value::Bytes(None)) => Ok(None),
            other => Err(unexpected(column, "an integer", other)),
        }
    }

    /// An integer.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn int(&self, column: usize) -> Result<i64, ColumnError> {
        self.optional_int(column)?.ok_or_else(|| unexpected(column, "an integer", None))
    }

    /// A text, or `None` for NULL.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn optional_text(&self, column: usize) -> Result<Option<&str>, ColumnError> {
        match self.0.get(column) {
            Some(Value::Text(value)) => Ok(value.as_deref()),
            Some(Value::Int(None) | Value::Bytes(None)) => Ok(None),
            other => Err(unexpected(column, "a text", other)),
        }
    }

    /// A text.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn text(&self, column: usize) -> Result<&str, ColumnError> {
        self.optional_text(column)?.ok_or_else(|| unexpected(column, "a text", None))
    }

    /// An id.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn uuid(&self, column: usize) -> Result<Uuid, ColumnError> {
        let found = self.0.get(column);
        match found {
            Some(Value::Bytes(Some(bytes))) => {
                Uuid::from_slice(bytes).map_err(|_| unexpected(column, "an id of 16 bytes", found))
            }
            other => Err(unexpected(column, "an id of 16 bytes", other)),
        }
    }

    /// Bytes, or `None` for NULL.
    ///
    /// # Errors
    /// When the column holds something else.
    pub fn optional_bytes(&self, column: usize) -> Result<Option<&[u8]>, ColumnError> {
        match self.0.get(column) {
            Some(Value::Bytes(value)) => Ok(value.as_deref()),
            Some(Value::Int(None) | Value::Text(None)) => Ok(None),
            other => Err(unexpected(column, "bytes", other)),
        }
    }
}

fn unexpected(column: usize, expected: &'static str, found: Option<&Value>) -> ColumnError {
    let found = match found {
        None => "nothing".to_owned(),
        Some(Value::Int(_)) => "an integer".to_owned(),
        Some(Value::Text(_)) => "a text".to_owned(),
        Some(Value::Bytes(bytes)) => format!("{} bytes", bytes.as_ref().map_or(0, Vec::len)),
    };
    ColumnError { column, expected, found }
}
