//! `keyledger backup`

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use keyledger_events::{Clock as _, SystemClock};
use serde_json::json;

use super::global::Global;
use super::output::Output;
use crate::backup::{Archive, Progress, Taken, To, take};
use crate::config::MasterKeySource;

/// How often the bar is drawn anew.
const REDRAW: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// The folder for the copy of the ledger. It must not exist yet, and appears when the copy is complete.
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
    /// The folder for the copy of the keys, best on another disk [default: keys in the folder of the ledger's copy].
    #[arg(long, value_name = "FOLDER")]
    keys_to: Option<PathBuf>,
    /// Put the master key beside the copy of the keys. Whoever has both copies can then read everything.
    #[arg(long)]
    with_master_key: bool,
}

impl BackupArgs {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let database = global.database();
        let source = global.master(&database)?;
        let master_key = self.with_master_key.then(|| source.clone());
        let to = To { ledger: self.to, keys: self.keys_to, master_key };
        global.expect_ledger()?;
        let archive = Archive::open(&database).await?;
        let bar = Bar::new();
        let taken = take(&archive, &to, SystemClock.now(), |progress| bar.draw(progress)).await;
        bar.clear();
        say(&taken?, &source, &mut Output::new(global.json))
    }
}

fn say(taken: &Taken, source: &MasterKeySource, output: &mut Output) -> anyhow::Result<()> {
    let Taken { ledger, keys_folder, point, recorded_at, keys, links, bytes, master_key } = taken;
    if output.json {
        output.document(&json!({
            "ledger": ledger, "keys": keys_folder, "head": point.position, "root": point.root,
            "recordedAt": recorded_at, "events": point.position, "keysCopied": keys, "linksCopied": links,
            "bytes": bytes, "masterKey": master_key,
        }))?;
        return Ok(output.flush()?);
    }
    let (position, root) = (point.position, &point.root);
    output.line(&format!("{position} events copied to {}, Merkle root {root}", ledger.display()))?;
    output.line(&format!("{keys} keys and {links} links copied to {}", keys_folder.display()))?;
    if keys_folder.starts_with(ledger) {
        output.line("The keys lie beside the ledger: keep them in another place, each copy tells nothing alone.")?;
    }
    output.line(&match (master_key, source) {
        (true, _) => "The master key is with the keys: whoever has both copies can read everything.".to_owned(),
        (false, MasterKeySource::File(path)) => {
            format!("The master key is not in the backup: keep {} in a safe place of its own.", path.display())
        }
        (false, MasterKeySource::Hex(_)) => {
            "The master key is not in the backup: keep KEYLEDGER_MASTER_KEY in a safe place of its own.".to_owned()
        }
    })?;
    Ok(output.flush()?)
}

/// A bar on the terminal; nothing where standard error is none.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template("{prefix:<16} {wide_bar} {pos}/{len} {per_sec} {eta} left") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(REDRAW);
        Self(bar)
    }

    pub(super) fn draw(&self, Progress { stage, done, of }: Progress) {
        if self.0.prefix() != stage.as_str() {
            self.0.reset();
            self.0.set_prefix(stage.as_str());
        }
        match of {
            Some(of) => self.0.set_length(of),
            None => self.0.unset_length(),
        }
        self.0.set_position(done);
    }

    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }
}
