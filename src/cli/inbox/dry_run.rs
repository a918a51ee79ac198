//! `keyledger inbox dry-run`

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;

use super::filter::{ProviderArg, Query, parse_query};
use crate::admin::inbox::{self, RehearsalJson};
use crate::app::App;
use crate::cli::args::TeamArg;
use crate::cli::cell;
use crate::cli::output::{Output, note};

/// The largest payload, in bytes: what the front door takes.
const PAYLOAD_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, Args)]
pub(in crate::cli) struct DryRunArgs {
    #[command(flatten)]
    team: TeamArg,
    /// Who would deliver it.
    #[arg(long)]
    provider: ProviderArg,
    /// For Polymart: the settings in the address: 'productId=…&ipLimit=2'.
    #[arg(long, value_name = "QUERY", value_parser = parse_query)]
    query: Option<Query>,
    /// The file with the body as the provider sends it, or `-` for standard input.
    payload: PathBuf,
}

impl DryRunArgs {
    pub(super) async fn run(self, app: &App, output: &mut Output) -> anyhow::Result<()> {
        let body = read(&self.payload)?;
        let query = self.query.map_or_else(BTreeMap::new, |Query(query)| query);
        let rehearsal = inbox::dry_run(app, self.team.team, self.provider.into(), query, &body).await?;
        if output.json {
            return Ok(output.document(&rehearsal)?);
        }
        tell(&rehearsal, output)
    }
}

fn read(path: &std::path::Path) -> anyhow::Result<Vec<u8>> {
    let context = || format!("the payload cannot be read from {}", path.display());
    let mut body = Vec::new();
    let limit = PAYLOAD_BYTES_MAX + 1;
    if path.as_os_str() == "-" {
        std::io::stdin().lock().take(limit).read_to_end(&mut body).with_context(context)?;
    } else {
        std::fs::File::open(path).with_context(context)?.take(limit).read_to_end(&mut body).with_context(context)?;
    }
    if u64::try_from(body.len()).unwrap_or(u64::MAX) >= limit {
        bail!("the payload is larger than {PAYLOAD_BYTES_MAX} bytes; it would be refused");
    }
    Ok(body)
}

fn tell(rehearsal: &RehearsalJson, output: &mut Output) -> anyhow::Result<()> {
    let RehearsalJson { provider_event_id, event_type, outcome, reason, .. } = rehearsal;
    let (id, kind, reason) = (cell::text(provider_event_id), cell::text(event_type), cell::text(reason));
    output.line(&format!("{id} ({kind}) would be {outcome}: {reason}"))?;
    for warning in &rehearsal.warnings {
        output.line(&format!("note: {}", cell::text(warning)))?;
    }
    let mut table = cell::table(&["EVENT", "STREAM"]);
    for event in &rehearsal.events {
        table.add_row([event.event_type.to_owned(), event.stream.to_string()]);
    }
    output.table(&table, "nothing would be appended")?;
    note(match rehearsal.asked_stripe {
        true => "nothing was recorded; Stripe was asked what the real delivery would have it asked",
        false => "nothing was recorded and nobody was asked",
    });
    Ok(())
}
