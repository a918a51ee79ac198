//! Options that several commands take.

use clap::Args;
use keyledger_events::{TeamId, Timestamp};

/// The team that a command is about.
#[derive(Debug, Args)]
pub(super) struct TeamArg {
    /// The team's id.
    #[arg(long, value_name = "ID")]
    pub(super) team: TeamId,
}

/// The team that a command is about, or all of them.
#[derive(Debug, Args)]
pub(super) struct AnyTeamArg {
    /// Only of the team with this id.
    #[arg(long, value_name = "ID")]
    pub(super) team: Option<TeamId>,
}

/// How much of a list is wanted.
#[derive(Debug, Args)]
pub(super) struct LimitArg {
    /// At most so many.
    #[arg(long, value_name = "NUMBER")]
    pub(super) limit: Option<u32>,
}

/// Reads a moment.
pub(super) fn time(text: &str) -> Result<Timestamp, &'static str> {
    text.parse().map_err(|_| "a time has its date, its hour and its zone, as in 2026-01-31T18:30:00Z")
}
