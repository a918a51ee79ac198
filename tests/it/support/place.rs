//! A place for a ledger that no server runs on yet: for what is restored or imported.

use std::process::{Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::postgres::TestDatabase;
use super::{Backend, Error, Keyledger, Options};

/// An empty folder or database; gone at the end.
#[derive(Debug)]
pub(crate) struct Place {
    folder: TempDir,
    url: String,
    master: Option<String>,
    _database: Option<TestDatabase>,
}

impl Place {
    /// A place whose commands are given this master key, or none.
    pub(crate) async fn new(backend: Backend, master: Option<&str>) -> Result<Self, Error> {
        let folder = tempfile::tempdir()?;
        let database = match backend {
            Backend::Sqlite => None,
            Backend::Postgres => Some(TestDatabase::create().await?),
        };
        let url = match &database {
            None => format!("sqlite:{}", folder.path().join("data").display()),
            Some(database) => database.url().to_owned(),
        };
        Ok(Self { folder, url, master: master.map(str::to_owned), _database: database })
    }

    /// The folder that the place's files are in, and its commands run in.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// A command here.
    pub(crate) fn command(&self, args: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_keyledger"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("KEYLEDGER_")) {
            command.env_remove(name);
        }
        if let Some(master) = &self.master {
            command.env("KEYLEDGER_MASTER_KEY", master);
        }
        command.env("KEYLEDGER_DATABASE_URL", &self.url).current_dir(self.folder.path()).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Runs a command here, whatever comes of it.
    pub(crate) async fn output(&self, args: &[&str]) -> Result<Output, Error> {
        Ok(self.command(args).output().await?)
    }

    /// Runs a command that succeeds, and reads its document.
    pub(crate) async fn cli(&self, args: &[&str]) -> Result<Value, Error> {
        let output = self.output(args).await?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("`keyledger {}` failed: {said}", args.join(" ")).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// What a command that must fail says.
    pub(crate) async fn refusal(&self, args: &[&str]) -> Result<String, Error> {
        let output = self.output(args).await?;
        match output.status.code() {
            Some(1) => Ok(String::from_utf8(output.stderr)?),
            other => Err(format!("`keyledger {}` ended with {other:?}", args.join(" ")).into()),
        }
    }

    /// Serves what is here.
    pub(crate) async fn serve(&self, mut options: Options) -> Result<Keyledger, Error> {
        if let Some(master) = &self.master {
            options = options.env("KEYLEDGER_MASTER_KEY", master);
        }
        Keyledger::start_at(&self.url, options).await
    }
}
