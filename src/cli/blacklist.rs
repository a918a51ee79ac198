//! `keyledger blacklist …`

use clap::{Args, Subcommand};
use keyledger_events::event::team::BlacklistKind;
use uuid::Uuid;

use super::args::TeamArg;
use super::cell;
use super::global::{Global, Reads};
use super::list::List;
use super::output::note;
use crate::admin::{ACTOR_CLI, verifications};

#[derive(Debug, Subcommand)]
pub(super) enum BlacklistCommand {
    /// Refuse verifications from an address, a network, a device or a country.
    Add {
        #[command(flatten)]
        team: TeamArg,
        #[command(flatten)]
        what: WhatArgs,
    },
    /// List what is refused, the oldest first.
    List {
        #[command(flatten)]
        team: TeamArg,
    },
    /// No longer refuse it.
    Remove {
        /// The entry's id, as `blacklist list` shows it.
        id: Uuid,
        #[command(flatten)]
        team: TeamArg,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct WhatArgs {
    /// An address, or a network such as 203.0.113.0/24.
    #[arg(long, value_name = "ADDRESS|NETWORK")]
    address: Option<String>,
    /// A hardware identifier: 10 to 1,000 characters without white space.
    #[arg(long, value_name = "TEXT")]
    device: Option<String>,
    /// A country in two letters. It is known only when a proxy tells it, see `serve --country-header`.
    #[arg(long, value_name = "XX")]
    country: Option<String>,
}

impl WhatArgs {
    fn entry(self) -> (BlacklistKind, String) {
        match (self.address, self.device, self.country) {
            (Some(address), _, _) => (BlacklistKind::Address, address),
            (_, Some(device), _) => (BlacklistKind::Device, device),
            (_, _, country) => (BlacklistKind::Country, country.unwrap_or_default()),
        }
    }
}

impl BlacklistCommand {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        global
            .with_app(Reads::Views, async |app, output| match self {
                Self::Add { team, what } => {
                    let (kind, value) = what.entry();
                    let entry = verifications::block(app, ACTOR_CLI, team.team, kind, &value).await?;
                    if output.json {
                        return Ok(output.document(&entry)?);
                    }
                    note(&format!("{} is on the blacklist; its id is {}", cell::text(&entry.value), entry.id));
                    Ok(())
                }
                Self::List { team } => {
                    let mut rows = List::begin(output, ["KIND", "VALUE", "ADDED", "ID"]);
                    for entry in verifications::blacklist(app, team.team).await? {
                        rows.push(&entry, || {
                            let kind = match entry.kind {
                                BlacklistKind::Address => "address",
                                BlacklistKind::Device => "device",
                                BlacklistKind::Country => "country",
                            };
                            let value = cell::text(&entry.value);
                            [kind.to_owned(), value, cell::time(entry.added_at), entry.id.to_string()]
                        })?;
                    }
                    Ok(rows.finish("the blacklist is empty")?)
                }
                Self::Remove { id, team } => {
                    verifications::unblock(app, ACTOR_CLI, team.team, id).await?;
                    if output.json {
                        return Ok(output.document(&serde_json::json!({ "id": id, "removed": true }))?);
                    }
                    note("done: it is no longer refused");
                    Ok(())
                }
            })
            .await
    }
}
