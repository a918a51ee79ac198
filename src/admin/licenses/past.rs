//! Licences as they were: the same fold over the same events, up to a moment. Nothing is stored for it.

use std::collections::{BTreeMap, HashSet};

use keyledger_events::store::PAGE_EVENTS_MAX;
use keyledger_events::{Position, RecordedEvent, StreamId, StreamKind, TeamId, Timestamp};
use keyledger_projections::License;
use uuid::Uuid;

use super::change::fold;
use crate::admin::as_of::{AsOf, Moment};
use crate::admin::{AdminError, teams};
use crate::app::App;

/// Licences as they were, newest first.
#[derive(Debug, Clone)]
pub struct Past {
    /// What was "now" then.
    pub time: Timestamp,
    /// The licences and whose they are.
    pub licenses: Vec<(TeamId, License)>,
}

/// The licences of one team or of all as they were.
///
/// # Errors
/// When there is no such team, or the ledger does not reach that far.
pub async fn list_as_of(app: &App, team: Option<TeamId>, as_of: AsOf, limit: Option<u32>) -> Result<Past, AdminError> {
    let teams: HashSet<TeamId> = teams::ids(app, team).await?.into_iter().collect();
    let moment = Moment::find(app, as_of).await?;
    let licenses = fold_all(app, &teams, moment).await?;
    let mut licenses: Vec<_> = licenses.into_iter().map(|((team, _), license)| (team, license)).collect();
    licenses.sort_by_key(|(_, license)| std::cmp::Reverse(license.created_position));
    licenses.truncate(limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX));
    Ok(Past { time: moment.time, licenses })
}

async fn fold_all(
    app: &App,
    teams: &HashSet<TeamId>,
    moment: Moment,
) -> Result<BTreeMap<(TeamId, Uuid), License>, AdminError> {
    let mut licenses: BTreeMap<(TeamId, Uuid), License> = BTreeMap::new();
    let mut after = Position::START;
    loop {
        let page = app.ledger.read_checked(after, PAGE_EVENTS_MAX).await?;
        let Some(last) = page.last() else { return Ok(licenses) };
        after = last.position;
        for recorded in &page {
            if !moment.includes(recorded) {
                return Ok(licenses);
            }
            if recorded.stream.kind != StreamKind::License || !teams.contains(&recorded.team) {
                continue;
            }
            let key = (recorded.team, recorded.stream.id);
            let state = licenses.remove(&key);
            if let Some(license) = License::evolve(state, recorded, &recorded.decode()?) {
                licenses.insert(key, license);
            }
        }
    }
}

/// One licence as it was, by its id or its key, and what was "now" then.
///
/// # Errors
/// When there is no such licence, it was not issued by then, or the ledger does not reach that far.
pub async fn show_as_of(
    app: &App,
    team: Option<TeamId>,
    id_or_key: &str,
    as_of: AsOf,
) -> Result<(TeamId, License, Timestamp), AdminError> {
    let (team, license) = super::find(app, team, id_or_key).await?;
    let moment = Moment::find(app, as_of).await?;
    match fold(history(app, team, license.id).await?.iter().filter(|event| moment.includes(event)))? {
        Some(license) => Ok((team, license, moment.time)),
        None => Err(AdminError::Refused(format!(
            "licence {id_or_key} was not issued yet at {as_of}; it was at position {}, {}",
            license.created_position, license.created_at
        ))),
    }
}

/// The place in the ledger of an event of a licence's history, counted from 1.
///
/// # Errors
/// When the history is shorter.
pub async fn position_of(app: &App, team: TeamId, id: Uuid, version: i64) -> Result<Position, AdminError> {
    let history = history(app, team, id).await?;
    let event = history.iter().find(|event| event.stream_version == version);
    let short = || AdminError::Invalid(format!("the licence's history has {} events, not {version}", history.len()));
    Ok(event.ok_or_else(short)?.position)
}

/// The events of a licence's own stream.
pub(super) async fn history(app: &App, team: TeamId, id: Uuid) -> Result<Vec<RecordedEvent>, AdminError> {
    Ok(app.ledger.read_streams(team, &[StreamId::new(StreamKind::License, id)]).await?)
}
