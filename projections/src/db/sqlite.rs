//! Statements on SQLite.

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Column as _, Executor, Row as _, Sqlite, TypeInfo as _, ValueRef as _};

use super::value::{Row, Value};

fn bound(sql: String, args: Vec<Value>) -> Query<'static, Sqlite, SqliteArguments> {
    args.into_iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, arg| match arg {
        Value::Int(value) => query.bind(value),
        Value::Text(value) => query.bind(value),
        Value::Bytes(value) => query.bind(value),
    })
}

pub(super) async fn execute<'c, E>(executor: E, sql: String, args: Vec<Value>) -> Result<u64, sqlx::Error>
where
    E: Executor<'c, Database = Sqlite>,
{
    Ok(bound(sql, args).execute(executor).await?.rows_affected())
}

pub(super) async fn fetch<'c, E>(executor: E, sql: String, args: Vec<Value>) -> Result<Vec<Row>, sqlx::Error>
where
    E: Executor<'c, Database = Sqlite>,
{
    bound(sql, args).fetch_all(executor).await?.iter().map(row).collect()
}

fn row(row: &SqliteRow) -> Result<Row, sqlx::Error> {
    row.columns().iter().map(|column| value(row, column.ordinal())).collect::<Result<_, _>>().map(Row)
}

fn value(row: &SqliteRow, index: usize) -> Result<Value, sqlx::Error> {
    let raw = row.try_get_raw(index)?;
    if raw.is_null() {
        return Ok(Value::Text(None));
    }
    Ok(match raw.type_info().name() {
        "INTEGER" => Value::Int(row.try_get_unchecked(index)?),
        "BLOB" => Value::Bytes(row.try_get_unchecked(index)?),
        _ => Value::Text(row.try_get_unchecked(index)?),
    })
}
