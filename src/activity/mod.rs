//! What is neither history nor derivable: when devices and addresses were last seen, and the log of verification
//! requests. Gathered in memory, written in batches; losing it loses only that.

mod entry;
mod forget;
mod forms;
mod lately;
mod log;
mod pending;
mod read;
mod run;
mod sessions;
mod statistics;
mod store;
#[cfg(test)]
mod tests;
mod write;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyledger_events::{TeamId, Timestamp, clock};
use keyledger_projections::db::ColumnError;
use keyledger_projections::{Database, SeatKind};
use uuid::Uuid;

pub use entry::{LastSeen, LoggedRequest, RequestFilter, RequestKind, Seen, StoredRequest};
pub use run::RETENTION_DAYS;
pub use sessions::{BrowserSession, Sessions};
pub use statistics::RequestStatistics;
pub use store::{open_postgres, open_sqlite};

use pending::{Part, Pending, Used};
use tokio::sync::Notify;

/// How long somebody waits for what is being written down.
const WRITING_MAX: Duration = Duration::from_secs(5);

/// The moment so many microseconds before `now`.
fn before(now: Timestamp, microseconds: i64) -> Timestamp {
    let then = clock::from_microseconds(now.as_microsecond().saturating_sub(microseconds));
    then.unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Why activity cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ActivityError {
    /// The database refused or cannot be reached.
    #[error("the activity database: {0}")]
    Database(#[from] sqlx::Error),
    /// A stored value is not what we write.
    #[error("the activity database: {0}")]
    Column(#[from] ColumnError),
    /// Another process reads without end.
    #[error("activity.db could not be rid of its log of changes, because another process reads from it; run it again")]
    Busy,
    /// What is being written down takes too long.
    #[error("the activity database has been writing for more than {} s; try again", WRITING_MAX.as_secs())]
    Slow,
    /// A stored time is out of range.
    #[error("the activity database holds a bad time: {0}")]
    Time(i64),
}

/// Activity. Clones share it.
#[derive(Clone)]
pub struct Activity {
    database: Database,
    pending: Arc<Mutex<Pending>>,
    /// Held while what was pending is being written: it is neither in memory nor in the database then.
    writing: Arc<tokio::sync::Mutex<()>>,
    /// The log is to be written down before the second is over.
    log_soon: Arc<Notify>,
}

impl Activity {
    fn new(database: Database) -> Self {
        Self { database, pending: Arc::default(), writing: Arc::default(), log_soon: Arc::default() }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A device or an address was seen with a licence.
    pub fn seen(&self, seen: Seen<'_>) {
        self.pending().seen(seen);
    }

    /// A licence was verified with success.
    pub fn used(&self, team: TeamId, license_id: Uuid, at: Timestamp) {
        self.pending().used(Used::License, team, license_id, at);
    }

    /// A verification was answered with success, for what has these seats.
    pub fn verified<'a>(
        &self,
        license_id: Uuid,
        seats: impl IntoIterator<Item = Seen<'a>>,
        request: LoggedRequest<&str>,
    ) {
        let mut pending = self.pending();
        pending.used(Used::License, request.team, license_id, request.at);
        seats.into_iter().for_each(|seen| pending.seen(seen));
        let logged = pending.log(request);
        drop(pending);
        self.tell(logged);
    }

    /// An API key was used.
    pub fn key_used(&self, team: TeamId, key_id: Uuid, at: Timestamp) {
        self.pending().used(Used::ApiKey, team, key_id, at);
    }

    /// A verification was answered.
    pub fn log(&self, request: LoggedRequest<&str>) {
        let logged = self.pending().log(request);
        self.tell(logged);
    }

    fn tell(&self, (logged, soon): (bool, bool)) {
        if soon {
            self.log_soon.notify_one();
        }
        if !logged {
            metrics::counter!("keyledger_requests_log_dropped_total").increment(1);
        }
    }

    /// Waits until nothing is being written down, but not for ever: whoever asks has somebody waiting.
    async fn not_between(&self) -> Result<tokio::sync::MutexGuard<'_, ()>, ActivityError> {
        tokio::time::timeout(WRITING_MAX, self.writing.lock()).await.map_err(|_| ActivityError::Slow)
    }

    /// When the devices or the addresses of a licence were last seen, the latest first. What other processes have
    /// written is in it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn last_seen(
        &self,
        team: TeamId,
        license_id: Uuid,
        kind: SeatKind,
    ) -> Result<Vec<LastSeen>, ActivityError> {
        let _not_between = self.not_between().await?;
        let stored = read::seen(&self.database, team, license_id, kind).await?;
        Ok(self.pending().seen_with(team, license_id, kind, stored))
    }

    /// When licences, these or all of the team's, were last verified with success, those that were.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn last_used(
        &self,
        team: TeamId,
        ids: Option<&[Uuid]>,
    ) -> Result<HashMap<Uuid, Timestamp>, ActivityError> {
        let _not_between = self.not_between().await?;
        let stored = read::used(&self.database, team, Used::License, ids).await?;
        Ok(self.pending().used_with(team, Used::License, ids, stored))
    }

    /// When a team's API keys were last used, those that were.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn keys_last_used(&self, team: TeamId) -> Result<HashMap<Uuid, Timestamp>, ActivityError> {
        let _not_between = self.not_between().await?;
        let stored = read::used(&self.database, team, Used::ApiKey, None).await?;
        Ok(self.pending().used_with(team, Used::ApiKey, None, stored))
    }

    /// Forgets that a device or an address was ever seen.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn forget_seat(&self, team: TeamId, license_id: Uuid, seat_id: Uuid) -> Result<(), ActivityError> {
        let _not_between = self.not_between().await?;
        self.pending().forget_seat(team, license_id, seat_id);
        write::forget_seat(&self.database, team, license_id, seat_id).await
    }

    /// Forgets which devices and addresses were seen with licences, and what tells of devices and addresses in the log's
    /// entries about those licences or customers. Tells how many entries that were.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn forget_people(
        &self,
        team: TeamId,
        licenses: &[Uuid],
        customers: &[Uuid],
    ) -> Result<u64, ActivityError> {
        // What is pending is in the database then, where it is forgotten.
        self.flush().await?;
        let _not_between = self.not_between().await?;
        let forgotten = forget::people(&self.database, team, licenses, customers).await?;
        // Whoever is seen again is news.
        self.pending().forget_lately();
        if self.database.leave_no_trace().await? { Ok(forgotten) } else { Err(ActivityError::Busy) }
    }

    /// The log's entries that fit a filter, newest first, before an id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn requests(
        &self,
        team: TeamId,
        filter: &RequestFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<StoredRequest>, ActivityError> {
        self.flush().await?;
        read::requests(&self.database, team, filter, before, limit).await
    }

    /// Figures about a team's requests in the 30 days before `now`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn statistics(&self, team: TeamId, now: Timestamp) -> Result<RequestStatistics, ActivityError> {
        self.flush().await?;
        statistics::read(&self.database, team, now).await
    }

    /// Writes down what is pending. What cannot be written stays pending. A caller that stops waiting does not stop the
    /// writing: what is under way would be lost.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn flush(&self) -> Result<(), ActivityError> {
        let work = self.clone().write(Part::All);
        let writing = if self.database.is_postgres() {
            tokio::spawn(work)
        } else {
            // On SQLite it works on the spot, so on a thread that may be kept busy.
            let runtime = tokio::runtime::Handle::current();
            tokio::task::spawn_blocking(move || runtime.block_on(work))
        };
        writing.await.unwrap_or(Err(ActivityError::Database(sqlx::Error::WorkerCrashed)))
    }

    async fn write(self, part: Part) -> Result<(), ActivityError> {
        let _one_writes = self.not_between().await?;
        let taken = self.pending().take(part);
        if taken.is_empty() {
            return Ok(());
        }
        match write::all(&self.database, &taken).await {
            Ok(()) => Ok(()),
            Err(error) => {
                let dropped = self.pending().put_back(taken);
                metrics::counter!("keyledger_requests_log_dropped_total").increment(dropped);
                Err(error.into())
            }
        }
    }

    /// Forgets log entries from before a time, and what no licence needs; tells how many entries went.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn purge(&self, before: Timestamp) -> Result<u64, ActivityError> {
        write::purge(&self.database, before).await
    }
}
