//! What became of a licence between two moments.

use keyledger_events::{RecordedEvent, TeamId, Timestamp};
use keyledger_projections::License;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::change::fold;
use super::json::{describe_as_of, describe_sealed};
use super::past::history;
use crate::admin::AdminError;
use crate::admin::as_of::{AsOf, Moment};
use crate::admin::timeline::{Causes, Entry};
use crate::app::App;

/// Events between the two moments that are told; `license` and the changes tell the rest.
const EVENTS_MAX: usize = 500;

/// Who asks: may they see the licence key?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyShown {
    /// In the clear.
    Open,
    /// That there is one.
    Sealed,
}

/// A licence at one of the two moments.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// The moment, as it was asked for.
    pub as_of: String,
    /// What was "now" then.
    pub time: Timestamp,
    /// The licence; `None` when it was not issued yet.
    pub license: Option<Value>,
}

/// A field that is not what it was.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Its name; references are told one by one, as `references.stripeInvoice`.
    pub field: String,
    /// What it was; null where there was nothing.
    pub from: Value,
    /// What it is.
    pub to: Value,
}

/// What became of a licence.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LicenseDiff {
    /// The licence.
    pub id: Uuid,
    /// Whose it is.
    pub team_id: TeamId,
    /// The earlier moment.
    pub from: Side,
    /// The later moment.
    pub to: Side,
    /// What is different.
    pub changes: Vec<Change>,
    /// The events of the licence in between, in order.
    pub events: Vec<Entry>,
    /// Whether there were more of them than are told.
    pub more_events: bool,
}

/// Compares a licence, by its id or its key, at two moments.
///
/// # Errors
/// When there is no such licence, the ledger does not reach that far, or the later moment is the earlier one.
pub async fn diff(
    app: &App,
    team: Option<TeamId>,
    id_or_key: &str,
    (from, to): (AsOf, AsOf),
    key: KeyShown,
) -> Result<LicenseDiff, AdminError> {
    let (team, License { id, .. }) = super::find(app, team, id_or_key).await?;
    let history = history(app, team, id).await?;
    let (earlier, later) = (Moment::find(app, from).await?, Moment::find(app, to).await?);
    let between: Vec<RecordedEvent> =
        history.iter().filter(|event| later.includes(event) && !earlier.includes(event)).cloned().collect();
    let lost = history.iter().any(|event| earlier.includes(event) && !later.includes(event));
    if lost || (between.is_empty() && earlier.time > later.time) {
        return Err(AdminError::Invalid(format!("{from} is after {to}: the earlier moment comes first")));
    }
    let from = side(app, team, &history, from, earlier, key).await?;
    let to = side(app, team, &history, to, later, key).await?;
    let told = &between[..between.len().min(EVENTS_MAX)];
    let events = Entry::describe(app, &mut Causes::of(team), told).await?;
    let changes = changes(from.license.as_ref(), to.license.as_ref());
    Ok(LicenseDiff { id, team_id: team, from, to, changes, events, more_events: told.len() < between.len() })
}

async fn side(
    app: &App,
    team: TeamId,
    history: &[RecordedEvent],
    as_of: AsOf,
    moment: Moment,
    key: KeyShown,
) -> Result<Side, AdminError> {
    let license = match fold(history.iter().filter(|event| moment.includes(event)))? {
        None => None,
        Some(license) => Some(match key {
            KeyShown::Sealed => describe_sealed(app, team, &license, moment.time).await?,
            KeyShown::Open => serde_json::to_value(describe_as_of(app, team, &license, moment.time).await?)
                .map_err(|error| AdminError::Invalid(format!("the licence has no JSON form: {error}")))?,
        }),
    };
    Ok(Side { as_of: as_of.to_string(), time: moment.time, license })
}

/// The fields that differ, in the order of their names.
fn changes(from: Option<&Value>, to: Option<&Value>) -> Vec<Change> {
    let (from, to) = (flat(from), flat(to));
    let mut names: Vec<&String> = from.keys().chain(to.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let value = |of: &Map<String, Value>, name: &String| of.get(name).cloned().unwrap_or(Value::Null);
    let change = |name: &String| Change { field: name.clone(), from: value(&from, name), to: value(&to, name) };
    names.into_iter().map(change).filter(|change| change.from != change.to).collect()
}

/// The fields of a licence, its references among them.
fn flat(license: Option<&Value>) -> Map<String, Value> {
    let mut fields = license.and_then(Value::as_object).cloned().unwrap_or_default();
    if let Some(Value::Object(references)) = fields.remove("references") {
        fields.extend(references.into_iter().map(|(name, value)| (format!("references.{name}"), value)));
    }
    fields
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(from: Option<Value>, to: Option<Value>, expected: &[(&str, Value, Value)]) {
        let found = changes(from.as_ref(), to.as_ref());
        let found: Vec<_> = found.into_iter().map(|change| (change.field, change.from, change.to)).collect();
        let expected: Vec<_> =
            expected.iter().map(|(field, from, to)| ((*field).to_owned(), from.clone(), to.clone())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_differs_is_told_field_by_field() {
        let before = json!({ "status": "ACTIVE", "ipLimit": 1, "references": { "a": "1" } });
        let after = json!({ "status": "REVOKED", "ipLimit": 1, "references": { "a": "1", "b": "2" } });
        let null = Value::Null;
        check(Some(before.clone()), Some(before.clone()), &[]);
        let status = ("status", json!("ACTIVE"), json!("REVOKED"));
        check(Some(before.clone()), Some(after), &[("references.b", null.clone(), json!("2")), status]);
        let issued = [
            ("ipLimit", null.clone(), json!(1)),
            ("references.a", null.clone(), json!("1")),
            ("status", null, json!("ACTIVE")),
        ];
        check(None, Some(before), &issued);
        check(None, None, &[]);
    }
}
