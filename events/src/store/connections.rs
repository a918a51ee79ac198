//! How this program is connected to PostgreSQL. Whoever stops in the middle, a process that hangs or a machine that is
//! gone, must not stop the others: the server ends what idles in a transaction. And an answer that never comes, because the
//! connection died without a word, is not waited for for ever: neither the driver nor the system says so by itself.

use std::io;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, PgPool, Postgres, SqlSafeStr};

/// How long a caller waits for a connection: while the server is down, a sender must hear of it soon.
const ACQUIRE_WAIT_MAX: Duration = Duration::from_secs(3);
/// A connection that was in use so lately is taken for alive. Another is asked first …
const FRESH: Duration = Duration::from_millis(100);
/// … and has so long to answer.
const PING_MAX: Duration = Duration::from_secs(1);
/// A connection that is given back has so long to end what it is in the middle of.
const RELEASE_MAX: Duration = Duration::from_secs(3);
/// How long the answer to a statement is waited for that others wait behind: longer than the server lets a transaction idle
/// or wait for a lock, so that it is the server that says what is wrong, where it still can.
pub const ANSWER_MAX: Duration = Duration::from_secs(8);

/// What every connection asks of the server. Transactions see what others committed, as they are written for, whatever
/// the database's own default is. One that idles is ended: runners skip what another holds, so a node that hangs in the
/// middle would stop a view everywhere. A lock is not waited for without end. And the server, too, notices a peer that is
/// gone, and lets go of what it held.
const SETTINGS: &str = "SET default_transaction_isolation = 'read committed'; \
                        SET idle_in_transaction_session_timeout = '10s'; SET lock_timeout = '5s'; \
                        SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; \
                        SET tcp_user_timeout = '20s';";

/// The options of a pool, for whatever it is used. `more` are statements about each connection beside `SETTINGS`.
pub fn postgres_pool(connections_max: u32, more: &'static str) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(ACQUIRE_WAIT_MAX)
        .after_connect(move |connection, _| {
            Box::pin(async move { connection.execute(AssertSqlSafe(format!("{SETTINGS} {more}"))).await.map(drop) })
        })
        .test_before_acquire(false)
        .before_acquire(|connection, used| {
            Box::pin(async move { Ok(used.idle_for < FRESH || answered(PING_MAX, connection.ping()).await.is_ok()) })
        })
        // The pool itself would wait for ever, and keep the place.
        .after_release(|connection, _| {
            Box::pin(async move { answered(RELEASE_MAX, connection.ping()).await.map(|()| true) })
        })
}

/// Waits for an answer of PostgreSQL, but not for ever. What is given up is dropped, and its connection closed.
///
/// # Errors
/// As the work itself, and when it takes longer.
pub async fn answered<T>(
    longest: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    tokio::time::timeout(longest, work).await.unwrap_or_else(|_| {
        let silent = format!("PostgreSQL has not answered within {} s", longest.as_secs());
        Err(sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, silent)))
    })
}

/// An open transaction, which stands for its connection. The connection of one that is dropped is closed, which rolls back:
/// nobody knows what it is in the middle of.
#[derive(Debug)]
pub struct PostgresTx {
    connection: PoolConnection<Postgres>,
    answer_max: Duration,
    ended: bool,
}

impl PostgresTx {
    /// Begins with a statement. What [`PostgresTx::run`] runs, and the end, may take as long as `answer_max` each.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn begin(pool: &PgPool, begin: &'static str, answer_max: Duration) -> Result<Self, sqlx::Error> {
        let mut tx = Self { connection: pool.acquire().await?, answer_max, ended: false };
        tx.run(begin).await?;
        Ok(tx)
    }

    /// How long an answer is waited for.
    pub fn answer_max(&self) -> Duration {
        self.answer_max
    }

    /// Runs statements without arguments.
    ///
    /// # Errors
    /// When the server refuses or does not answer.
    pub async fn run(&mut self, sql: impl SqlSafeStr + Send) -> Result<(), sqlx::Error> {
        answered(self.answer_max, self.connection.execute(sql)).await.map(drop)
    }

    /// Ends it.
    ///
    /// # Errors
    /// When the server refuses or does not answer; whether it has committed is not known in the latter case.
    pub async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.run("COMMIT").await?;
        self.ended = true;
        Ok(())
    }

    /// Ends it with nothing done, and keeps the connection.
    pub async fn roll_back(mut self) {
        self.ended = self.run("ROLLBACK").await.is_ok();
    }
}

impl Drop for PostgresTx {
    fn drop(&mut self) {
        if !self.ended {
            self.connection.close_on_drop();
        }
    }
}

impl Deref for PostgresTx {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for PostgresTx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}
