//! `keyledger keys …`

use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};
use keyledger_events::keys::Wanted;
use serde_json::json;

use super::cell;
use super::global::{Global, Reads};
use super::output::{Output, note};
use crate::admin::server_keys::{self, ANNOUNCED_HOURS_MAX};
use crate::app::App;
use crate::verification::ServerKeyJson;

/// The longest time for which a rotated master key is handed over: a day, in seconds.
const HAND_OVER_SECONDS_MAX: i64 = 86_400;

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Show which master key is in force, by an id that tells nothing of it, and the server's signing keys.
    Show,
    /// Put another master key in force and wrap every data key anew. Servers go on meanwhile; run again, it goes on where
    /// it broke off.
    RotateMaster(RotateMasterArgs),
    /// Add another signing key of the server, which signs whole answers. What the old ones signed can still be verified.
    RotateServer {
        /// When it begins to sign. It is shown at once, so that programs learn of it before; 0 for a key that leaked.
        #[arg(
            long,
            value_name = "HOURS",
            default_value_t = 24,
            value_parser = clap::value_parser!(u32).range(0..=i64::from(ANNOUNCED_HOURS_MAX))
        )]
        in_hours: u32,
    },
}

#[derive(Debug, Args)]
pub(super) struct RotateMasterArgs {
    /// Where the new master key is written, when the present one does not come from a file. It is never shown.
    #[arg(long, value_name = "FILE")]
    new_key_file: Option<PathBuf>,
    /// How long the old master key still does, so that every server takes up the new one.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 15,
        value_parser = clap::value_parser!(u64).range(0..=HAND_OVER_SECONDS_MAX.unsigned_abs())
    )]
    hand_over_seconds: u64,
}

impl KeysCommand {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        global
            .with_app(Reads::NoViews, async |app, output| match self {
                Self::Show => show(app, output).await,
                Self::RotateMaster(args) => rotate_master(app, args, output).await,
                Self::RotateServer { in_hours } => {
                    let keys = server_keys::rotate(app, in_hours).await?;
                    if output.json {
                        return Ok(output.document(&json!({ "keys": keys }))?);
                    }
                    table(&keys, output)?;
                    note("Programs that keep the server's keys must learn of the last one before it signs.");
                    Ok(())
                }
            })
            .await
    }
}

async fn show(app: &App, output: &mut Output) -> anyhow::Result<()> {
    let (keys, master) = (server_keys::list(app).await?, app.keys.vault().master().await?);
    let (id, handed_over) = master.map(|master| (master.id, master.handed_over.is_some())).unzip();
    if output.json {
        let master = json!({ "id": id, "handedOver": handed_over });
        return Ok(output.document(&json!({ "master": master, "keys": keys }))?);
    }
    if let Some(id) = id {
        output.line(&format!("master key  {id}"))?;
    }
    if handed_over == Some(true) {
        note("A rotation of the master key is not finished: run keyledger keys rotate-master");
    }
    table(&keys, output)
}

fn table(keys: &[ServerKeyJson], output: &mut Output) -> anyhow::Result<()> {
    let mut table = cell::table(&["SERVER KEY", "PUBLIC KEY", "SIGNS FROM", "UNTIL"]);
    for key in keys {
        table.add_row([key.kid.clone(), key.x.clone(), cell::maybe_time(key.from), cell::maybe_time(key.until)]);
    }
    Ok(output.table(&table, "no keys yet")?)
}

async fn rotate_master(app: &App, args: RotateMasterArgs, output: &mut Output) -> anyhow::Result<()> {
    if args.new_key_file.is_none() && app.keys.master_file().is_none() {
        bail!(
            "the master key comes from KEYLEDGER_MASTER_KEY: say with --new-key-file where the new one is to be written"
        );
    }
    if args.new_key_file.is_some() && app.keys.master_file().is_some() {
        bail!("the master key comes from a file, which is replaced: leave --new-key-file out");
    }
    let hand_over = Duration::from_secs(args.hand_over_seconds);
    let wanted = Wanted { new_file: args.new_key_file.as_deref(), hand_over };
    let rotated = app.keys.rotate(wanted, |keys| tracing::debug!(keys, "data keys are wrapped anew")).await?;
    if output.json {
        let (file, before) = (&rotated.file, &rotated.before);
        let done = json!({
            "id": rotated.id, "keys": rotated.keys, "resumed": rotated.resumed, "file": file, "fileBefore": before,
        });
        return Ok(output.document(&done)?);
    }
    output.line(&format!("master key  {}", rotated.id))?;
    output.line(&format!("rewrapped   {} data keys", rotated.keys))?;
    output.flush()?;
    if rotated.resumed {
        note("A rotation that was begun before is finished.");
    }
    if let Some(file) = rotated.file {
        note(&format!("The new master key is in {}: make a copy of it in a safe place.", file.display()));
    }
    match rotated.before {
        Some(before) => note(&format!(
            "The old one is in {}: it opens only copies of the keys store from before. Move it to where those are.",
            before.display()
        )),
        None => {
            note("Set KEYLEDGER_MASTER_KEY to it on every machine, before a server or a command starts there again.")
        }
    }
    note("Other machines with a file of their own need the new one before their next start; running servers go on.");
    Ok(())
}
