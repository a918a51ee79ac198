//! The ledger in PostgreSQL's schema `ledger`, for any number of nodes.
//!
//! READ COMMITTED on purpose: the head row is locked by one statement and the rest of the batch is judged in
//! later ones, whose snapshots are newer than the lock. PostgreSQL makes a commit visible before it lets go of
//! the row, so whoever sees a position sees every position below it.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgArguments, PgDatabaseError, PgListener, PgRow, PgSeverity};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Executor as _, PgPool, Postgres, Row as _};
use uuid::Uuid;

use super::connections::{ANSWER_MAX, PostgresTx, answered, postgres_pool};
use super::door::{RestoreDoor, RestoreTarget, RestoreTx, refuse_half, restoring};
use super::migrate::{MigrationError, migrate_postgres_schema};
use super::row::{COLUMNS, EventRow, read_change, time};
use super::{AppendTx, Change, Head, Ledger, LedgerError, LookUp, PAGE_EVENTS_MAX};
use crate::clock::{Clock as _, SystemClock};
use crate::envelope::RecordedEvent;
use crate::id::{Position, StreamId, TeamId};
use crate::merkle::Frontier;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations/postgres/ledger");

/// Readers of the ledger per process.
const READERS_MAX: u32 = 6;

/// About connections to the ledger: whoever hangs with the head row locked must not stop the others for long.
const SETTINGS: &str = "SET idle_in_transaction_session_timeout = '5s'; SET statement_timeout = '30s';";
/// The same, and that they serve.
const SERVING_SETTINGS: &str = "SET idle_in_transaction_session_timeout = '5s'; SET statement_timeout = '30s'; \
                                SET ROLE keyledger_serving";
/// How long a page of the ledger is waited for: a little longer than the server's own limit, which says what is wrong.
pub(super) const READ_MAX: Duration = Duration::from_secs(35);

/// How long the answer about a batch of a restore is waited for: its deliveries may be large.
const RESTORE_ANSWER_MAX: Duration = Duration::from_secs(120);

/// By how much a machine's clock may differ from PostgreSQL's before that is told.
const CLOCKS_SECONDS_MAX: i64 = 5;

/// The role that serves: it may read and insert events and nothing else.
const SERVING_ROLE: &str = "keyledger_serving";

/// Makes the serving role where the connecting one may, and lets the serving role do exactly its work. Several
/// databases of one server share the role, and several processes may come here at once.
const GRANT_SERVING_ROLE: &str = r"
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'keyledger_serving') THEN
        CREATE ROLE keyledger_serving NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
DO $$ BEGIN
    EXECUTE format('GRANT keyledger_serving TO %I', current_user);
EXCEPTION WHEN OTHERS THEN
    IF NOT pg_has_role(current_user, 'keyledger_serving', 'MEMBER') THEN RAISE; END IF;
END $$;
GRANT USAGE ON SCHEMA ledger TO keyledger_serving;
GRANT SELECT, INSERT ON ledger.event TO keyledger_serving;
GRANT SELECT, UPDATE ON ledger.ledger_head TO keyledger_serving;
GRANT SELECT, INSERT ON ledger.checkpoint, ledger.merkle_tile TO keyledger_serving;
";

/// Where every append is told of, with its last position.
const CHANNEL: &str = "keyledger_ledger";

/// A ledger in PostgreSQL.
#[derive(Debug, Clone)]
pub struct PostgresLedger {
    /// The one connection that appends: at most one transaction per process waits for the head row.
    writer: PgPool,
    readers: PgPool,
    /// The one connection that hears of appends, made when somebody listens.
    listener: PgPool,
}

impl PostgresLedger {
    /// Connects to the database that `admin` is connected to and brings the ledger's schema up to date.
    ///
    /// Where the connecting role may do so, appending and reading happen as the role `keyledger_serving`, which
    /// cannot change history even if every line of this program were wrong; otherwise a warning is logged and
    /// the triggers alone guard it.
    ///
    /// # Errors
    /// When the database cannot be reached or migrated.
    pub async fn open(admin: &PgPool) -> Result<Self, MigrationError> {
        migrate_postgres_schema(admin, "ledger", &MIGRATIONS).await?;
        let restricted = match admin.execute(GRANT_SERVING_ROLE).await {
            Ok(_) => true,
            Err(error) => Self::restricted_already(admin, &error).await,
        };
        let settings = if restricted { SERVING_SETTINGS } else { SETTINGS };
        Self::say_if_alone(admin).await;
        Self::say_if_clocks_differ(admin).await;
        let options = admin.connect_options();
        let writer = postgres_pool(1, settings).connect_with((*options).clone()).await?;
        let readers = postgres_pool(READERS_MAX, settings).connect_with((*options).clone()).await?;
        let listener = postgres_pool(1, settings).connect_lazy_with((*options).clone());
        Ok(Self { writer, readers, listener })
    }

    pub(super) fn readers(&self) -> &PgPool {
        &self.readers
    }

    /// Begins to write.
    pub(super) async fn begin(&self) -> Result<PostgresTx, sqlx::Error> {
        PostgresTx::begin(&self.writer, "BEGIN", ANSWER_MAX).await
    }

    /// As [`PostgresLedger::begin`], for a batch that nobody waits behind.
    async fn begin_patiently(&self) -> Result<PostgresTx, sqlx::Error> {
        PostgresTx::begin(&self.writer, "BEGIN", RESTORE_ANSWER_MAX).await
    }

    async fn rows(&self, query: Query<'_, Postgres, PgArguments>) -> Result<Vec<PgRow>, LedgerError> {
        Ok(answered(READ_MAX, query.fetch_all(&self.readers)).await?)
    }

    /// One row; only that of the head can be missing.
    async fn row(&self, query: Query<'_, Postgres, PgArguments>) -> Result<PgRow, LedgerError> {
        answered(READ_MAX, query.fetch_optional(&self.readers)).await?.ok_or(LedgerError::HeadLost)
    }

    /// What survives the loss of the database's machine is what a synchronous standby has. Without one a commit is
    /// as durable as this one machine.
    async fn say_if_alone(admin: &PgPool) {
        let standbys = sqlx::query_scalar::<_, String>("SHOW synchronous_standby_names").fetch_one(admin).await;
        if standbys.is_ok_and(|names| names.is_empty()) {
            tracing::info!("PostgreSQL has no synchronous standby: the loss of its machine may lose the last commits");
        }
    }

    /// Nodes lease work to one another by their clocks, which therefore must agree: the database's stands for all the others'.
    async fn say_if_clocks_differ(admin: &PgPool) {
        let its = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        let Ok(its) = sqlx::query_scalar::<_, i64>(its).fetch_one(admin).await else { return };
        let seconds = (SystemClock.now().as_microsecond() - its) / 1_000_000;
        if seconds.abs() > CLOCKS_SECONDS_MAX {
            tracing::warn!(
                seconds,
                "this machine's clock is so many seconds ahead of PostgreSQL's: work that is leased to one server may be done by \
                 two, and times in the ledger jump; set the clocks (NTP)"
            );
        }
    }

    /// Two nodes that grant at the same moment disturb each other ("tuple concurrently updated"); the grants are
    /// there all the same. Without the rights to grant, the role may have been prepared by an administrator.
    async fn restricted_already(admin: &PgPool, error: &sqlx::Error) -> bool {
        let usable = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'keyledger_serving') \
             AND pg_has_role(current_user, 'keyledger_serving', 'MEMBER') \
             AND has_table_privilege('keyledger_serving', 'ledger.event', 'INSERT') \
             AND has_table_privilege('keyledger_serving', 'ledger.checkpoint', 'INSERT')";
        let usable = sqlx::query_scalar::<_, bool>(usable).fetch_one(admin).await.unwrap_or(false);
        if !usable {
            tracing::warn!(
                %error,
                "the role {SERVING_ROLE} cannot be used; only triggers keep history from being changed. An administrator of \
                 the server mends it: CREATE ROLE {SERVING_ROLE} NOLOGIN; GRANT {SERVING_ROLE} TO the role that connects"
            );
        }
        usable
    }
}

fn read_head(row: &PgRow) -> Result<Head, LedgerError> {
    let position: i64 = row.try_get(0)?;
    let frontier: Vec<u8> = row.try_get(2)?;
    Ok(Head {
        position: Position(position),
        recorded_at: time(position, "recorded_at", row.try_get(1)?)?,
        frontier: Frontier::from_bytes(position.unsigned_abs(), &frontier)?,
    })
}

async fn lock_head(tx: &mut PostgresTx) -> Result<PgRow, LedgerError> {
    let lock = "SELECT position, recorded_at, frontier, restoring FROM ledger.ledger_head WHERE id = 1 FOR UPDATE";
    answered(tx.answer_max(), sqlx::query(lock).fetch_optional(&mut **tx)).await?.ok_or(LedgerError::HeadLost)
}

fn event(row: &PgRow) -> Result<RecordedEvent, LedgerError> {
    let row = EventRow {
        position: row.try_get(0)?,
        team: row.try_get(1)?,
        stream: row.try_get(2)?,
        stream_version: row.try_get(3)?,
        event_id: row.try_get(4)?,
        event_type: row.try_get(5)?,
        schema_version: row.try_get::<i16, _>(6)?.into(),
        occurred_at: row.try_get(7)?,
        recorded_at: row.try_get(8)?,
        causation_id: row.try_get(9)?,
        correlation_id: row.try_get(10)?,
        actor: row.try_get(11)?,
        payload: row.try_get(12)?,
        leaf_hash: row.try_get(13)?,
    };
    row.into_event()
}

fn change(row: &PgRow) -> Result<Change, LedgerError> {
    read_change(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?)
}

fn events(rows: Vec<PgRow>) -> Result<Vec<RecordedEvent>, LedgerError> {
    rows.iter().map(event).collect()
}

#[async_trait]
impl Ledger for PostgresLedger {
    async fn begin_append(&self) -> Result<Box<dyn AppendTx>, LedgerError> {
        let mut tx = self.begin().await?;
        let row = lock_head(&mut tx).await?;
        let head = read_head(&row)?;
        refuse_half(head.position, restoring(head.position.0, row.try_get(3)?)?)?;
        Ok(Box::new(PostgresAppend { tx, head }))
    }

    async fn head(&self) -> Result<Head, LedgerError> {
        let head = sqlx::query("SELECT position, recorded_at, frontier FROM ledger.ledger_head WHERE id = 1");
        let row = answered(ANSWER_MAX, head.fetch_optional(&self.readers)).await?;
        read_head(&row.ok_or(LedgerError::HeadLost)?)
    }

    async fn hear(&self, heard: &(dyn Fn(Position) + Send + Sync)) -> Result<(), LedgerError> {
        let mut listener = PgListener::connect_with(&self.listener).await?;
        listener.listen(CHANNEL).await?;
        loop {
            if let Ok(position) = listener.recv().await?.payload().parse() {
                heard(Position(position));
            }
        }
    }

    async fn read(&self, after: Position, limit: u32) -> Result<Vec<RecordedEvent>, LedgerError> {
        let page = format!("SELECT {COLUMNS} FROM ledger.event WHERE position > $1 ORDER BY position LIMIT $2");
        let page = sqlx::query(AssertSqlSafe(page)).bind(after.0).bind(i64::from(limit.min(PAGE_EVENTS_MAX)));
        events(self.rows(page).await?)
    }

    async fn read_streams(&self, team: TeamId, streams: &[StreamId]) -> Result<Vec<RecordedEvent>, LedgerError> {
        let select = format!("SELECT {COLUMNS} FROM ledger.event WHERE team = $1 AND stream = ANY($2)");
        let names: Vec<String> = streams.iter().map(ToString::to_string).collect();
        let query = sqlx::query(AssertSqlSafe(select)).bind(team.0).bind(names);
        let mut found = events(self.rows(query).await?)?;
        found.sort_by_key(|event| event.position);
        found.iter().try_for_each(RecordedEvent::check_hash)?;
        Ok(found)
    }

    async fn read_stream_after(
        &self,
        team: TeamId,
        stream: StreamId,
        version: i64,
    ) -> Result<Vec<RecordedEvent>, LedgerError> {
        let select = format!(
            "SELECT {COLUMNS} FROM ledger.event WHERE team = $1 AND stream = $2 AND stream_version > $3 \
             ORDER BY stream_version"
        );
        let query = sqlx::query(AssertSqlSafe(select)).bind(team.0).bind(stream.to_string()).bind(version);
        let found = events(self.rows(query).await?)?;
        found.iter().try_for_each(RecordedEvent::check_hash)?;
        Ok(found)
    }

    async fn changes(&self, after: Position, limit: u32) -> Result<Vec<Change>, LedgerError> {
        let query = sqlx::query(
            "SELECT position, team, stream, stream_version, leaf_hash FROM ledger.event WHERE position > $1 \
             ORDER BY position LIMIT $2",
        );
        let query = query.bind(after.0).bind(i64::from(limit.min(PAGE_EVENTS_MAX)));
        // Verifications rest on it, so it is not waited for for long.
        answered(ANSWER_MAX, query.fetch_all(&self.readers)).await?.iter().map(change).collect()
    }

    async fn forgotten(&self, after: Position, limit: u32) -> Result<Vec<RecordedEvent>, LedgerError> {
        let page = format!(
            "SELECT {COLUMNS} FROM ledger.event WHERE type = 'CustomerForgotten' AND position > $1 \
             ORDER BY position LIMIT $2"
        );
        let page = sqlx::query(AssertSqlSafe(page)).bind(after.0).bind(i64::from(limit.min(PAGE_EVENTS_MAX)));
        events(self.rows(page).await?)
    }

    async fn stream_version(&self, team: TeamId, stream: StreamId) -> Result<i64, LedgerError> {
        let version = sqlx::query("SELECT max(stream_version) FROM ledger.event WHERE team = $1 AND stream = $2");
        let row = self.row(version.bind(team.0).bind(stream.to_string())).await?;
        Ok(row.try_get::<Option<i64>, _>(0)?.unwrap_or(0))
    }

    async fn positions_of(&self, event_ids: &[Uuid]) -> Result<HashMap<Uuid, Position>, LedgerError> {
        if event_ids.is_empty() {
            return Ok(HashMap::new());
        }
        let known = sqlx::query("SELECT event_id, position FROM ledger.event WHERE event_id = ANY($1)");
        let rows = self.rows(known.bind(event_ids.to_vec())).await?;
        rows.into_iter().map(|row| Ok((row.try_get(0)?, Position(row.try_get(1)?)))).collect()
    }

    async fn read_streams_after(
        &self,
        team: TeamId,
        streams: &[StreamId],
        after: Position,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, LedgerError> {
        // Adding nothing keeps PostgreSQL from walking through the whole ledger in order of position.
        let select = format!(
            "SELECT {COLUMNS} FROM ledger.event WHERE position = ANY (ARRAY(SELECT position FROM ledger.event \
             WHERE team = $1 AND stream = ANY ($2) AND position + 0 > $3 ORDER BY position + 0 LIMIT $4)) \
             ORDER BY position"
        );
        let names: Vec<String> = streams.iter().map(ToString::to_string).collect();
        let query = sqlx::query(AssertSqlSafe(select)).bind(team.0).bind(names);
        let query = query.bind(after.0).bind(i64::from(limit.min(PAGE_EVENTS_MAX)));
        let found = events(self.rows(query).await?)?;
        found.iter().try_for_each(RecordedEvent::check_hash)?;
        Ok(found)
    }

    async fn read_at(&self, positions: &[Position]) -> Result<Vec<RecordedEvent>, LedgerError> {
        let select = format!("SELECT {COLUMNS} FROM ledger.event WHERE position = ANY ($1) ORDER BY position");
        let most = usize::try_from(PAGE_EVENTS_MAX).unwrap_or(usize::MAX);
        let wanted: Vec<i64> = positions.iter().take(most).map(|position| position.0).collect();
        let found = events(self.rows(sqlx::query(AssertSqlSafe(select)).bind(wanted)).await?)?;
        found.iter().try_for_each(RecordedEvent::check_hash)?;
        Ok(found)
    }
}

struct PostgresAppend {
    tx: PostgresTx,
    head: Head,
}

#[async_trait]
impl AppendTx for PostgresAppend {
    fn head(&self) -> &Head {
        &self.head
    }

    async fn look_up(&mut self, streams: &[(TeamId, StreamId)], event_ids: &[Uuid]) -> Result<LookUp, LedgerError> {
        let (teams, names): (Vec<Uuid>, Vec<String>) =
            streams.iter().map(|(team, stream)| (team.0, stream.to_string())).unzip();
        // One way to the server and back for both.
        let look_up = sqlx::query(
            "SELECT asked.ordinal, \
             (SELECT max(stream_version) FROM ledger.event e WHERE e.team = asked.team AND e.stream = asked.stream), \
             NULL::uuid, NULL::bigint \
             FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS asked (team, stream, ordinal) \
             UNION ALL SELECT NULL, NULL, event_id, position FROM ledger.event WHERE event_id = ANY($3)",
        )
        .bind(teams)
        .bind(names)
        .bind(event_ids.to_vec());
        let mut found = LookUp::default();
        for row in answered(self.tx.answer_max(), look_up.fetch_all(&mut *self.tx)).await? {
            if let Some(event_id) = row.try_get(2)? {
                found.known.insert(event_id, Position(row.try_get(3)?));
                continue;
            }
            // Counted from 1.
            let ordinal = usize::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0);
            if let (Some(stream), Some(version)) = (streams.get(ordinal.wrapping_sub(1)), row.try_get(1)?) {
                found.versions.insert(*stream, version);
            }
        }
        Ok(found)
    }

    async fn insert(&mut self, events: &[RecordedEvent], head: &Head) -> Result<(), LedgerError> {
        // One way to the server and back for all of it: while it lasts, nobody else appends. Who listens hears of it with the
        // commit.
        let insert = format!(
            "WITH inserted AS (INSERT INTO ledger.event ({COLUMNS}) SELECT * FROM unnest($1::bigint[], $2::uuid[], \
             $3::text[], $4::bigint[], $5::uuid[], $6::text[], $7::smallint[], $8::bigint[], $9::bigint[], \
             $10::uuid[], $11::uuid[], $12::text[], $13::bytea[], $14::bytea[])) \
             UPDATE ledger.ledger_head SET position = $15, recorded_at = $16, frontier = $17 WHERE id = 1 \
             RETURNING pg_notify('{CHANNEL}', position::text)"
        );
        let column = |of: fn(&RecordedEvent) -> i64| events.iter().map(of).collect::<Vec<_>>();
        let versions = events.iter().map(|event| i16::try_from(event.schema_version).unwrap_or(i16::MAX));
        let insert = sqlx::query(AssertSqlSafe(insert))
            .bind(column(|event| event.position.0))
            .bind(events.iter().map(|event| event.team.0).collect::<Vec<_>>())
            .bind(events.iter().map(|event| event.stream.to_string()).collect::<Vec<_>>())
            .bind(column(|event| event.stream_version))
            .bind(events.iter().map(|event| event.event_id).collect::<Vec<_>>())
            .bind(events.iter().map(|event| event.event_type.clone()).collect::<Vec<_>>())
            .bind(versions.collect::<Vec<_>>())
            .bind(column(|event| event.occurred_at.as_microsecond()))
            .bind(column(|event| event.recorded_at.as_microsecond()))
            .bind(events.iter().map(|event| event.provenance.causation).collect::<Vec<_>>())
            .bind(events.iter().map(|event| event.provenance.correlation).collect::<Vec<_>>())
            .bind(events.iter().map(|event| event.provenance.actor.clone()).collect::<Vec<_>>())
            .bind(events.iter().map(|event| event.payload.clone()).collect::<Vec<_>>())
            .bind(events.iter().map(|event| event.leaf_hash.to_vec()).collect::<Vec<_>>())
            .bind(head.position.0)
            .bind(head.recorded_at.as_microsecond())
            .bind(head.frontier.to_bytes());
        answered(self.tx.answer_max(), insert.execute(&mut *self.tx)).await?;
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<(), LedgerError> {
        self.tx.commit().await.map_err(|error| {
            if rolled_back(&error) { LedgerError::Database(error) } else { LedgerError::CommitUnknown(error) }
        })
    }

    /// A commit that changes something waits for the synchronous standby, which has then got all that came before. What
    /// an orphaned one left is seen after a restart of the server even where the standby never got it.
    async fn settle(mut self: Box<Self>) -> Result<(), LedgerError> {
        let touch = "UPDATE ledger.ledger_head SET position = position WHERE id = 1";
        self.tx.run(touch).await?;
        self.commit().await
    }

    async fn roll_back(self: Box<Self>) {
        self.tx.roll_back().await;
    }
}

/// Whether the server answered the COMMIT with a roll-back. FATAL and PANIC end the session, and may do so after
/// the commit was made durable (an administrator's shutdown while it waits for the standby).
fn rolled_back(error: &sqlx::Error) -> bool {
    let refusal = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    refusal.is_some_and(|refusal| refusal.severity() == PgSeverity::Error)
}

#[async_trait]
impl RestoreDoor for PostgresLedger {
    async fn restoring(&self) -> Result<Option<RestoreTarget>, LedgerError> {
        let row = self.row(sqlx::query("SELECT position, restoring FROM ledger.ledger_head WHERE id = 1")).await?;
        restoring(row.try_get(0)?, row.try_get(1)?)
    }

    async fn begin_restore(&self) -> Result<(Box<dyn RestoreTx>, Option<RestoreTarget>), LedgerError> {
        let mut tx = self.begin_patiently().await?;
        let row = lock_head(&mut tx).await?;
        let (head, target) = (read_head(&row)?, restoring(row.try_get(0)?, row.try_get(3)?)?);
        Ok((Box::new(PostgresAppend { tx, head }), target))
    }
}

#[async_trait]
impl RestoreTx for PostgresAppend {
    async fn mark(&mut self, target: Option<RestoreTarget>) -> Result<(), LedgerError> {
        let mark = sqlx::query("UPDATE ledger.ledger_head SET restoring = $1 WHERE id = 1");
        let mark = mark.bind(target.map(RestoreTarget::to_bytes));
        answered(self.tx.answer_max(), mark.execute(&mut *self.tx)).await?;
        Ok(())
    }
}
