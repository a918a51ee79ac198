//! Options that several commands take.

use clap::Args;
use keyledger_events::TeamId;

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
