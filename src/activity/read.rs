//! Reading what was written down.

use std::borrow::Cow;
use std::collections::HashMap;

use keyledger_events::{TeamId, Timestamp, clock};
use keyledger_projections::{Database, Row, SeatKind, Value};
use uuid::Uuid;

use super::ActivityError;
use super::entry::{LastSeen, LoggedRequest, RequestFilter, RequestKind, StoredRequest};
use super::pending::Used;
use super::store::{kind_number, places, table};

/// Ids of one query.
const IDS_PER_QUERY: usize = 250;
/// Entries of a block of the log, as a power of two; the index `request_license` begins with the block.
const BLOCK_BITS: u32 = 13;
/// Blocks of one query at most, a power of two.
const BLOCKS_PER_QUERY: i64 = 64;

pub(super) fn time(row: &Row, column: usize) -> Result<Timestamp, ActivityError> {
    let microseconds = row.int(column)?;
    clock::from_microseconds(microseconds).ok_or(ActivityError::Time(microseconds))
}

pub(super) async fn seen(
    database: &Database,
    team: TeamId,
    license_id: Uuid,
    kind: SeatKind,
) -> Result<Vec<LastSeen>, ActivityError> {
    let sql = format!(
        "SELECT seat_id, identifier, country, first_seen, last_seen FROM {} \
         WHERE team = $1 AND license_id = $2 AND kind = $3",
        table(database, "seen")
    );
    let rows = database.fetch(sql, vec![team.into(), license_id.into(), kind_number(kind).into()]).await?;
    let seat = |row: &Row| {
        Ok(LastSeen {
            seat_id: row.uuid(0)?,
            identifier: row.text(1)?.to_owned(),
            country: row.optional_text(2)?.map(str::to_owned),
            first_seen: time(row, 3)?,
            last_seen: time(row, 4)?,
        })
    };
    rows.iter().map(seat).collect()
}

pub(super) async fn used(
    database: &Database,
    team: TeamId,
    what: Used,
    ids: Option<&[Uuid]>,
) -> Result<HashMap<Uuid, Timestamp>, ActivityError> {
    let all = format!("SELECT id, used_at FROM {} WHERE team = $1 AND kind = $2", table(database, "used"));
    let args = || vec![Value::from(team), what.number().into()];
    let mut found = HashMap::new();
    let mut queries = Vec::new();
    match ids {
        None => queries.push((all, args())),
        Some(ids) => {
            for chunk in ids.chunks(IDS_PER_QUERY) {
                let places = places(2, chunk.len());
                let args = args().into_iter().chain(chunk.iter().map(|id| Value::from(*id))).collect();
                queries.push((format!("{all} AND id IN ({places})"), args));
            }
        }
    }
    for (sql, args) in queries {
        for row in database.fetch(sql, args).await? {
            found.insert(row.uuid(0)?, time(&row, 1)?);
        }
    }
    Ok(found)
}

/// The log's entries that fit a filter, newest first, before an id.
pub(super) async fn requests(
    database: &Database,
    team: TeamId,
    filter: &RequestFilter,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<StoredRequest>, ActivityError> {
    let conditions = [
        ("team =", Some(team.into())),
        ("license_id =", filter.license_id.map(Value::from)),
        ("code =", filter.code.as_deref().map(Value::text)),
        ("device =", filter.device.as_deref().map(Value::text)),
        ("address =", filter.address.as_deref().map(Value::text)),
        ("kind =", filter.kind.map(|kind| kind.number().into())),
        ("at >=", filter.from.map(Value::from)),
        ("at <", filter.until.map(Value::from)),
        ("id <", before.map(Value::from)),
    ];
    let mut asked = Asked { database, team, sql: Vec::new(), args: Vec::new() };
    for (condition, value) in conditions {
        if let Some(value) = value {
            asked.args.push(value);
            asked.sql.push(format!("{condition} ${}", asked.args.len()));
        }
    }
    if filter.license_id.is_none() {
        return asked.page(&[], limit).await;
    }
    // The index leads from a block and the licence to its entries in that block: the newest one first, and if it does not
    // have enough, more and more at once.
    let Some((oldest, newest)) = ids(database).await? else { return Ok(Vec::new()) };
    let (oldest, mut next) = (oldest >> BLOCK_BITS, newest.min(before.unwrap_or(newest)) >> BLOCK_BITS);
    let (mut found, mut width) = (Vec::new(), 1);
    while next >= oldest && found.len() < limit as usize {
        let blocks: Vec<i64> = (next - width + 1..=next).collect();
        found.extend(asked.page(&blocks, limit - u32::try_from(found.len()).unwrap_or(limit)).await?);
        next -= width;
        width = (width * 2).min(BLOCKS_PER_QUERY);
    }
    Ok(found)
}

/// A question to the log.
struct Asked<'a> {
    database: &'a Database,
    team: TeamId,
    sql: Vec<String>,
    args: Vec<Value>,
}

impl Asked<'_> {
    /// The newest entries that fit, in these blocks or anywhere.
    async fn page(&self, blocks: &[i64], limit: u32) -> Result<Vec<StoredRequest>, ActivityError> {
        let (mut sql, mut args) = (self.sql.join(" AND "), self.args.clone());
        if !blocks.is_empty() {
            sql = format!("{sql} AND id >> {BLOCK_BITS} IN ({})", places(args.len(), blocks.len()));
            args.extend(blocks.iter().map(|block| Value::from(*block)));
        }
        let sql = format!(
            "SELECT id, at, kind, code, license_id, product_id, customer_id, device, address, country, version, branch, \
             latency_us FROM {} WHERE {sql} ORDER BY id DESC LIMIT {limit}",
            table(self.database, "request"),
        );
        self.database.fetch(sql, args).await?.iter().map(|row| request(self.team, row)).collect()
    }
}

/// The oldest and the newest id of the log.
async fn ids(database: &Database) -> Result<Option<(i64, i64)>, ActivityError> {
    let log = table(database, "request");
    // Two questions, each answered by one end of the key; both in one SELECT would walk from one to the other.
    let sql = format!("SELECT (SELECT min(id) FROM {log}), (SELECT max(id) FROM {log})");
    let rows = database.fetch(sql, Vec::new()).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(row.optional_int(0)?.zip(row.optional_int(1)?))
}

fn request(team: TeamId, row: &Row) -> Result<StoredRequest, ActivityError> {
    let text = |column| Ok::<_, ActivityError>(row.optional_text(column)?.map(str::to_owned));
    let id =
        |column| Ok::<_, ActivityError>(row.optional_bytes(column)?.and_then(|bytes| Uuid::from_slice(bytes).ok()));
    let request = LoggedRequest {
        at: time(row, 1)?,
        team,
        kind: RequestKind::of_number(row.int(2)?),
        code: Cow::Owned(row.text(3)?.to_owned()),
        license_id: id(4)?,
        product_id: id(5)?,
        customer_id: id(6)?,
        device: text(7)?,
        address: text(8)?,
        country: text(9)?,
        version: text(10)?,
        branch: text(11)?,
        latency_us: row.int(12)?,
    };
    Ok(StoredRequest { id: row.int(0)?, request })
}
