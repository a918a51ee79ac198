//! What the stories of the background workers stand on: a database of their own, a clock turned by hand, and as
//! many processes on both as a story wants.
//!
//! PostgreSQL's stories want a throw-away server in `KEYLEDGER_TEST_POSTGRES`; each makes a database of its own.

mod attacker;
mod facts;

use std::sync::Arc;

use keyledger_events::event::license::LicenseSuspended;
use keyledger_events::event::product::ProductRegistered;
use keyledger_events::event::team::TeamRegistered;
use keyledger_events::keys::WrappedKey;
use keyledger_events::sealed::SealContext;
use keyledger_events::{
    AppendOutcome, AppendRequest, Event, ManualClock, NewEvent, Position, Provenance, RecordedEvent, StreamId,
    StreamKind, TeamId, Timestamp, id,
};
use keyledger_projections::TeamConfig;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::app::App;
use crate::backup::Archive;
use crate::config::{DatabaseUrl, HexKey, MasterKeySource};

pub(crate) use attacker::{Attacker, all};

/// What a story ends with.
pub(crate) type TestResult<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Declares stories as tests on both engines.
macro_rules! stories {
    ($($story:ident),* $(,)?) => {
        mod sqlite { $crate::test_support::stories!(@on Sqlite: $($story),*); }
        mod postgres { $crate::test_support::stories!(@on Postgres: $($story),*); }
    };
    (@on $engine:ident: $($story:ident),*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $story() -> $crate::test_support::TestResult {
            super::$story($crate::test_support::Home::open($crate::test_support::Engine::$engine).await?).await
        }
    )*};
}
pub(crate) use stories;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// A seller's ledger with a team and a product, at noon of 1 March 2026.
pub(crate) struct Home {
    pub(crate) app: App,
    pub(crate) folder: TempDir,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) team: TeamId,
    pub(crate) product: Uuid,
    url: DatabaseUrl,
}

/// The moment that many seconds after noon of 1 March 2026, when the stories begin.
pub(crate) fn noon_and(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_772_366_400 + seconds).unwrap_or_default()
}

pub(crate) const DAY: i64 = 86_400;

impl Home {
    pub(crate) async fn open(engine: Engine) -> TestResult<Self> {
        let folder = tempfile::tempdir()?;
        let clock = Arc::new(ManualClock::new(noon_and(0)));
        let url = match engine {
            Engine::Sqlite => DatabaseUrl::Sqlite(folder.path().join("data")),
            Engine::Postgres => new_database().await?.parse()?,
        };
        let (app, _) = open(&url, clock.clone()).await?;
        let home = Self { app, folder, clock, team: TeamId(id::fresh()), product: id::fresh(), url };
        home.found().await?;
        Ok(home)
    }

    /// Another process on the same database, and the task of its Writer.
    pub(crate) async fn another(&self) -> TestResult<(App, JoinHandle<()>)> {
        open(&self.url, self.clock.clone()).await
    }

    /// Another process on the same database, which is to find out what was changed.
    pub(crate) async fn audited(&self) -> TestResult<App> {
        Ok(App::open_to_audit(&self.url, &master(), self.clock.clone()).await?.0)
    }

    /// What a backup is taken of.
    pub(crate) async fn archive(&self) -> TestResult<Archive> {
        Ok(Archive::open(&self.url).await?)
    }

    /// Somebody with the database's password and without scruples.
    pub(crate) async fn attacker(&self) -> TestResult<Attacker> {
        Attacker::open(&self.url).await
    }

    /// Suspends a new licence so many times, or a new one each time; the last position.
    pub(crate) async fn grow(&self, events: usize, streams: usize) -> TestResult<Position> {
        let streams: Vec<_> = (0..streams.max(1)).map(|_| StreamId::new(StreamKind::License, id::fresh())).collect();
        let mut last = Position::START;
        let all: Vec<_> = (0..events)
            .map(|number| {
                let event = LicenseSuspended { reason: Some(format!("reason {number}")) };
                NewEvent::new(streams[number % streams.len()], noon_and(0), event)
            })
            .collect();
        for some in all.chunks(1_000) {
            last = self.append(some.to_vec(), Vec::new()).await?;
        }
        Ok(last)
    }

    async fn found(&self) -> TestResult {
        let stream = StreamId::new(StreamKind::Team, self.team.0);
        let event_id = id::fresh();
        let private_key = self.seal(event_id, TeamConfig::PRIVATE_KEY_FIELD, "private").await?;
        let team = TeamRegistered { name: "Example Software".to_owned(), public_key: String::new(), private_key };
        let product = StreamId::new(StreamKind::Product, self.product);
        let events = vec![
            NewEvent { stream, event_id, occurred_at: noon_and(0), event: team.into() },
            NewEvent::new(product, noon_and(0), ProductRegistered { name: "Plugin".to_owned() }),
        ];
        self.append(events, Vec::new()).await.map(drop)
    }

    /// Seals with the team's key.
    async fn seal(&self, event_id: Uuid, field: &str, text: &str) -> TestResult<keyledger_events::Sealed> {
        let key = self.app.keys.key_or_new(self.team.0).await?;
        Ok(key.seal(SealContext { team: self.team, event_id, field }, text.as_bytes()))
    }

    /// Appends and tells the last position.
    pub(crate) async fn append(&self, events: Vec<NewEvent>, keys: Vec<WrappedKey>) -> TestResult<Position> {
        let request = AppendRequest { events, keys, ..AppendRequest::new(self.team, Provenance::of("test")) };
        match self.app.writer.append(request).await? {
            AppendOutcome::Appended { last } => Ok(last),
            other => Err(format!("not appended: {other:?}").into()),
        }
    }

    /// Appends one event.
    pub(crate) async fn happen(&self, stream: StreamId, event: impl Into<Event>) -> TestResult {
        self.append(vec![NewEvent::new(stream, noon_and(0), event)], Vec::new()).await.map(drop)
    }

    /// A stream's events, with what is recorded about them.
    pub(crate) async fn history(&self, stream: StreamId) -> TestResult<Vec<(RecordedEvent, Event)>> {
        let recorded = self.app.ledger.read_streams(self.team, &[stream]).await?;
        recorded.into_iter().map(|recorded| Ok((recorded.clone(), recorded.decode()?))).collect()
    }

    /// The last event of a stream.
    pub(crate) async fn last(&self, stream: StreamId) -> TestResult<Event> {
        Ok(self.history(stream).await?.pop().ok_or("the stream is empty")?.1)
    }
}

async fn open(url: &DatabaseUrl, clock: Arc<ManualClock>) -> TestResult<(App, JoinHandle<()>)> {
    Ok(App::open(url, &master(), clock).await?)
}

fn master() -> MasterKeySource {
    MasterKeySource::Hex(HexKey::new("5a".repeat(32)))
}

async fn new_database() -> TestResult<String> {
    let server = std::env::var("KEYLEDGER_TEST_POSTGRES").map_err(|_| {
        "KEYLEDGER_TEST_POSTGRES is not set: it names a throw-away PostgreSQL server, postgres://admin@host:port/postgres"
    })?;
    let name = format!("workers_{}", id::fresh().simple());
    let mut admin = server.parse::<sqlx::postgres::PgConnectOptions>()?.connect().await?;
    (&mut admin).execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await?;
    admin.close().await?;
    let base = server.rsplit_once('/').map_or(server.as_str(), |(base, _)| base);
    Ok(format!("{base}/{name}"))
}
