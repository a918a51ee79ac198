//! The stores from behind: what no command shows, and what nobody ought to do.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

use super::{Error, Keyledger};

/// Runs a statement on one of the stores (`ledger`, `keys`, `views`, `activity`); `{}` is its schema. Tells the first
/// number of the first row, if there is one.
pub(crate) async fn run(server: &Keyledger, store: &str, sql: &str) -> Result<Option<i64>, Error> {
    let postgres = server.database_url().starts_with("postgres");
    let sql = sql.replace("{}", &if postgres { format!("{store}.") } else { String::new() });
    if postgres {
        let mut connection = PgConnection::connect(server.database_url()).await?;
        let found = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_optional(&mut connection).await?;
        connection.close().await?;
        return Ok(found);
    }
    let file = server.folder().join("data").join(format!("{store}.db"));
    let mut connection = SqliteConnection::connect(&format!("sqlite:{}", file.display())).await?;
    let found = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_optional(&mut connection).await?;
    connection.close().await?;
    Ok(found)
}
