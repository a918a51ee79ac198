//! Who is at work on a database. A restore puts other keys in place of those that a server holds in memory: sales would be
//! recorded under keys that are gone, and checkpoints signed by a log that is no more. So where a server runs, nothing is
//! restored.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use keyledger_events::open_private;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use crate::app::make_private_folder;
use crate::config::DatabaseUrl;

/// The name by which every connection of ours is known to PostgreSQL.
const APPLICATION: &str = "keyledger";
/// The file that a server on SQLite holds.
const LOCK_FILE: &str = "serve.lock";
/// How long processes that have just ended may still seem to be there …
const ENDING_MAX: Duration = Duration::from_secs(5);
/// … and how often it is looked.
const LOOK: Duration = Duration::from_millis(200);

/// Why it is not known, or not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum PresenceError {
    /// A server, or several.
    #[error(
        "{0}: what is restored would get in its way, and the other way round; stop every keyledger that works on this \
         database, then restore, and start them again"
    )]
    AtWork(String),
    /// The file is held by a restore.
    #[error("{0} is being restored; start the server when that is done")]
    Restoring(PathBuf),
    /// The file cannot be locked.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// PostgreSQL does not tell.
    #[error("who is connected to PostgreSQL cannot be told: {0}")]
    Database(#[from] sqlx::Error),
}

/// Held for as long as somebody is at work.
#[derive(Debug)]
pub struct Presence {
    _lock: Option<File>,
}

/// How we connect to PostgreSQL.
///
/// # Errors
/// When the address is none.
pub fn connect_options(address: &str) -> Result<PgConnectOptions, sqlx::Error> {
    Ok(address.parse::<PgConnectOptions>()?.application_name(APPLICATION))
}

/// Says that a server is at work, until what is returned is dropped. On PostgreSQL its connections say so.
///
/// # Errors
/// When the database is being restored.
pub fn serving(url: &DatabaseUrl) -> Result<Presence, PresenceError> {
    let DatabaseUrl::Sqlite(folder) = url else { return Ok(Presence { _lock: None }) };
    let (file, path) = lock_file(folder)?;
    match file.try_lock_shared() {
        Ok(()) => Ok(Presence { _lock: Some(file) }),
        Err(TryLockError::WouldBlock) => Err(PresenceError::Restoring(folder.clone())),
        Err(TryLockError::Error(source)) => Err(PresenceError::File { path, source }),
    }
}

/// Makes sure that no server is at work, nor begins, on SQLite, before what is returned is dropped.
///
/// # Errors
/// When one is.
pub async fn alone(url: &DatabaseUrl) -> Result<Presence, PresenceError> {
    let begun = Instant::now();
    loop {
        let found = match url {
            DatabaseUrl::Sqlite(folder) => alone_in(folder),
            DatabaseUrl::Postgres(address) => alone_at(address.as_str()).await,
        };
        match found {
            Err(PresenceError::AtWork(_)) if begun.elapsed() < ENDING_MAX => tokio::time::sleep(LOOK).await,
            found => return found,
        }
    }
}

fn alone_in(folder: &Path) -> Result<Presence, PresenceError> {
    let (file, path) = lock_file(folder)?;
    match file.try_lock() {
        Ok(()) => Ok(Presence { _lock: Some(file) }),
        Err(TryLockError::WouldBlock) => {
            Err(PresenceError::AtWork(format!("a server is at work in {}", folder.display())))
        }
        Err(TryLockError::Error(source)) => Err(PresenceError::File { path, source }),
    }
}

async fn alone_at(address: &str) -> Result<Presence, PresenceError> {
    let mut connection = connect_options(address)?.connect().await?;
    let others = "SELECT count(*) FROM pg_stat_activity \
                  WHERE datname = current_database() AND application_name = $1 AND pid <> pg_backend_pid()";
    let others: i64 = sqlx::query_scalar(others).bind(APPLICATION).fetch_one(&mut connection).await?;
    connection.close().await?;
    match others {
        0 => Ok(Presence { _lock: None }),
        others => Err(PresenceError::AtWork(format!("connections of keyledger to this database: {others}"))),
    }
}

fn lock_file(folder: &Path) -> Result<(File, PathBuf), PresenceError> {
    make_private_folder(folder).map_err(|source| PresenceError::File { path: folder.to_owned(), source })?;
    let path = folder.join(LOCK_FILE);
    match open_private(&path) {
        Ok(file) => Ok((file, path)),
        Err(source) => Err(PresenceError::File { path, source }),
    }
}
