//! PostgreSQL for tests: a database of its own for each test, or a server of its own for tests that crash it.

use std::path::Path;
use std::process::Command;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;

use super::{Error, in_project};

/// An empty database on the server that `scripts/test` started; dropped at the end.
#[derive(Debug)]
pub(crate) struct TestDatabase {
    server: String,
    name: String,
    url: String,
}

impl TestDatabase {
    pub(crate) async fn create() -> Result<Self, Error> {
        let server = std::env::var("KEYLEDGER_TEST_POSTGRES").map_err(
            |_| "KEYLEDGER_TEST_POSTGRES is not set: run the tests through ./scripts/test, which starts a PostgreSQL server",
        )?;
        let name = super::unique("test");
        run(&server, format!("CREATE DATABASE {name}")).await?;
        let base = server.rsplit_once('/').map_or(server.as_str(), |(base, _)| base);
        Ok(Self { url: format!("{base}/{name}"), server: server.clone(), name })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for TestDatabase {
    /// On a thread of its own: this runs inside the test's runtime, which must not be blocked on.
    fn drop(&mut self) {
        let (server, sql) = (self.server.clone(), format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(run(&server, sql))
        });
        // What cannot be dropped goes with the throw-away server.
        let _ = dropping.join();
    }
}

async fn run(server: &str, sql: String) -> Result<(), Error> {
    let mut connection = PgConnection::connect(server).await?;
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// A PostgreSQL server of a test's own, which it may crash; removed at the end.
#[derive(Debug)]
pub(crate) struct OwnPostgres {
    folder: TempDir,
    url: String,
}

impl OwnPostgres {
    pub(crate) fn start() -> Result<Self, Error> {
        let folder = tempfile::tempdir()?;
        let url = control("start", folder.path())?;
        Ok(Self { folder, url })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Stops the server as a crash would, without saying good-bye to anyone; it stays down.
    pub(crate) fn crash(&self) -> Result<(), Error> {
        control("stop", self.folder.path()).map(drop)
    }

    /// Starts the server again on the same port, after a crash or instead of one.
    pub(crate) fn restart_immediately(&self) -> Result<(), Error> {
        control("restart", self.folder.path()).map(drop)
    }
}

impl Drop for OwnPostgres {
    fn drop(&mut self) {
        let _ = control("stop", self.folder.path());
    }
}

fn control(command: &str, folder: &Path) -> Result<String, Error> {
    let output = Command::new(in_project("scripts/lib/postgres")).arg(command).arg(folder).output()?;
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout)?.trim().to_owned()),
        false => Err(format!("PostgreSQL did not {command}: {}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

#[tokio::test]
async fn a_server_of_its_own_keeps_what_was_committed_before_it_crashed() -> super::TestResult {
    let server = OwnPostgres::start()?;
    run(server.url(), "CREATE TABLE kept AS SELECT 7 AS value".to_owned()).await?;
    server.restart_immediately()?;
    let mut connection = PgConnection::connect(server.url()).await?;
    let value: i32 = sqlx::query_scalar("SELECT value FROM kept").fetch_one(&mut connection).await?;
    assert_eq!(value, 7);
    Ok(())
}
