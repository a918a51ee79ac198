//! What an audit cannot do without: reading every row and hashing it. One statement, rows borrowed from SQLite, the
//! bytes under each leaf hashed and compared with the leaf hash that is stored.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::ensure;
use keyledger_proof::Leaf;
use keyledger_proof::merkle::leaf_hash;
use rusqlite::{Connection, OpenFlags, Row};

use crate::measure::Measure;

/// `audit-raw`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A folder with a filled `ledger.db`.
    #[arg(long)]
    db: PathBuf,
}

/// Every column under the leaf, in the order of the encoding, and the leaf hash.
const ROWS: &str = "SELECT position, team, stream, stream_version, event_id, type, schema_version, occurred_at, \
     recorded_at, causation_id, correlation_id, actor, payload, leaf_hash FROM event ORDER BY position";

/// Reads and hashes the whole ledger.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let start = Instant::now();
    let connection = Connection::open_with_flags(args.db.join("ledger.db"), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let mut statement = connection.prepare(ROWS)?;
    let mut rows = statement.query([])?;
    let mut encoding = Vec::new();
    let mut count = 0;
    while let Some(row) = rows.next()? {
        encoding.clear();
        leaf(row)?.encode(&mut encoding);
        ensure!(leaf_hash(&encoding) == row.get_ref(13)?.as_blob()?, "row {count} does not fit its hash");
        count += 1;
    }
    Measure::of(count, start.elapsed()).print()
}

fn leaf<'r>(row: &'r Row<'_>) -> anyhow::Result<Leaf<'r>> {
    let id = |column: usize| -> anyhow::Result<&'r [u8; 16]> { Ok(row.get_ref(column)?.as_blob()?.try_into()?) };
    let optional = |column: usize| -> anyhow::Result<Option<&'r [u8; 16]>> {
        row.get_ref(column)?.as_blob_or_null()?.map(|bytes| Ok(bytes.try_into()?)).transpose()
    };
    Ok(Leaf {
        position: row.get(0)?,
        team: id(1)?,
        stream: row.get_ref(2)?.as_str()?,
        stream_version: row.get(3)?,
        event_id: id(4)?,
        event_type: row.get_ref(5)?.as_str()?,
        schema_version: row.get(6)?,
        occurred_at: row.get(7)?,
        recorded_at: row.get(8)?,
        causation: optional(9)?,
        correlation: optional(10)?,
        actor: row.get_ref(11)?.as_str()?,
        payload: row.get_ref(12)?.as_blob()?,
    })
}
