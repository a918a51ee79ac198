//! A database of its own on the server for each run, so that no run meets the rows of another.

use anyhow::{Context as _, ensure};
use keyledger_events::store::PostgresLedger;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};

/// The database; [`Database::drop`] removes it.
pub(crate) struct Database {
    server: PgConnection,
    options: PgConnectOptions,
    name: String,
}

impl Database {
    /// Makes it. A server that does not wait for its disk is refused: it would make both sides look better than any
    /// seller's.
    pub(crate) async fn make(url: &str) -> anyhow::Result<Self> {
        let options: PgConnectOptions = url.parse()?;
        let mut server = options.connect().await.with_context(|| format!("connecting to {url}"))?;
        for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
            let show = AssertSqlSafe(format!("SHOW {setting}"));
            let value: String = sqlx::query_scalar(show).fetch_one(&mut server).await?;
            ensure!(value == "on", "the PostgreSQL server has {setting} = {value}; benches need it on");
        }
        let name = format!("bench_{}", keyledger_events::id::fresh().simple());
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut server).await?;
        Ok(Self { server, options: options.database(&name), name })
    }

    /// Our ledger in it, with our migrations.
    pub(crate) async fn ledger(&self) -> anyhow::Result<PostgresLedger> {
        let admin = PgPoolOptions::new().max_connections(1).connect_with(self.options.clone()).await?;
        Ok(PostgresLedger::open(&admin).await?)
    }

    /// A plain connection to it.
    pub(crate) async fn connect(&self) -> anyhow::Result<PgConnection> {
        Ok(self.options.connect().await?)
    }

    /// Removes it, whoever is still connected.
    pub(crate) async fn drop(mut self) -> anyhow::Result<()> {
        sqlx::query(AssertSqlSafe(format!("DROP DATABASE {} WITH (FORCE)", self.name)))
            .execute(&mut self.server)
            .await?;
        Ok(self.server.close().await?)
    }
}
