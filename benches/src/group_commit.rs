//! One durable row a request, group-committed: the least that an honest acknowledgement costs.
//!
//! One thread takes whatever has gathered, inserts it in one transaction and answers all of it after the commit.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use axum::body::Bytes;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot};

/// Rows of one transaction at most.
const ROWS_MAX: usize = 256;
/// Requests that may wait for the thread at most.
const QUEUE_MAX: usize = 4_096;

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE event (
        position INTEGER PRIMARY KEY, stream TEXT NOT NULL, version INTEGER NOT NULL, type TEXT NOT NULL,
        payload BLOB NOT NULL, UNIQUE (stream, version)
    ) STRICT;";

struct Request {
    event_type: String,
    payload: Bytes,
    done: oneshot::Sender<()>,
}

/// A handle to the writing thread.
#[derive(Clone)]
pub(crate) struct GroupCommit(mpsc::Sender<Request>);

impl GroupCommit {
    /// Makes the database in `folder` and starts the thread.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let connection = Connection::open(folder.join("reference.db"))?;
        connection.execute_batch(SCHEMA)?;
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        std::thread::Builder::new().name("writer".to_owned()).spawn(move || write(connection, receiver))?;
        Ok(Self(sender))
    }

    /// Returns when the row is durable.
    pub(crate) async fn insert(&self, event_type: String, payload: Bytes) -> anyhow::Result<()> {
        let (done, answer) = oneshot::channel();
        let request = Request { event_type, payload, done };
        self.0.send(request).await.map_err(|_| anyhow!("the writing thread is gone"))?;
        answer.await.context("the row was not committed")
    }
}

/// Ends with the last handle, or with the first error: whoever waits is then told that nothing was committed.
fn write(mut connection: Connection, mut queue: mpsc::Receiver<Request>) -> rusqlite::Result<()> {
    let mut version = 0_i64;
    let mut batch = Vec::with_capacity(ROWS_MAX);
    while queue.blocking_recv_many(&mut batch, ROWS_MAX) > 0 {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        insert(&transaction, &batch, &mut version)?;
        transaction.commit()?;
        for request in batch.drain(..) {
            // A requester that went away no longer wants its answer.
            let _ = request.done.send(());
        }
    }
    Ok(())
}

fn insert(transaction: &Transaction<'_>, batch: &[Request], version: &mut i64) -> rusqlite::Result<()> {
    let mut statement = transaction
        .prepare_cached("INSERT INTO event (stream, version, type, payload) VALUES ('deliveries', ?1, ?2, ?3)")?;
    for request in batch {
        *version += 1;
        statement.execute(params![*version, request.event_type, request.payload.as_ref()])?;
    }
    Ok(())
}
