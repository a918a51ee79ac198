//! The rows that a batch of events touches: read in one go, each written once.

use std::collections::{BTreeMap, HashMap, HashSet};

use keyledger_events::id::StreamKind;
use keyledger_events::{Event, Position, RecordedEvent, TeamId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::kind;
use super::{Endpoint, Hook, WebhooksProjection};
use crate::db::{Row, TableName, Tx, Value};
use crate::error::ApplyError;
use crate::fold::{from_json, padded, select_rows, to_json, upsert_rows};
use crate::projection::Decoded;
use crate::table::tuples;

/// The column `row` of endpoints.
const ENDPOINT_ROW: i64 = 0;
/// The column `row` of hooks.
const HOOK_ROW: i64 = 1;

/// What a row holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "row", rename_all = "snake_case")]
pub(super) enum Document {
    /// An endpoint.
    Endpoint(Box<Endpoint>),
    /// A hook.
    Hook(Box<Hook>),
}

impl Document {
    /// The document in a row: the one column that holds one.
    pub(super) fn of(row: &Row) -> Result<Self, String> {
        let is_text = |value: &&Value| matches!(value, Value::Text(Some(_)));
        from_json(row.values().iter().find(is_text).ok_or_else(|| "the row has no document".to_owned())?)
    }

    fn values(&self) -> Result<Vec<Value>, String> {
        let (key, endpoint, state, position, ready_at) = match self {
            Self::Endpoint(it) => {
                let state = if it.removed { "removed" } else { "known" };
                (endpoint_key(it), None, state, it.created_position, None)
            }
            Self::Hook(it) => {
                let (state, ready_at) = (it.state.as_str(), it.ready_at_microseconds());
                (hook_key(it.team, it.id), Some(it.endpoint_id), state, it.source.position, ready_at)
            }
        };
        let [team, row, id] = key;
        Ok(vec![
            team,
            row,
            id,
            Value::uuid_or_null(endpoint),
            Value::text(state),
            position.into(),
            Value::Int(ready_at),
            to_json(self)?,
        ])
    }
}

fn endpoint_key(endpoint: &Endpoint) -> [Value; 3] {
    [endpoint.team.into(), ENDPOINT_ROW.into(), endpoint.id.into()]
}

fn hook_key(team: TeamId, id: Uuid) -> [Value; 3] {
    [team.into(), HOOK_ROW.into(), id.into()]
}

/// Endpoints of the teams that a batch is about, and the hooks that it names.
pub(super) struct Rows {
    /// In order of their ids, so that the same events always give the same rows in the same order.
    endpoints: HashMap<TeamId, BTreeMap<Uuid, Endpoint>>,
    hooks: HashMap<(TeamId, Uuid), Hook>,
    changed: HashSet<(TeamId, Uuid)>,
}

impl Rows {
    /// Reads them.
    pub(super) async fn load(
        tx: &mut Tx,
        table: &TableName,
        told: &[&Decoded],
        first: Position,
    ) -> Result<Self, ApplyError> {
        let bad = |message: String| ApplyError::Event { position: first, message: format!("a stored row: {message}") };
        let mut rows = Self { endpoints: HashMap::new(), hooks: HashMap::new(), changed: HashSet::new() };
        let teams: HashSet<TeamId> = told.iter().map(|(recorded, _)| recorded.team).collect();
        let teams: Vec<TeamId> = teams.into_iter().collect();
        let mut found = Vec::new();
        for teams in padded(&teams) {
            let places = tuples(table.is_postgres(), teams.len(), 1);
            let sql = format!("SELECT doc FROM {table} WHERE team IN ({places}) AND row = {ENDPOINT_ROW}");
            found.extend(tx.fetch(sql, teams.into_iter().map(|team| (*team).into()).collect()).await?);
        }
        let hooks = told.iter().filter(|(recorded, _)| recorded.stream.kind == StreamKind::Hook);
        let hooks: HashSet<(TeamId, Uuid)> = hooks.map(|(it, _)| (it.team, it.stream.id)).collect();
        let keys: Vec<Vec<Value>> = hooks.into_iter().map(|(team, id)| hook_key(team, id).into()).collect();
        found.extend(select_rows(tx, WebhooksProjection::TABLE, table, &keys).await?);
        for row in &found {
            rows.know(Document::of(row).map_err(bad)?);
        }
        Ok(rows)
    }

    fn know(&mut self, document: Document) {
        match document {
            Document::Endpoint(it) => drop(self.endpoints.entry(it.team).or_default().insert(it.id, *it)),
            Document::Hook(it) => drop(self.hooks.insert((it.team, it.id), *it)),
        }
    }

    /// Takes an event in; tells whether a row changed.
    pub(super) fn take(&mut self, recorded: &RecordedEvent, event: &Event) -> bool {
        match recorded.stream.kind {
            StreamKind::Webhook => self.endpoint_changed(recorded, event),
            StreamKind::Hook => self.hook_changed(recorded, event),
            _ => self.licence_changed(recorded, event),
        }
    }

    fn endpoint_changed(&mut self, recorded: &RecordedEvent, event: &Event) -> bool {
        let of_team = self.endpoints.entry(recorded.team).or_default();
        let evolved = Endpoint::evolve(of_team.remove(&recorded.stream.id), recorded, event);
        let Some(endpoint) = evolved else { return false };
        of_team.insert(endpoint.id, endpoint);
        self.changed.insert((recorded.team, recorded.stream.id));
        true
    }

    fn hook_changed(&mut self, recorded: &RecordedEvent, event: &Event) -> bool {
        let key = (recorded.team, recorded.stream.id);
        let Some(hook) = Hook::evolve(self.hooks.remove(&key), recorded, event) else { return false };
        let endpoint = self.endpoints.get_mut(&recorded.team).and_then(|it| it.get_mut(&hook.endpoint_id));
        if endpoint.is_some_and(|endpoint| endpoint.heard(recorded, event)) {
            self.changed.insert((recorded.team, hook.endpoint_id));
        }
        self.hooks.insert(key, hook);
        self.changed.insert(key);
        true
    }

    fn licence_changed(&mut self, recorded: &RecordedEvent, event: &Event) -> bool {
        let (Some(kind), Some(endpoints)) = (kind::of(event), self.endpoints.get(&recorded.team)) else { return false };
        let mut owes = false;
        for endpoint in endpoints.values().filter(|endpoint| endpoint.wants(kind)) {
            let hook = Hook::owed(endpoint.id, recorded, kind);
            self.changed.insert((hook.team, hook.id));
            self.hooks.insert((hook.team, hook.id), hook);
            owes = true;
        }
        owes
    }

    /// Writes what changed.
    pub(super) async fn store(self, tx: &mut Tx, table: &TableName, position: Position) -> Result<(), ApplyError> {
        let bad = |message| ApplyError::Event { position, message };
        let Self { endpoints, hooks, changed } = self;
        let endpoints = endpoints.into_values().flat_map(BTreeMap::into_values);
        let endpoints = endpoints.map(|it| ((it.team, it.id), Document::Endpoint(Box::new(it))));
        let hooks = hooks.into_iter().map(|(key, it)| (key, Document::Hook(Box::new(it))));
        let written = endpoints.chain(hooks).filter(|(key, _)| changed.contains(key));
        let written: Vec<Vec<Value>> =
            written.map(|(_, document)| document.values()).collect::<Result<_, _>>().map_err(bad)?;
        Ok(upsert_rows(tx, WebhooksProjection::TABLE, table, written).await?)
    }
}
