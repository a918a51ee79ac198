//! Whether a database says no to what it was sent, or could not do it whatever that was.

use rusqlite::ffi;
use sqlx::postgres::PgDatabaseError;

/// PostgreSQL's classes of errors about what was sent: data exception, integrity constraint, limit of the program.
const POSTGRES_CLASSES: [&str; 3] = ["22", "23", "54"];

/// SQLite's: a constraint, a type, a size.
const SQLITE_CODES: [i32; 3] = [ffi::SQLITE_CONSTRAINT, ffi::SQLITE_MISMATCH, ffi::SQLITE_TOOBIG];

/// Whether the cause lies in what was sent: a constraint, a value that the database or its driver does not take. A
/// database that shuts down, is full or is busy refuses nothing.
pub(super) fn is_refusal(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(said) => {
            let is_postgres = said.try_downcast_ref::<PgDatabaseError>().is_some();
            said.code().is_some_and(|code| is_about_values(&code, is_postgres))
        }
        sqlx::Error::Encode(_) | sqlx::Error::Protocol(_) => true,
        _ => false,
    }
}

fn is_about_values(code: &str, is_postgres: bool) -> bool {
    if is_postgres {
        return POSTGRES_CLASSES.iter().any(|class| code.starts_with(class));
    }
    // The lowest byte of an extended code tells the kind.
    code.parse::<i32>().is_ok_and(|code| SQLITE_CODES.contains(&(code & 0xff)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_goes_away_refuses_nothing() {
        for code in ["23505", "22021", "54000"] {
            assert!(is_about_values(code, true), "{code}");
        }
        // Shutting down, too many connections, disk full, terminated, read-only.
        for code in ["57P01", "57P03", "53300", "53100", "08006", "25006"] {
            assert!(!is_about_values(code, true), "{code}");
        }
        for code in [ffi::SQLITE_CONSTRAINT_UNIQUE, ffi::SQLITE_CONSTRAINT_TRIGGER, ffi::SQLITE_TOOBIG] {
            assert!(is_about_values(&code.to_string(), false), "{code}");
        }
        for code in [ffi::SQLITE_BUSY, ffi::SQLITE_FULL, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_READONLY] {
            assert!(!is_about_values(&code.to_string(), false), "{code}");
        }
    }
}
