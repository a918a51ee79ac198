//! Several processes append to one database and are killed without warning, again and again.

mod child;

use std::collections::{HashMap, HashSet};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use keyledger_events::{Position, RecordedEvent, SharedLedger, StreamKind};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::support::{Engine, Home, TestResult, check_ledger, run};

/// Processes that append at once.
const PROCESSES: usize = 3;
/// How long they do.
const DURATION: Duration = Duration::from_secs(6);

/// A process that appends, and what it has been told so far.
struct Appender {
    process: Child,
    said: JoinHandle<TestResult<Vec<String>>>,
}

impl Appender {
    fn start(place: &str) -> TestResult<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--exact", "crash::child::child_appender", "--nocapture"]);
        command.env(child::PLACE, place).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn()?;
        let mut lines = BufReader::new(process.stdout.take().ok_or("no pipe")?).lines();
        let said = tokio::spawn(async move {
            let mut said = Vec::new();
            while let Some(line) = lines.next_line().await? {
                said.push(line);
            }
            Ok(said)
        });
        Ok(Self { process, said })
    }

    /// SIGKILL, then everything it had said.
    async fn kill(mut self) -> TestResult<Vec<String>> {
        self.process.kill().await?;
        self.said.await?
    }
}

/// Reads on from where it was, all the time: what it sees must be complete and in order at every moment.
async fn tail(ledger: SharedLedger) -> TestResult {
    let mut last: Option<RecordedEvent> = None;
    loop {
        let after = last.as_ref().map_or(Position::START, |event| event.position);
        for event in ledger.read(after, 1_000).await? {
            let before = last.as_ref();
            assert_eq!(event.position.0, before.map_or(1, |before| before.position.0 + 1), "a reader saw a gap");
            assert!(before.is_none_or(|before| before.recorded_at <= event.recorded_at), "time went back");
            event.check_hash()?;
            last = Some(event);
        }
        sleep(Duration::from_millis(5)).await;
    }
}

/// Kills one process after the other at random moments and starts it again; at the end kills them all.
async fn kill_and_restart(place: &str) -> TestResult<Vec<String>> {
    let mut running = (0..PROCESSES).map(|_| Appender::start(place)).collect::<TestResult<Vec<_>>>()?;
    let (end, mut said) = (Instant::now() + DURATION, Vec::new());
    while Instant::now() < end {
        sleep(Duration::from_millis(rand::random_range(200..700))).await;
        let victim = running.swap_remove(rand::random_range(0..running.len()));
        said.extend(victim.kill().await?);
        running.push(Appender::start(place)?);
    }
    sleep(Duration::from_millis(500)).await;
    for victim in running {
        said.extend(victim.kill().await?);
    }
    Ok(said)
}

async fn killed_processes_lose_and_double_nothing(home: Arc<Home>, place: String) -> TestResult {
    let ledger = home.ledger().await?;
    let tail = tokio::spawn(tail(ledger.clone()));
    let said = kill_and_restart(&place).await?;
    sleep(Duration::from_millis(100)).await;
    assert!(!tail.is_finished(), "the tailing reader stopped: {:?}", tail.await);
    tail.abort();

    let events = check_ledger(&*ledger).await?;
    let mut stored = HashMap::new();
    events.iter().for_each(|event| *stored.entry(event.event_id).or_insert(0) += 1);
    let mut acknowledged = HashSet::new();
    for line in said {
        assert!(!line.starts_with("failed"), "a process was answered: {line}");
        let id = line.strip_prefix("appended ").map(str::parse::<Uuid>);
        // The last line of a killed process may be cut short.
        let Some(Ok(id)) = id else { continue };
        assert!(acknowledged.insert(id), "{id} was acknowledged twice");
        assert_eq!(stored.get(&id), Some(&1), "{id} was acknowledged");
    }
    assert!(acknowledged.len() > 200, "only {} acknowledged: the test tested little", acknowledged.len());
    assert!(events.len() >= acknowledged.len());
    // Each inbox event came with its data key, which must be there even if its process died right after the commit.
    for event in events.iter().filter(|event| event.stream.kind == StreamKind::Inbox) {
        assert!(home.keys.find(event.stream.id).await?.is_some(), "the key of {} is lost", event.stream);
    }
    Ok(())
}

#[tokio::test]
async fn sqlite_survives_kill_9() -> TestResult {
    // Guards: processes die while queuing, holding the write lock, between keys and ledger, and between COMMIT and
    // the answer, while others append to the same streams and a reader follows.
    run(Engine::Sqlite, |home| async move {
        let place = home.folder()?.to_str().ok_or("not UTF-8")?.to_owned();
        killed_processes_lose_and_double_nothing(home, place).await
    })
    .await
}

#[tokio::test]
async fn postgres_survives_kill_9() -> TestResult {
    // Guards: as on SQLite; besides, the server finishes the transaction of a client that is dead already.
    run(Engine::Postgres, |home| async move {
        let options = home.postgres_options()?;
        let database = options.get_database().ok_or("no database")?;
        let place =
            format!("postgres://{}@{}:{}/{database}", options.get_username(), options.get_host(), options.get_port());
        killed_processes_lose_and_double_nothing(home, place).await
    })
    .await
}
