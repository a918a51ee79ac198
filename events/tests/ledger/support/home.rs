//! A ledger with its keys on one of the engines, in a place of its own that goes away with the test.

use std::path::Path;
use std::sync::Arc;

use keyledger_events::keys::{PostgresKeys, SharedKeyVault, SqliteKeys};
use keyledger_events::store::{PostgresLedger, SqliteLedger};
use keyledger_events::{ManualClock, SharedLedger, Writer};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, PgPool};
use tokio::task::JoinHandle;

use super::{MemoryKeys, MemoryLedger, TestResult, noon};

/// Where a suite runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Memory,
    Sqlite,
    Postgres,
}

enum Place {
    Memory(MemoryLedger),
    Sqlite(tempfile::TempDir),
    Postgres { server: Box<PgConnectOptions>, database: String },
}

/// A ledger's place.
pub(crate) struct Home {
    place: Place,
    /// The keys beside the ledger.
    pub(crate) keys: SharedKeyVault,
    /// The clock of the Writers started here.
    pub(crate) clock: Arc<ManualClock>,
}

/// Runs a story in a fresh place and takes the place away afterwards, even if the story fails.
pub(crate) async fn run<F>(engine: Engine, story: impl FnOnce(Arc<Home>) -> F) -> TestResult
where
    F: Future<Output = TestResult> + 'static,
{
    let home = Arc::new(Home::new(engine).await?);
    let tasks = tokio::task::LocalSet::new();
    let told = tasks.run_until(tasks.spawn_local(story(Arc::clone(&home)))).await;
    home.remove().await?;
    told.unwrap_or_else(|failure| match failure.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(failure) => Err(failure.into()),
    })
}

fn server() -> TestResult<PgConnectOptions> {
    let url = std::env::var("KEYLEDGER_TEST_POSTGRES").map_err(
        |_| "KEYLEDGER_TEST_POSTGRES names no server: run ./scripts/test, which starts a throw-away PostgreSQL",
    )?;
    Ok(url.parse()?)
}

impl Home {
    /// A fresh place.
    pub(crate) async fn new(engine: Engine) -> TestResult<Self> {
        let clock = Arc::new(ManualClock::new(noon()));
        let (place, keys): (_, SharedKeyVault) = match engine {
            Engine::Memory => (Place::Memory(MemoryLedger::default()), Arc::new(MemoryKeys::default())),
            Engine::Sqlite => {
                let folder = tempfile::tempdir()?;
                let keys = SqliteKeys::open(&folder.path().join("keys.db")).await?;
                (Place::Sqlite(folder), Arc::new(keys))
            }
            Engine::Postgres => {
                let server = server()?;
                let database = format!("ledger_{}", uuid::Uuid::new_v4().simple());
                let mut admin = PgConnection::connect_with(&server).await?;
                admin.execute(AssertSqlSafe(format!("CREATE DATABASE {database}"))).await?;
                admin.close().await?;
                let keys = PostgresKeys::open(pool(server.clone().database(&database)).await?).await?;
                (Place::Postgres { server: Box::new(server), database }, Arc::new(keys))
            }
        };
        Ok(Self { place, keys, clock })
    }

    /// Opens the ledger; again and again for several nodes or restarts.
    pub(crate) async fn ledger(&self) -> TestResult<SharedLedger> {
        Ok(match &self.place {
            Place::Memory(ledger) => Arc::new(ledger.clone()),
            Place::Sqlite(folder) => Arc::new(SqliteLedger::open(&folder.path().join("ledger.db")).await?),
            Place::Postgres { .. } => Arc::new(PostgresLedger::open(&self.postgres().await?).await?),
        })
    }

    /// Opens the ledger and starts a Writer on it.
    pub(crate) async fn writer(&self) -> TestResult<(SharedLedger, Writer)> {
        let ledger = self.ledger().await?;
        let (writer, _) = self.writer_on(ledger.clone());
        Ok((ledger, writer))
    }

    /// Starts a Writer on an open ledger.
    pub(crate) fn writer_on(&self, ledger: SharedLedger) -> (Writer, JoinHandle<()>) {
        Writer::start(ledger, self.keys.clone(), self.clock.clone())
    }

    /// The ledger in memory, whose commits can be lost.
    pub(crate) fn memory(&self) -> TestResult<&MemoryLedger> {
        match &self.place {
            Place::Memory(ledger) => Ok(ledger),
            _ => Err("this place is not in memory".into()),
        }
    }

    /// The SQLite folder.
    pub(crate) fn folder(&self) -> TestResult<&Path> {
        match &self.place {
            Place::Sqlite(folder) => Ok(folder.path()),
            _ => Err("this place is not SQLite".into()),
        }
    }

    /// How to connect to the PostgreSQL database as its owner.
    pub(crate) fn postgres_options(&self) -> TestResult<PgConnectOptions> {
        match &self.place {
            Place::Postgres { server, database } => Ok((**server).clone().database(database)),
            _ => Err("this place is not PostgreSQL".into()),
        }
    }

    /// Connects to the PostgreSQL database as its owner.
    pub(crate) async fn postgres(&self) -> TestResult<PgPool> {
        pool(self.postgres_options()?).await
    }

    /// Takes the place away.
    pub(crate) async fn remove(&self) -> TestResult {
        if let Place::Postgres { server, database } = &self.place {
            let mut admin = PgConnection::connect_with(server).await?;
            admin.execute(AssertSqlSafe(format!("DROP DATABASE {database} WITH (FORCE)"))).await?;
        }
        Ok(())
    }
}

async fn pool(options: PgConnectOptions) -> TestResult<PgPool> {
    Ok(PgPoolOptions::new().max_connections(3).connect_with(options).await?)
}

/// A connection that may do what a serving node may.
pub(crate) async fn serving_pool(home: &Home) -> TestResult<PgPool> {
    let options = PgPoolOptions::new().max_connections(1).after_connect(|connection, _| {
        Box::pin(async move { connection.execute("SET ROLE keyledger_serving").await.map(drop) })
    });
    Ok(options.connect_with(home.postgres_options()?).await?)
}
