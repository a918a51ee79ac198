//! Options of every command, and opening the ledger that they name.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _};
use keyledger_events::SystemClock;

use super::Cli;
use super::output::Output;
use crate::app::{App, LEDGER_FILE};
use crate::config::{DatabaseUrl, HexKey, MASTER_KEY_VARIABLE, MasterKeySource};

/// Where `--help` shows these options.
const HEADING: &str = "Options of every command";
/// Where the ledger is unless somebody says otherwise.
const DEFAULT_DATABASE_URL: &str = "sqlite:./data";
/// The master key's file in the folder of the database.
const MASTER_KEY_FILE: &str = "master.key";
/// How long the end of a command may wait for the last commit.
const WRITER_END_MAX: Duration = Duration::from_secs(10);

/// Options of every command.
#[derive(Debug, Args)]
pub(super) struct Global {
    /// Where the ledger is: sqlite:FOLDER or postgres://USER:PASSWORD@HOST/DATABASE.
    #[arg(
        long,
        global = true,
        help_heading = HEADING,
        value_name = "URL",
        env = "KEYLEDGER_DATABASE_URL",
        hide_env_values = true,
        default_value = DEFAULT_DATABASE_URL
    )]
    database_url: String,
    /// Say it in JSON: one document on standard output, and nothing else.
    #[arg(long, global = true, help_heading = HEADING)]
    pub(super) json: bool,
    /// The file with the master key [default: master.key in the folder of the database, or in ./data].
    #[arg(long, global = true, help_heading = HEADING, value_name = "FILE", env = "KEYLEDGER_MASTER_KEY_FILE")]
    master_key_file: Option<PathBuf>,
}

/// Whether a command reads views.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reads {
    /// They are brought up to the ledger's head first.
    Views,
    /// It reads the ledger alone, or looks after the views themselves.
    NoViews,
    /// The ledger alone, which may have been changed from outside: that is what it is to find out.
    Doubtful,
}

impl Global {
    /// Where the ledger is.
    ///
    /// A bad URL ends the process as wrong usage does. The argument parser itself must not judge it: its messages
    /// repeat the value, which may hold a password.
    pub(super) fn database(&self) -> DatabaseUrl {
        self.database_url.parse().unwrap_or_else(|error| usage(&error))
    }

    /// Where the master key comes from.
    pub(super) fn master(&self, database: &DatabaseUrl) -> anyhow::Result<MasterKeySource> {
        match std::env::var(MASTER_KEY_VARIABLE) {
            Ok(text) => return Ok(MasterKeySource::Hex(HexKey::new(text))),
            Err(std::env::VarError::NotPresent) => {}
            Err(std::env::VarError::NotUnicode(_)) => usage(&format!("{MASTER_KEY_VARIABLE} is not text")),
        }
        if let Some(file) = &self.master_key_file {
            return Ok(MasterKeySource::File(file.clone()));
        }
        let folder = database.folder();
        if matches!(database, DatabaseUrl::Postgres(_)) {
            std::fs::create_dir_all(&folder).with_context(|| {
                format!("cannot make the folder {} for the master key; set {MASTER_KEY_VARIABLE}", folder.display())
            })?;
        }
        Ok(MasterKeySource::File(folder.join(MASTER_KEY_FILE)))
    }

    /// Says so when there is no ledger: a path that is mistyped, or one that somebody removed. What is to be looked at,
    /// proved or copied must not be made on the way, to be found in order.
    ///
    /// # Errors
    /// When the folder has no ledger. Of a database it is seen when it is opened.
    pub(super) fn expect_ledger(&self) -> anyhow::Result<()> {
        let DatabaseUrl::Sqlite(folder) = self.database() else { return Ok(()) };
        let file = folder.join(LEDGER_FILE);
        anyhow::ensure!(
            file.try_exists().with_context(|| format!("{} cannot be looked for", file.display()))?,
            "there is no ledger in {}: it has no {LEDGER_FILE}; name the right folder with --database-url, or begin with \
             `keyledger serve` or `keyledger team create`",
            folder.display()
        );
        Ok(())
    }

    /// How this program is called for the same ledger in another terminal.
    pub(super) fn same_ledger(&self) -> String {
        let program = std::env::args().next().unwrap_or_else(|| "keyledger".to_owned());
        match self.database() {
            DatabaseUrl::Sqlite(_) if self.database_url == DEFAULT_DATABASE_URL => program,
            database @ DatabaseUrl::Sqlite(_) => format!("{program} --database-url {database}"),
            // The address holds a password, which does not belong on a screen.
            DatabaseUrl::Postgres(_) => format!("KEYLEDGER_DATABASE_URL=… {program}"),
        }
    }

    /// Opens the ledger that there is, does the work, and closes it in order, whatever came of the work.
    pub(super) async fn with_app<T>(
        &self,
        reads: Reads,
        work: impl AsyncFnOnce(&App, &mut Output) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        self.expect_ledger()?;
        self.with_app_or_new(reads, work).await
    }

    /// As [`Global::with_app`], for what one begins with: where there is no ledger it makes one.
    pub(super) async fn with_app_or_new<T>(
        &self,
        reads: Reads,
        work: impl AsyncFnOnce(&App, &mut Output) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let database = self.database();
        let master = self.master(&database)?;
        let clock = Arc::new(SystemClock);
        let (app, writer) = match reads {
            Reads::Doubtful => App::open_to_audit(&database, &master, clock).await?,
            Reads::Views | Reads::NoViews => App::open(&database, &master, clock).await?,
        };
        let mut output = Output::new(self.json);
        let result = async {
            if reads == Reads::Views {
                app.catch_up_patiently().await?;
            }
            let done = work(&app, &mut output).await?;
            output.flush()?;
            Ok(done)
        };
        let result = result.await;
        drop(app);
        // What was appended was answered when it was durable; this waits for the files to be closed.
        let _ = tokio::time::timeout(WRITER_END_MAX, writer).await;
        result
    }
}

/// Ends the process as the argument parser does when it is used wrongly.
pub(super) fn usage(problem: &dyn std::fmt::Display) -> ! {
    Cli::command().error(clap::error::ErrorKind::ValueValidation, problem).exit()
}
