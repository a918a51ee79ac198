//! Locks that end with their holder, however it ends: of all processes, one at a time computes a view anew.

use std::fs::{File, TryLockError};

use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, PgPool};

use super::{Database, ViewStore};

/// The first of the two numbers of our advisory locks on PostgreSQL, so that they are nobody else's: "kled".
const POSTGRES_LOCKS: i32 = 0x6b6c_6564;

/// The right to compute a view anew. Dropping it gives it back, sooner or later; [`BuildLock::release`] does at once.
#[derive(Debug)]
pub(crate) struct BuildLock(Kind);

#[derive(Debug)]
enum Kind {
    /// The system takes the lock of a file back with the process that held it.
    Sqlite(File),
    /// An advisory lock ends with its session.
    Postgres(Box<PgConnection>),
}

impl BuildLock {
    /// Gives it back.
    pub(crate) async fn release(self) {
        match self.0 {
            Kind::Sqlite(file) => drop(file),
            Kind::Postgres(mut session) => {
                // The server may take its time to notice that a session has ended.
                let unlocked = sqlx::query("SELECT pg_advisory_unlock_all()").execute(&mut *session).await;
                if let Err(error) = unlocked.map(drop) {
                    tracing::debug!(%error, "a view's lock was not given back and ends with its session");
                }
                if let Err(error) = session.close().await {
                    tracing::debug!(%error, "the session that held a view's lock did not end politely");
                }
            }
        }
    }
}

impl ViewStore {
    /// The right to compute `view` anew; `None` while somebody else has it.
    pub(crate) async fn try_lock_builds(&self, view: &str) -> Result<Option<BuildLock>, sqlx::Error> {
        match &self.database {
            Database::Sqlite(_) => lock_file(&self.lock_folder.join(format!("rebuild-{view}.lock"))),
            Database::Postgres(pool) => lock_session(pool, view).await,
        }
    }
}

fn lock_file(path: &std::path::Path) -> Result<Option<BuildLock>, sqlx::Error> {
    let file = File::create(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(BuildLock(Kind::Sqlite(file)))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// The session is taken out of the pool: an hour's rebuild must not hold a place that requests need.
async fn lock_session(pool: &PgPool, view: &str) -> Result<Option<BuildLock>, sqlx::Error> {
    let mut session = pool.acquire().await?.detach();
    let locked: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1, hashtext($2))")
        .bind(POSTGRES_LOCKS)
        .bind(view)
        .fetch_one(&mut session)
        .await?;
    if locked {
        return Ok(Some(BuildLock(Kind::Postgres(Box::new(session)))));
    }
    session.close().await?;
    Ok(None)
}
