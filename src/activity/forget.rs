//! Forgetting what was noted of people.

use keyledger_events::TeamId;
use keyledger_projections::db::Tx;
use keyledger_projections::{Database, Value};
use uuid::Uuid;

use super::ActivityError;
use super::store::{places, table};

/// Ids of one statement.
const IDS_PER_STATEMENT: usize = 256;

/// Forgets seats of licences whole; of the log's entries, what tells of the device and from where it was.
pub(super) async fn people(
    database: &Database,
    team: TeamId,
    licenses: &[Uuid],
    customers: &[Uuid],
) -> Result<u64, ActivityError> {
    let (seen, request) = (table(database, "seen"), table(database, "request"));
    let anonymous = format!(
        "UPDATE {request} SET device = NULL, address = NULL, country = NULL \
         WHERE (device IS NOT NULL OR address IS NOT NULL OR country IS NOT NULL) AND team = $1"
    );
    let mut forgotten = 0;
    for (column, ids, statement) in [
        ("license_id", licenses, format!("DELETE FROM {seen} WHERE team = $1")),
        ("license_id", licenses, anonymous.clone()),
        ("customer_id", customers, anonymous),
    ] {
        for chunk in ids.chunks(IDS_PER_STATEMENT) {
            let mut args: Vec<Value> = vec![team.into()];
            args.extend(chunk.iter().map(|id| Value::from(*id)));
            let mut tx = database.begin().await?;
            let sql = format!("{statement} AND {column} IN ({})", places(1, chunk.len()));
            let rows = tx.execute(sql, args).await?;
            if rows > 0 && !database.is_postgres() && statement.starts_with("DELETE") {
                rewrite_seen(&mut tx).await?;
            }
            tx.commit().await?;
            forgotten += rows;
        }
    }
    Ok(forgotten)
}

/// Writes the seats' table afresh. `secure_delete` wipes what is deleted where it stands, but where pages were split
/// before, copies of a row that moved stay in the unused part of a page; dropping the table wipes its pages whole.
async fn rewrite_seen(tx: &mut Tx) -> Result<(), sqlx::Error> {
    for statement in [
        "CREATE TABLE seen_afresh (team BLOB NOT NULL, license_id BLOB NOT NULL, kind INTEGER NOT NULL, \
         seat_id BLOB NOT NULL, identifier TEXT NOT NULL, country TEXT, first_seen INTEGER NOT NULL, \
         last_seen INTEGER NOT NULL, PRIMARY KEY (team, license_id, kind, seat_id)) STRICT, WITHOUT ROWID",
        "INSERT INTO seen_afresh SELECT * FROM seen ORDER BY team, license_id, kind, seat_id",
        "DROP TABLE seen",
        "ALTER TABLE seen_afresh RENAME TO seen",
    ] {
        tx.execute(statement.to_owned(), Vec::new()).await?;
    }
    Ok(())
}
