//! The real binary as a process: served, killed, started again, and called from the command line.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;

use super::postgres::TestDatabase;
use super::{Error, PATIENCE, TestResult};

/// How long a server may take to start, migrations included, and a command to finish.
const PROCESS_LIMIT: Duration = Duration::from_secs(60);

/// How much of a server's log is shown when a test fails, in lines.
const LOG_TAIL_LINES: usize = 60;

/// Which store a ledger is kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// What a server is started with beyond the usual.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    env: Vec<(String, String)>,
}

impl Options {
    /// An environment variable, for the server and for commands beside it.
    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }
}

/// What outlives a server's process: its folder, its database, how it is called.
#[derive(Debug)]
struct Home {
    folder: TempDir,
    database_url: String,
    env: Mutex<Vec<(String, String)>>,
    runs: AtomicU32,
    /// Dropped with the last server that uses it.
    _database: Option<TestDatabase>,
}

impl Home {
    fn command(&self) -> std::process::Command {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_keyledger"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("KEYLEDGER_")) {
            command.env_remove(name);
        }
        command.current_dir(self.folder.path()).env("KEYLEDGER_DATABASE_URL", &self.database_url);
        let env = self.env.lock().unwrap_or_else(PoisonError::into_inner);
        command.envs(env.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// A served ledger.
#[derive(Debug)]
pub(crate) struct Keyledger {
    home: Arc<Home>,
    child: Option<Child>,
    base: String,
}

impl Keyledger {
    /// Serves a new, empty ledger.
    pub(crate) async fn start(backend: Backend, options: Options) -> Result<Self, Error> {
        let folder = tempfile::tempdir()?;
        match backend {
            Backend::Sqlite => {
                let url = format!("sqlite:{}", folder.path().join("data").display());
                Self::start_in(folder, url, None, options).await
            }
            Backend::Postgres => {
                let database = TestDatabase::create().await?;
                Self::start_in(folder, database.url().to_owned(), Some(database), options).await
            }
        }
    }

    /// Serves the ledger at a database that the test looks after itself.
    pub(crate) async fn start_at(database_url: &str, options: Options) -> Result<Self, Error> {
        Self::start_in(tempfile::tempdir()?, database_url.to_owned(), None, options).await
    }

    async fn start_in(
        folder: TempDir,
        database_url: String,
        database: Option<TestDatabase>,
        options: Options,
    ) -> Result<Self, Error> {
        let mut env = Vec::new();
        if database_url.starts_with("postgres") {
            env.push(("KEYLEDGER_MASTER_KEY".to_owned(), "5a".repeat(32)));
            env.push(("KEYLEDGER_MAIL_URL".to_owned(), format!("file:{}", folder.path().join("mail").display())));
        }
        env.extend(options.env);
        let runs = AtomicU32::new(0);
        let home = Home { folder, database_url, env: Mutex::new(env), runs, _database: database };
        let mut server = Self { home: Arc::new(home), child: None, base: String::new() };
        server.run().await?;
        Ok(server)
    }

    /// A further server on the same ledger.
    pub(crate) async fn start_beside(&self) -> Result<Self, Error> {
        let mut server = Self { home: Arc::clone(&self.home), child: None, base: String::new() };
        server.run().await?;
        Ok(server)
    }

    /// Serves the same ledger again, on another port, ending a process that still runs as [`Self::kill9`] does.
    pub(crate) async fn restart(&mut self) -> TestResult {
        self.kill9()?;
        self.run().await
    }

    async fn run(&mut self) -> TestResult {
        let run = self.home.runs.fetch_add(1, Ordering::SeqCst);
        let said = self.home.folder.path().join(format!("stdout-{run}"));
        let mut command = self.home.command();
        command.args(["serve", "--listen", "127.0.0.1:0", "--database-url", &self.home.database_url]);
        command.stdin(Stdio::null());
        command.stdout(File::create(&said)?).stderr(File::create(self.home.folder.path().join(format!("log-{run}")))?);
        let child = self.child.insert(command.spawn()?);
        let begun = Instant::now();
        loop {
            let text = fs::read_to_string(&said)?;
            let address = text.lines().find_map(|line| line.strip_prefix("listening on "));
            // A line is complete only once its end is there.
            if let Some(address) = address.filter(|_| text.ends_with('\n')) {
                self.base = address.trim().to_owned();
                return Ok(());
            }
            if let Some(status) = child.try_wait()? {
                return Err(format!("keyledger serve ended with {status} before it listened").into());
            }
            if begun.elapsed() > PROCESS_LIMIT {
                return Err("keyledger serve did not say where it listens".into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends the process as a power cut would, without a word.
    pub(crate) fn kill9(&mut self) -> TestResult {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Asks the process to end and waits for it.
    pub(crate) async fn terminate(&mut self) -> Result<ExitStatus, Error> {
        let mut child = self.child.take().ok_or("the server does not run")?;
        kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGTERM)?;
        let begun = Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            if begun.elapsed() > 2 * PATIENCE {
                child.kill()?;
                child.wait()?;
                return Err("the server did not end after SIGTERM".into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Variables for processes that are started from now on, on top of those that there are.
    pub(crate) fn change_environment(&self, variables: Vec<(String, String)>) -> TestResult {
        let mut env = self.home.env.lock().unwrap_or_else(PoisonError::into_inner);
        env.retain(|(name, _)| variables.iter().all(|(changed, _)| changed != name));
        env.extend(variables);
        Ok(())
    }

    /// The address of something served, for example `url("/healthz")`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The URL of the store.
    pub(crate) fn database_url(&self) -> &str {
        &self.home.database_url
    }

    /// The folder that everything of this ledger lies in; the SQLite files are in `data`.
    pub(crate) fn folder(&self) -> PathBuf {
        self.home.folder.path().to_owned()
    }

    /// Where mails are written, unless the test set another place.
    pub(crate) fn mail_folder(&self) -> PathBuf {
        let folder = self.home.folder.path();
        match self.home.database_url.starts_with("postgres") {
            true => folder.join("mail"),
            false => folder.join("data/mail"),
        }
    }

    /// Everything that the servers of this ledger have logged so far.
    pub(crate) fn log(&self) -> String {
        let runs = self.home.runs.load(Ordering::SeqCst);
        let read = |run| fs::read_to_string(self.home.folder.path().join(format!("log-{run}"))).unwrap_or_default();
        (0..runs).map(read).collect()
    }

    /// A command beside the server, for tests that look after its process themselves.
    pub(crate) fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = self.home.command();
        command.args(args);
        command
    }

    /// Runs a command beside the server and returns what it answers in JSON; `null` when it says nothing.
    pub(crate) async fn cli(&self, args: &[&str]) -> Result<Value, Error> {
        let output = self.cli_output(args, None).await?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("`keyledger {}` ended with {}: {said}", args.join(" "), output.status).into());
        }
        if output.stdout.trim_ascii().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&output.stdout).map_err(|error| {
            let said = String::from_utf8_lossy(&output.stdout);
            format!("`keyledger {}` did not answer one JSON document: {error}: {said}", args.join(" ")).into()
        })
    }

    /// Runs a command beside the server, whatever comes of it.
    pub(crate) async fn cli_output(&self, args: &[&str], stdin: Option<&str>) -> Result<Output, Error> {
        let mut command = tokio::process::Command::from(self.home.command());
        command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command.stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = command.spawn()?;
        if let (Some(mut pipe), Some(text)) = (child.stdin.take(), stdin) {
            pipe.write_all(text.as_bytes()).await?;
        }
        let output = tokio::time::timeout(PROCESS_LIMIT, child.wait_with_output()).await;
        Ok(output.map_err(|_| format!("`keyledger {}` did not end", args.join(" ")))??)
    }
}

impl Drop for Keyledger {
    /// The log is always written: nextest shows what a test wrote only when it failed.
    #[expect(clippy::print_stderr, reason = "a failed test shows its servers' logs")]
    fn drop(&mut self) {
        let _ = self.kill9();
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..];
        eprintln!("--- the end of the log of {}\n{}", self.base, tail.join("\n"));
    }
}
