//! A licence as it was: after each of the events of its history.

use keyledger_events::{Position, TeamId};
use keyledger_projections::License;

use super::super::problem::Problem;
use super::super::when::When;
use super::words::{Standing, Tag, standing, tag};
use crate::admin::as_of::AsOf;
use crate::admin::licenses;
use crate::app::App;

/// A licence at a place of its history.
pub(super) struct Past {
    /// How many events its history has.
    pub(super) versions: i64,
    /// After which of them it is looked at.
    pub(super) version: i64,
    /// How it stood then; `None` when it is looked at as it is now.
    pub(super) then: Option<Then>,
}

/// How a licence stood.
pub(super) struct Then {
    /// The place in the ledger.
    pub(super) position: Position,
    /// When that was recorded.
    pub(super) when: When,
    /// What it was called.
    pub(super) tag: Tag,
    /// How it stood.
    pub(super) standing: Standing,
    /// Addresses at once.
    pub(super) ip_limit: Option<u32>,
    /// Devices at once.
    pub(super) hwid_limit: Option<u32>,
}

/// The licence after the event `version` of its history, if one is asked for.
///
/// # Errors
/// When there is no such event.
pub(super) async fn of(app: &App, team: TeamId, license: &License, version: Option<u32>) -> Result<Past, Problem> {
    let versions = license.version;
    let version = version.map_or(versions, i64::from);
    if !(1..=versions).contains(&version) {
        return Err(Problem::unusable(format!(
            "This licence's history has the events 1 to {versions}, not {version}."
        )));
    }
    let then = if version == versions { None } else { Some(then(app, team, license, version).await?) };
    Ok(Past { versions, version, then })
}

async fn then(app: &App, team: TeamId, license: &License, version: i64) -> Result<Then, Problem> {
    let position = licenses::position_of(app, team, license.id, version).await?;
    let id = license.id.to_string();
    let (_, past, time) = licenses::show_as_of(app, Some(team), &id, AsOf::Position(position)).await?;
    let used = licenses::describe_as_of(app, team, &past, time).await?;
    Ok(Then {
        position,
        when: When(time),
        tag: tag(used.status),
        standing: standing(&past, time),
        ip_limit: past.ip_limit(),
        hwid_limit: past.hwid_limit(),
    })
}
