//! What the webhook commands take.

use clap::{Args, ValueEnum};
use keyledger_events::{TeamId, Timestamp};
use keyledger_projections::HookState;
use uuid::Uuid;

use crate::admin::webhooks::OVERLAP_HOURS;
use crate::cli::args::{LimitArg, TeamArg, time};
use crate::cli::secret::SecretSource;
use crate::cli::serve::HookArgs;

/// One endpoint.
#[derive(Debug, Args)]
pub(in crate::cli) struct OneArgs {
    /// The webhook's id.
    pub(super) id: Uuid,
    #[command(flatten)]
    pub(super) team: AnyTeam,
}

/// The team, if there is more than one.
#[derive(Debug, Args)]
pub(in crate::cli) struct AnyTeam {
    /// The id of its team. Not needed where the id is known to one team alone.
    #[arg(long, value_name = "ID")]
    pub(super) team: Option<TeamId>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CreateArgs {
    #[command(flatten)]
    pub(super) team: TeamArg,
    /// Where hooks are posted: https://… (http:// only into networks that the server's KEYLEDGER_HOOKS_ALLOW_PRIVATE
    /// names). It may come from @FILE or, with -, from standard input.
    #[arg(long, value_name = "URL")]
    pub(super) url: SecretSource,
    /// What it is for, in a few words.
    #[arg(long, value_name = "TEXT")]
    pub(super) description: Option<String>,
    /// The types it wants, with commas between them: license.issued,license.*,limit.reached [default: all].
    #[arg(long, value_name = "TYPES", value_delimiter = ',')]
    pub(super) types: Vec<String>,
    /// Show the licence keys in hooks.
    #[arg(long)]
    pub(super) include_keys: bool,
    /// The secret to sign with, whsec_…, as @FILE or -; a new one unless it is given.
    #[arg(long, value_name = "SECRET")]
    pub(super) secret: Option<SecretSource>,
}

#[derive(Debug, Args)]
#[group(id = "change", required = true, multiple = true, args = ["url", "description", "types", "include_keys"])]
pub(in crate::cli) struct UpdateArgs {
    #[command(flatten)]
    pub(super) one: OneArgs,
    /// Where hooks are posted.
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<SecretSource>,
    /// What it is for; an empty text removes it.
    #[arg(long, value_name = "TEXT")]
    pub(super) description: Option<String>,
    /// The types it wants, all of them, with commas between them; `*` for every one.
    #[arg(long, value_name = "TYPES", value_delimiter = ',')]
    pub(super) types: Option<Vec<String>>,
    /// Whether hooks show the licence keys.
    #[arg(long, value_name = "true|false")]
    pub(super) include_keys: Option<bool>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RotateArgs {
    #[command(flatten)]
    pub(super) one: OneArgs,
    /// The new secret, whsec_…, as @FILE or -; a new one is made unless it is given.
    #[arg(long, value_name = "SECRET")]
    pub(super) secret: Option<SecretSource>,
    /// How long the old secret signs beside the new one; 0 ends it now.
    #[arg(long, value_name = "HOURS", default_value_t = OVERLAP_HOURS)]
    pub(super) overlap_hours: u32,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DeliveriesArgs {
    #[command(flatten)]
    pub(super) one: OneArgs,
    /// Only those that are so. May be repeated.
    #[arg(long)]
    pub(super) state: Vec<StateArg>,
    #[command(flatten)]
    pub(super) limit: LimitArg,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RedeliverArgs {
    /// The id of one delivery.
    #[arg(required_unless_present = "webhook", conflicts_with_all = ["webhook", "since"])]
    pub(super) id: Option<Uuid>,
    /// Everything that did not get through to this webhook …
    #[arg(long, value_name = "ID", requires = "since")]
    pub(super) webhook: Option<Uuid>,
    /// … of what happened, or was asked for, from this time on.
    #[arg(long, value_name = "TIME", value_parser = time, requires = "webhook")]
    pub(super) since: Option<Timestamp>,
    #[command(flatten)]
    pub(super) team: AnyTeam,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct TestArgs {
    #[command(flatten)]
    pub(super) one: OneArgs,
    #[command(flatten)]
    pub(super) hooks: HookArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(in crate::cli) enum StateArg {
    /// Not tried, or being tried.
    Pending,
    /// The endpoint took it.
    Delivered,
    /// Tried in vain; it is tried again.
    Failed,
    /// Given up.
    Abandoned,
}

impl From<StateArg> for HookState {
    fn from(state: StateArg) -> Self {
        match state {
            StateArg::Pending => Self::Pending,
            StateArg::Delivered => Self::Delivered,
            StateArg::Failed => Self::Failed,
            StateArg::Abandoned => Self::Abandoned,
        }
    }
}
