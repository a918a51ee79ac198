//! The ids that Lukittu's ids give.

use keyledger_events::{StreamKind, TeamId, id};
use uuid::Uuid;

/// The id of something of Lukittu's in a team: its own where that is a UUID.
pub(super) fn of(team: TeamId, kind: StreamKind, lukittu: &str) -> Uuid {
    Uuid::parse_str(lukittu).unwrap_or_else(|_| id::derived(team, &["lukittu", kind.as_str(), lukittu]))
}

/// The id of a team.
pub(super) fn team(lukittu: &str) -> TeamId {
    TeamId(of(TeamId(Uuid::nil()), StreamKind::Team, lukittu))
}

/// The id of the event that tells `what` of something of Lukittu's: the same in every run.
pub(super) fn event(team: TeamId, kind: StreamKind, lukittu: &str, what: &str) -> Uuid {
    id::derived(team, &["import", "lukittu", kind.as_str(), lukittu, what])
}
