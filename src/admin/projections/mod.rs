//! The views: how far they are, computed anew, compared with the ledger, switched back. They belong to the whole
//! installation, whoever's key asks. What is done to them is no history, so it goes into the log and not into the ledger.

mod tasks;

use keyledger_events::Position;
use keyledger_projections::{BuildStatus, RebuildError, Runner, Verified, ViewReport, view};
use serde::Serialize;

pub use tasks::{TaskJson, TaskKind, ViewTasks};

use super::AdminError;

/// How far the views are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusJson {
    /// The end of the ledger.
    pub head: Position,
    /// Whether all views that were asked for are there.
    pub caught_up: bool,
    /// The builds that serve.
    pub views: Vec<ViewReport>,
    /// The builds that are filled beside them, in whatever process.
    pub building: Vec<ViewReport>,
}

/// A view compared with a fresh one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifiedJson {
    /// The view.
    pub name: String,
    /// The build that serves.
    pub version: i64,
    /// The position that both were compared at.
    pub position: Position,
    /// Whether the rows that serve are what the ledger says.
    pub matches: bool,
    /// How many rows serve.
    pub rows: u64,
    /// Hex of their digest.
    pub digest: String,
    /// How many rows the ledger makes.
    pub fresh_rows: u64,
    /// Hex of their digest.
    pub fresh_digest: String,
}

impl From<Verified> for VerifiedJson {
    fn from(verified: Verified) -> Self {
        Self {
            matches: verified.matches(),
            name: verified.name,
            version: verified.version,
            position: verified.position,
            rows: verified.serving.rows,
            digest: verified.serving.to_string(),
            fresh_rows: verified.fresh.rows,
            fresh_digest: verified.fresh.to_string(),
        }
    }
}

/// The views with these names; without a name all of them. Nothing is begun when one of them is wrong.
///
/// # Errors
/// When there is no view of that name.
pub fn named(names: &[String]) -> Result<Vec<&'static str>, RebuildError> {
    if names.is_empty() {
        return Ok(view::ALL.to_vec());
    }
    let mut found = Vec::new();
    for name in names {
        let known = view::ALL.iter().find(|known| **known == name.as_str());
        let known = known.ok_or_else(|| RebuildError::Unknown(name.clone()))?;
        if !found.contains(known) {
            found.push(*known);
        }
    }
    Ok(found)
}

/// How far these views are (all of them, if none is named).
///
/// # Errors
/// When there is no such view, or ledger or views do not answer.
pub async fn status(runner: &Runner, names: &[String]) -> Result<StatusJson, AdminError> {
    let names = named(names)?;
    let mut views = runner.list().await.map_err(RebuildError::from)?;
    views.retain(|build| names.contains(&build.name.as_str()));
    // What another release reads does not follow when nobody runs that any more.
    views.retain(|build| build.ours && (build.serves() || build.status == BuildStatus::Building));
    let (views, building): (Vec<_>, Vec<_>) = views.into_iter().partition(ViewReport::serves);
    let head = views.iter().chain(&building).map(|build| Position(build.position.0 + build.lag_events)).max();
    let caught_up = views.iter().all(|build| build.lag_events == 0 && build.fault.is_none());
    Ok(StatusJson { head: head.unwrap_or_default(), caught_up, views, building })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_found_by_name_and_an_unknown_one_is_named() {
        let names = |names: &[&str]| named(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(names(&[]).ok(), Some(view::ALL.to_vec()));
        assert_eq!(names(&["licenses", "teams", "licenses"]).ok(), Some(vec!["licenses", "teams"]));
        assert!(names(&["licenses", "licences"]).is_err_and(|error| error.to_string().contains("licences")));
    }
}
