//! Writing down what was noted, in few statements; and forgetting it again.

use keyledger_events::{TeamId, Timestamp};
use keyledger_projections::{Database, Value, chunks, insert_into, tuples};
use uuid::Uuid;

use super::ActivityError;
use super::entry::{LastSeen, LoggedRequest};
use super::pending::{Pending, SeatKey, Used};
use super::store::{kind_number, table};

/// Seats kept of each kind for a licence: a stranger with a key must not be able to grow the database.
const SEATS_MAX: i64 = 10_000;
/// Log entries deleted by one statement, so that the others get in between.
const PURGE_ROWS: i64 = 5_000;

/// Writes everything in one transaction. Rows go in the order of their keys, so that two processes never lock them
/// crosswise.
pub(super) async fn all(database: &Database, pending: &Pending) -> Result<(), sqlx::Error> {
    let (postgres, mut tx) = (database.is_postgres(), database.begin_on_the_spot().await?);
    let mut seats: Vec<_> = pending.seats.iter().collect();
    seats.sort_unstable_by_key(|(key, _)| *key);
    for rows in chunks(&seats) {
        // Several processes write what they saw, in no order: the latest time stands.
        let sql = format!(
            "{} {} AS old (team, license_id, kind, seat_id, identifier, country, first_seen, last_seen) \
             VALUES {} ON CONFLICT (team, license_id, kind, seat_id) DO UPDATE SET country = \
             CASE WHEN excluded.last_seen >= old.last_seen THEN COALESCE(excluded.country, old.country) \
             ELSE old.country END, first_seen = \
             CASE WHEN excluded.first_seen < old.first_seen THEN excluded.first_seen ELSE old.first_seen END, \
             last_seen = \
             CASE WHEN excluded.last_seen > old.last_seen THEN excluded.last_seen ELSE old.last_seen END",
            insert_into(postgres),
            table(database, "seen"),
            tuples(postgres, rows.len(), 8)
        );
        tx.execute(sql, rows.iter().flat_map(|(key, seat)| seat_columns(key, seat)).collect()).await?;
    }
    let mut uses: Vec<_> = pending.uses.iter().collect();
    uses.sort_unstable_by_key(|((team, what, id), _)| (*team, what.number(), *id));
    for rows in chunks(&uses) {
        let sql = format!(
            "{} {} AS old (team, kind, id, used_at) VALUES {} ON CONFLICT (team, kind, id) DO UPDATE SET \
             used_at = CASE WHEN excluded.used_at > old.used_at THEN excluded.used_at ELSE old.used_at END",
            insert_into(postgres),
            table(database, "used"),
            tuples(postgres, rows.len(), 4)
        );
        let columns = |((team, what, id), at): &(&(TeamId, Used, Uuid), &Timestamp)| -> [Value; 4] {
            [(*team).into(), what.number().into(), (*id).into(), (**at).into()]
        };
        tx.execute(sql, rows.iter().flat_map(columns).collect()).await?;
    }
    let log: Vec<_> = pending.log.iter().collect();
    for rows in chunks(&log) {
        let sql = format!(
            "{} {} (at, team, kind, code, license_id, product_id, customer_id, device, address, country, \
             version, branch, latency_us) VALUES {}",
            insert_into(postgres),
            table(database, "request"),
            tuples(postgres, rows.len(), 13)
        );
        tx.execute(sql, rows.iter().flat_map(columns).collect()).await?;
    }
    tx.commit().await
}

fn seat_columns((team, license_id, kind, seat_id): &SeatKey, seat: &LastSeen) -> [Value; 8] {
    [
        (*team).into(),
        (*license_id).into(),
        kind_number(*kind).into(),
        (*seat_id).into(),
        Value::text(seat.identifier.as_str()),
        Value::text_or_null(seat.country.as_deref()),
        seat.first_seen.into(),
        seat.last_seen.into(),
    ]
}

fn columns(request: &LoggedRequest<&str>) -> [Value; 13] {
    [
        request.at.into(),
        request.team.into(),
        request.kind.number().into(),
        Value::text(request.code.as_ref()),
        Value::uuid_or_null(request.license_id),
        Value::uuid_or_null(request.product_id),
        Value::uuid_or_null(request.customer_id),
        Value::text_or_null(request.device),
        Value::text_or_null(request.address),
        Value::text_or_null(request.country),
        Value::text_or_null(request.version),
        Value::text_or_null(request.branch),
        request.latency_us.into(),
    ]
}

pub(super) async fn forget_seat(
    database: &Database,
    team: TeamId,
    license_id: Uuid,
    seat_id: Uuid,
) -> Result<(), ActivityError> {
    let mut tx = database.begin().await?;
    let sql = format!("DELETE FROM {} WHERE team = $1 AND license_id = $2 AND seat_id = $3", table(database, "seen"));
    tx.execute(sql, vec![team.into(), license_id.into(), seat_id.into()]).await?;
    Ok(tx.commit().await?)
}

pub(super) async fn purge(database: &Database, before: Timestamp) -> Result<u64, ActivityError> {
    let log = table(database, "request");
    let delete =
        format!("DELETE FROM {log} WHERE id IN (SELECT id FROM {log} WHERE at < $1 ORDER BY at LIMIT {PURGE_ROWS})");
    let mut purged = 0;
    loop {
        let mut tx = database.begin().await?;
        let rows = tx.execute(delete.clone(), vec![before.into()]).await?;
        tx.commit().await?;
        purged += rows;
        if rows < PURGE_ROWS.unsigned_abs() {
            break;
        }
    }
    let seen = table(database, "seen");
    let mut tx = database.begin().await?;
    let sql = format!(
        "DELETE FROM {seen} WHERE (team, license_id, kind, seat_id) IN (SELECT team, license_id, kind, seat_id FROM \
         (SELECT team, license_id, kind, seat_id, ROW_NUMBER() OVER \
         (PARTITION BY team, license_id, kind ORDER BY last_seen DESC) AS place FROM {seen}) AS ranked \
         WHERE place > $1)"
    );
    tx.execute(sql, vec![SEATS_MAX.into()]).await?;
    tx.commit().await?;
    Ok(purged)
}
