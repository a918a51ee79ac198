//! Statements on SQLite, on the thread that asks.

use keyledger_events::store::{SpotTx, sqlite_failure};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Statement, ToSql};

use super::value::{Row, Value};

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Int(Some(value)) => ValueRef::Integer(*value),
            Self::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(Some(bytes)) => ValueRef::Blob(bytes),
            Self::Int(None) | Self::Text(None) | Self::Bytes(None) => ValueRef::Null,
        }))
    }
}

/// Gives each place its argument: `$2` the second one, `?` the one behind the last `?`.
fn bind(statement: &mut Statement<'_>, args: &[Value]) -> rusqlite::Result<()> {
    let mut places = 0;
    for place in 1..=statement.parameter_count() {
        let number = match statement.parameter_name(place) {
            Some(name) => name.get(1..).and_then(|number| number.parse().ok()).unwrap_or(place),
            None => {
                places += 1;
                places
            }
        };
        let arg = args.get(number - 1).ok_or(rusqlite::Error::InvalidParameterCount(args.len(), number))?;
        statement.raw_bind_parameter(place, arg)?;
    }
    Ok(())
}

pub(super) fn execute(tx: &SpotTx, sql: &str, args: &[Value]) -> Result<u64, sqlx::Error> {
    let changed = tx.connection()?.prepare_cached(sql).and_then(|mut statement| {
        bind(&mut statement, args)?;
        statement.raw_execute()
    });
    changed.map(|changed| changed as u64).map_err(sqlite_failure)
}

pub(super) fn fetch(tx: &SpotTx, sql: &str, args: &[Value]) -> Result<Vec<Row>, sqlx::Error> {
    let found = tx.connection()?.prepare_cached(sql).and_then(|mut statement| {
        bind(&mut statement, args)?;
        let columns = statement.column_count();
        let mut rows = statement.raw_query();
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let values: rusqlite::Result<_> = (0..columns).map(|column| row.get_ref(column).and_then(value)).collect();
            found.push(Row(values?));
        }
        Ok(found)
    });
    found.map_err(sqlite_failure)
}

fn value(stored: ValueRef<'_>) -> rusqlite::Result<Value> {
    Ok(match stored {
        ValueRef::Integer(value) => Value::Int(Some(value)),
        ValueRef::Blob(bytes) => Value::Bytes(Some(bytes.to_vec())),
        ValueRef::Null => Value::Text(None),
        ValueRef::Text(_) | ValueRef::Real(_) => Value::Text(Some(stored.as_str()?.to_owned())),
    })
}
