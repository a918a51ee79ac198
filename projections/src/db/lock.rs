//! Locks that end with their holder, however it ends: of all processes, one at a time computes a view anew.

use std::fs::{File, TryLockError};
use std::path::PathBuf;

use keyledger_events::open_private;
use keyledger_events::store::{ANSWER_MAX, answered};
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use super::{Database, ViewStore};

/// The first of the two numbers of our advisory locks on PostgreSQL, so that they are nobody else's: "kled".
const POSTGRES_LOCKS: i32 = 0x6b6c_6564;

/// Rights to compute views anew. Dropping them gives them back, sooner or later; [`BuildLocks::release`] does at once.
#[derive(Debug)]
pub(crate) struct BuildLocks(Kind);

#[derive(Debug)]
enum Kind {
    /// The system takes the locks of files back with the process that held them.
    Sqlite { folder: PathBuf, files: Vec<File> },
    /// Advisory locks end with their session.
    Postgres(Box<PgConnection>),
}

impl BuildLocks {
    /// The right to compute `view` anew; `false` while somebody else has it.
    pub(crate) async fn try_take(&mut self, view: &str) -> Result<bool, sqlx::Error> {
        match &mut self.0 {
            Kind::Sqlite { folder, files } => {
                let path = folder.join(format!("rebuild-{view}.lock"));
                let file = open_private(&path);
                let file =
                    file.map_err(|error| std::io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
                match file.try_lock() {
                    Ok(()) => files.push(file),
                    Err(TryLockError::WouldBlock) => return Ok(false),
                    Err(TryLockError::Error(error)) => return Err(error.into()),
                }
                Ok(true)
            }
            Kind::Postgres(session) => {
                let take = sqlx::query_scalar("SELECT pg_try_advisory_lock($1, hashtext($2))");
                answered(ANSWER_MAX, take.bind(POSTGRES_LOCKS).bind(view).fetch_one(&mut **session)).await
            }
        }
    }

    /// Gives them back.
    pub(crate) async fn release(self) {
        match self.0 {
            Kind::Sqlite { files, .. } => drop(files),
            Kind::Postgres(mut session) => {
                // The server may take its time to notice that a session has ended.
                let unlock = sqlx::query("SELECT pg_advisory_unlock_all()");
                let unlocked = answered(ANSWER_MAX, unlock.execute(&mut *session)).await;
                if let Err(error) = unlocked.map(drop) {
                    tracing::debug!(%error, "views' locks were not given back and end with their session");
                }
                if let Err(error) = session.close().await {
                    tracing::debug!(%error, "the session that held views' locks did not end politely");
                }
            }
        }
    }
}

impl ViewStore {
    /// Locks for views, none of them taken yet. On PostgreSQL their session is taken out of the pool: an hour's rebuild
    /// must not hold a place that requests need.
    pub(crate) async fn build_locks(&self) -> Result<BuildLocks, sqlx::Error> {
        let kind = match &self.database {
            Database::Sqlite(_) => Kind::Sqlite { folder: self.lock_folder.as_path().to_owned(), files: Vec::new() },
            Database::Postgres(pool) => Kind::Postgres(Box::new(pool.acquire().await?.detach())),
        };
        Ok(BuildLocks(kind))
    }
}
