//! The raw side: one statement, rows borrowed from SQLite.

use std::collections::HashMap;
use std::path::Path;

use keyledger_events::Event;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};

use super::{Folded, total};

/// Folds the ledger of `folder`; the number of its events.
pub(super) fn fold(folder: &Path) -> anyhow::Result<u64> {
    let connection = Connection::open_with_flags(folder.join("ledger.db"), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let mut streams: HashMap<Box<str>, Folded> = HashMap::new();
    each_event(&connection, |stream, event| {
        match streams.get_mut(stream) {
            Some(folded) => folded.apply(&event),
            None => streams.entry(stream.into()).or_default().apply(&event),
        }
        Ok(())
    })?;
    Ok(total(streams.values()))
}

/// Reads every event in order: the cheapest way there is.
pub(crate) fn each_event(
    connection: &Connection,
    mut work: impl FnMut(&str, Event) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let mut statement =
        connection.prepare("SELECT stream, type, schema_version, payload FROM event ORDER BY position")?;
    let mut rows = statement.query([])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let event = Event::decode(text(row, 1)?, row.get(2)?, row.get_ref(3)?.as_blob()?)?;
        work(text(row, 0)?, event)?;
        count += 1;
    }
    Ok(count)
}

fn text<'a>(row: &'a Row<'_>, column: usize) -> anyhow::Result<&'a str> {
    let value: ValueRef<'a> = row.get_ref(column)?;
    Ok(value.as_str()?)
}
