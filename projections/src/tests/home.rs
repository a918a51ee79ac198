//! A ledger with its views on one engine, a Writer and a clock turned by hand.

use std::sync::Arc;
use std::time::Duration;

use keyledger_events::keys::SqliteKeys;
use keyledger_events::store::{PostgresLedger, SqliteLedger};
use keyledger_events::{
    AppendOutcome, AppendRequest, Clock as _, ManualClock, NewEvent, Position, Provenance, RecordedEvent, SharedLedger,
    StreamId, TeamId, Writer, id,
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgPool};
use tempfile::TempDir;

use super::TestResult;
use crate::db::ViewStore;
use crate::projection::Projection;
use crate::runner::Runner;

/// How long a story waits for views before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

pub(crate) struct Home {
    pub(crate) folder: TempDir,
    database: Option<PgConnectOptions>,
    pub(crate) ledger: SharedLedger,
    pub(crate) writer: Writer,
    pub(crate) views: ViewStore,
    pub(crate) clock: Arc<ManualClock>,
}

impl Home {
    pub(crate) async fn open(engine: Engine) -> TestResult<Self> {
        let folder = tempfile::tempdir()?;
        let clock = Arc::new(ManualClock::new("2026-03-01T12:00:00Z".parse()?));
        let (database, ledger): (_, SharedLedger) = match engine {
            Engine::Sqlite => (None, Arc::new(SqliteLedger::open(&folder.path().join("ledger.db")).await?)),
            Engine::Postgres => {
                let database = new_database().await?;
                let ledger = PostgresLedger::open(&pool(&database).await?).await?;
                (Some(database), Arc::new(ledger))
            }
        };
        let keys = Arc::new(SqliteKeys::open(&folder.path().join("keys.db")).await?);
        let (writer, _) = Writer::start(ledger.clone(), keys, clock.clone());
        let views = views(&folder, database.as_ref()).await?;
        Ok(Self { folder, database, ledger, writer, views, clock })
    }

    /// The same views, as another process sees them.
    pub(crate) async fn views_elsewhere(&self) -> TestResult<ViewStore> {
        views(&self.folder, self.database.as_ref()).await
    }

    pub(crate) fn runner(&self) -> Runner {
        Runner::new(self.ledger.clone(), self.views.clone(), self.clock.clone())
    }

    /// A runner of a process of its own, over the given views.
    pub(crate) async fn runner_elsewhere(&self, projections: Vec<Arc<dyn Projection>>) -> TestResult<Runner> {
        let views = self.views_elsewhere().await?;
        Ok(Runner::with_projections(self.ledger.clone(), views, self.clock.clone(), projections))
    }

    /// Appends and tells the last position.
    pub(crate) async fn append(&self, team: TeamId, events: Vec<NewEvent>) -> TestResult<Position> {
        let request = AppendRequest { events, ..AppendRequest::new(team, Provenance::of("test")) };
        match self.writer.append(request).await? {
            AppendOutcome::Appended { last } => Ok(last),
            other => Err(format!("not appended: {other:?}").into()),
        }
    }

    /// Brings all views to the ledger's end.
    pub(crate) async fn catch_up(&self, runner: &Runner) -> TestResult {
        let head = self.ledger.head().await?.position;
        Ok(runner.catch_up(head, &[], PATIENCE).await?)
    }

    /// Appends an event whose type and payload this release does not know, as a newer one would.
    pub(crate) async fn append_foreign(&self, stream: StreamId, event_type: &str) -> TestResult<Position> {
        self.append_stored(TeamId(id::fresh()), stream, (event_type, 1), b"{}".to_vec()).await
    }

    /// Appends an event as another release wrote it: type, version and the payload's very bytes.
    pub(crate) async fn append_stored(
        &self,
        team: TeamId,
        stream: StreamId,
        (event_type, schema_version): (&str, u16),
        payload: Vec<u8>,
    ) -> TestResult<Position> {
        let stream_version = self.ledger.stream_version(team, stream).await? + 1;
        let mut tx = self.ledger.begin_append().await?;
        let mut head = tx.head().clone();
        head.position = head.position.next();
        head.recorded_at = self.clock.now();
        let mut event = RecordedEvent {
            position: head.position,
            team,
            stream,
            stream_version,
            event_id: id::fresh(),
            event_type: event_type.to_owned(),
            schema_version,
            occurred_at: self.clock.now(),
            recorded_at: self.clock.now(),
            provenance: Provenance::of("test"),
            payload,
            leaf_hash: [0; 32],
        };
        event.leaf_hash = event.expected_leaf_hash();
        head.frontier.push(event.leaf_hash);
        tx.insert(&[event], &head).await?;
        tx.commit().await?;
        Ok(head.position)
    }
}

async fn views(folder: &TempDir, database: Option<&PgConnectOptions>) -> TestResult<ViewStore> {
    Ok(match database {
        None => ViewStore::open_sqlite(folder.path()).await?,
        Some(database) => ViewStore::open_postgres(pool(database).await?).await?,
    })
}

async fn pool(database: &PgConnectOptions) -> TestResult<PgPool> {
    Ok(PgPoolOptions::new().max_connections(5).connect_with(database.clone()).await?)
}

async fn new_database() -> TestResult<PgConnectOptions> {
    let url = std::env::var("KEYLEDGER_TEST_POSTGRES").map_err(
        |_| "KEYLEDGER_TEST_POSTGRES names no server: run ./scripts/test, which starts a throw-away PostgreSQL",
    )?;
    let options: PgConnectOptions = url.parse()?;
    let name = format!("projections_{}", id::fresh().simple());
    let mut admin = options.connect().await?;
    (&mut admin).execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await?;
    admin.close().await?;
    Ok(options.database(&name))
}
