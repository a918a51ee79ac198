//! Telling failures apart: those of the data, which come back on every try, and those of the day.

use sqlx::error::ErrorKind;

/// SQLSTATE of PostgreSQL for a table that is not there.
const POSTGRES_UNDEFINED_TABLE: &str = "42P01";
/// SQLSTATE of PostgreSQL for a lock that somebody else keeps.
const POSTGRES_LOCK_NOT_AVAILABLE: &str = "55P03";
/// SQLSTATE of PostgreSQL for a session that it ended because it idled in a transaction.
const POSTGRES_IDLED: &str = "25P03";
/// SQLSTATE classes of PostgreSQL that retrying does not mend: bad data, violated constraints, bad statements, more than
/// fits (a row of an index).
const POSTGRES_REFUSED_CLASSES: [&str; 4] = ["22", "23", "42", "54"];
/// Primary result codes of SQLite that retrying does not mend: ERROR, TOOBIG, CONSTRAINT, MISMATCH.
const SQLITE_REFUSED_CODES: [i64; 4] = [1, 18, 19, 20];

/// Whether the statement named a table that is not there (any more).
pub(crate) fn is_missing_table(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| {
        error.code().as_deref() == Some(POSTGRES_UNDEFINED_TABLE) || error.message().starts_with("no such table")
    })
}

/// Whether a lock was waited for for too long.
pub(crate) fn is_locked(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.code().as_deref() == Some(POSTGRES_LOCK_NOT_AVAILABLE))
}

/// Whether the connection was lost, or ended because it idled in a transaction.
pub(crate) fn is_lost_connection(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => error.code().as_deref() == Some(POSTGRES_IDLED),
        _ => false,
    }
}

/// Whether the database refuses this very statement with these values, so that trying again is of no use.
pub(crate) fn is_refused_data(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else {
        return matches!(error, sqlx::Error::Encode(_) | sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. });
    };
    if !matches!(error.kind(), ErrorKind::Other) {
        return true;
    }
    let Some(code) = error.code() else { return false };
    if error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
        return POSTGRES_REFUSED_CLASSES.iter().any(|class| code.starts_with(class));
    }
    // The low byte of SQLite's extended result code is the primary one.
    code.parse::<i64>().is_ok_and(|code| SQLITE_REFUSED_CODES.contains(&(code & 0xff)))
}
