//! Views that are a fold: each event touches at most one row, and a row is the fold of the events that touch it.
//!
//! A batch is folded in memory: the rows it touches are read in one go, each is written once however many events
//! touched it. Statements come in a few sizes only, so that few of them are prepared; one statement a row would
//! cost three to five times as much.

use std::collections::{HashMap, HashSet};
use std::marker::PhantomData;

use async_trait::async_trait;
use keyledger_events::id::StreamKind;
use keyledger_events::{Event, Position, RecordedEvent, TeamId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::db::{Row, TableName, Tx, Value};
use crate::error::ApplyError;
use crate::projection::{Applied, Decoded, Projection};
use crate::table::Table;

/// Rows of one statement. Each size is one prepared statement per view; the largest stays far below SQLite's
/// 32,766 parameters.
const ROWS_PER_STATEMENT: [usize; 4] = [64, 16, 4, 1];

/// The key of a row. Every row belongs to one team.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// The team itself.
    Team(TeamId),
    /// Something of a team with an id.
    Item(TeamId, Uuid),
    /// Something of a team with a name.
    Named(TeamId, String),
}

impl Key {
    fn values(&self) -> Vec<Value> {
        match self {
            Self::Team(team) => vec![(*team).into()],
            Self::Item(team, id) => vec![(*team).into(), (*id).into()],
            Self::Named(team, name) => vec![(*team).into(), Value::text(name.as_str())],
        }
    }

    fn of(row: &Row, columns: usize) -> Option<Self> {
        let team = TeamId(row.uuid(0).ok()?);
        match (columns, row.values().get(1)) {
            (1, _) => Some(Self::Team(team)),
            (_, Some(Value::Text(Some(name)))) => Some(Self::Named(team, name.clone())),
            _ => Some(Self::Item(team, row.uuid(1).ok()?)),
        }
    }
}

/// How one row of a view follows from events.
pub trait Fold: Send + Sync + 'static {
    /// The view's name.
    const NAME: &'static str;
    /// The version of this code; see [`Projection::version`].
    const VERSION: u32;
    /// The view's table; its last column holds the state.
    const TABLE: &'static Table;
    /// The streams whose events can change it.
    const STREAMS: &'static [StreamKind];
    /// What a row knows.
    type State: Clone + Send + Sync;

    /// The row that an event touches; `None` when the view does not care.
    fn key(recorded: &RecordedEvent, event: &Event) -> Option<Key>;

    /// Whether no row can exist before this event, which saves looking for one. Right for views with a row per
    /// stream.
    fn begins(recorded: &RecordedEvent) -> bool {
        recorded.stream_version == 1
    }

    /// The row after the event; `None` while there is none.
    ///
    /// # Errors
    /// When the event makes no sense; the view stops there.
    fn evolve(
        state: Option<Self::State>,
        recorded: &RecordedEvent,
        event: &Event,
    ) -> Result<Option<Self::State>, String>;

    /// The columns behind the key, the state last.
    ///
    /// # Errors
    /// When the state cannot be written down.
    fn encode(state: &Self::State) -> Result<Vec<Value>, String>;

    /// The state from the last column.
    ///
    /// # Errors
    /// When it is not what [`Fold::encode`] wrote.
    fn decode(stored: &Value) -> Result<Self::State, String>;
}

/// Writes a state as a JSON document.
///
/// # Errors
/// When the state has no JSON form.
pub fn to_json<T: Serialize>(state: &T) -> Result<Value, String> {
    serde_json::to_string(state).map(Value::text).map_err(|error| error.to_string())
}

/// Reads a state from a JSON document.
///
/// # Errors
/// When the document does not fit.
pub fn from_json<T: DeserializeOwned>(stored: &Value) -> Result<T, String> {
    match stored {
        Value::Text(Some(text)) => serde_json::from_str(text).map_err(|error| error.to_string()),
        _ => Err("the column holds no document".to_owned()),
    }
}

/// A [`Fold`] as a [`Projection`].
pub struct Folded<F>(PhantomData<fn() -> F>);

impl<F> Default for Folded<F> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

/// A row in the course of a batch.
struct Touched<S> {
    state: Option<S>,
    changed: bool,
}

#[async_trait]
impl<F: Fold> Projection for Folded<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn version(&self) -> u32 {
        F::VERSION
    }

    fn table(&self) -> &'static Table {
        F::TABLE
    }

    fn concerns(&self, kind: StreamKind) -> bool {
        F::STREAMS.contains(&kind)
    }

    async fn apply(&self, tx: &mut Tx, table: &TableName, events: &[&Decoded]) -> Result<Applied, ApplyError> {
        let touching: Vec<(Key, &Decoded)> =
            events.iter().filter_map(|item| Some((F::key(&item.0, &item.1)?, *item))).collect();
        let Some((_, first)) = touching.first() else { return Ok(Applied::default()) };
        let first = first.0.position;
        let mut rows = load::<F>(tx, table, &touching, first).await?;
        let mut changed = None;
        for (key, (recorded, event)) in touching {
            let row = rows.entry(key).or_insert(Touched { state: None, changed: false });
            row.state = F::evolve(row.state.take(), recorded, event)
                .map_err(|message| ApplyError::Event { position: recorded.position, message })?;
            if row.state.is_some() {
                row.changed = true;
                changed = Some(recorded.position);
            }
        }
        store::<F>(tx, table, rows).await.map_err(|error| error.at(changed.unwrap_or(first)))?;
        Ok(Applied { changed })
    }
}

/// Reads the rows that the batch touches and that may exist already.
async fn load<F: Fold>(
    tx: &mut Tx,
    table: &TableName,
    touching: &[(Key, &Decoded)],
    first: Position,
) -> Result<HashMap<Key, Touched<F::State>>, ApplyError> {
    let bad = |message: String| ApplyError::Event { position: first, message: format!("a stored row: {message}") };
    let mut seen = HashSet::new();
    let mut keys = Vec::new();
    for (key, (recorded, _)) in touching {
        if seen.insert(key) && !F::begins(recorded) {
            keys.push(key.values());
        }
    }
    let mut rows = HashMap::with_capacity(seen.len());
    for row in select_rows(tx, F::TABLE, table, &keys).await? {
        let key = Key::of(&row, F::TABLE.key_columns).ok_or_else(|| bad("its key is not one of ours".to_owned()))?;
        let stored = row.values().last().ok_or_else(|| bad("it has no columns".to_owned()))?;
        let state = F::decode(stored).map_err(bad)?;
        rows.insert(key, Touched { state: Some(state), changed: false });
    }
    Ok(rows)
}

/// Reads key and state of the rows with these keys, as far as they are there.
pub(crate) async fn select_rows(
    tx: &mut Tx,
    shape: &Table,
    table: &TableName,
    keys: &[Vec<Value>],
) -> Result<Vec<Row>, sqlx::Error> {
    let mut rows = Vec::with_capacity(keys.len());
    for asked in padded(keys) {
        let sql = shape.select(table, asked.len());
        rows.extend(tx.fetch(sql, asked.into_iter().flatten().cloned().collect()).await?);
    }
    Ok(rows)
}

/// What is asked for, in pieces of one statement each. What is asked for twice is found once: so the last of a piece is
/// repeated until the piece has one of the few sizes.
pub(crate) fn padded<T>(asked: &[T]) -> impl Iterator<Item = Vec<&T>> {
    asked.chunks(ROWS_PER_STATEMENT[0]).map(|asked| {
        let size = ROWS_PER_STATEMENT.into_iter().rfind(|size| *size >= asked.len()).unwrap_or(asked.len());
        asked.iter().chain(asked.last().into_iter().cycle()).take(size).collect()
    })
}

/// Writes whole rows; those that are there are replaced.
pub(crate) async fn upsert_rows(
    tx: &mut Tx,
    shape: &Table,
    table: &TableName,
    mut written: Vec<Vec<Value>>,
) -> Result<(), sqlx::Error> {
    // In order of key, so that pages are filled one after the other and two nodes never lock rows crosswise.
    written.sort_unstable();
    let sizes: Vec<usize> = chunks(&written).map(<[_]>::len).collect();
    let mut written = written.into_iter();
    for rows in sizes {
        let args = written.by_ref().take(rows).flatten().collect();
        tx.execute(shape.upsert(table, rows), args).await?;
    }
    Ok(())
}

/// What keeps a folded batch from being written.
enum StoreError {
    Encode(String),
    Database(sqlx::Error),
}

impl StoreError {
    fn at(self, position: Position) -> ApplyError {
        match self {
            Self::Encode(message) => ApplyError::Event { position, message },
            Self::Database(error) => error.into(),
        }
    }
}

/// Writes each changed row once.
async fn store<F: Fold>(
    tx: &mut Tx,
    table: &TableName,
    rows: HashMap<Key, Touched<F::State>>,
) -> Result<(), StoreError> {
    let mut written = Vec::with_capacity(rows.len());
    for (key, row) in rows {
        if let (Some(state), true) = (row.state, row.changed) {
            let mut values = key.values();
            values.extend(F::encode(&state).map_err(StoreError::Encode)?);
            written.push(values);
        }
    }
    upsert_rows(tx, F::TABLE, table, written).await.map_err(StoreError::Database)
}

/// Cuts rows into pieces of few sizes, largest first, so that few statements are prepared.
pub fn chunks<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = *ROWS_PER_STATEMENT.iter().find(|size| **size <= rows.len())?;
        let (chunk, rest) = rows.split_at(size);
        rows = rest;
        Some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_into_few_sizes_and_none_is_left_out() {
        for count in [0_usize, 1, 3, 4, 37, 255, 256, 300, 1_000] {
            let rows: Vec<usize> = (0..count).collect();
            let cut: Vec<&[usize]> = chunks(&rows).collect();
            assert!(cut.iter().all(|chunk| ROWS_PER_STATEMENT.contains(&chunk.len())));
            assert_eq!(cut.concat(), rows);
        }
    }

    #[test]
    fn what_is_asked_for_is_padded_to_few_sizes_with_itself() {
        for count in [0_usize, 1, 3, 4, 37, 255, 256, 300, 1_000] {
            let asked: Vec<usize> = (0..count).collect();
            let pieces: Vec<Vec<&usize>> = padded(&asked).collect();
            assert_eq!(pieces.len(), count.div_ceil(ROWS_PER_STATEMENT[0]));
            assert!(pieces.iter().all(|piece| ROWS_PER_STATEMENT.contains(&piece.len())));
            let mut found: Vec<usize> = pieces.concat().into_iter().copied().collect();
            found.dedup();
            assert_eq!(found, asked);
        }
    }
}
