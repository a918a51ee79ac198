//! `keyledger restore`

use std::path::PathBuf;

use clap::Args;
use keyledger_events::Position;
use serde_json::json;

use super::backup::Bar;
use super::global::Global;
use super::output::Output;
use crate::backup::{RestoreFrom, Restored, restore};

#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// The folder with the copy of the ledger.
    #[arg(long, value_name = "FOLDER")]
    from: PathBuf,
    /// The folder with the copy of the keys [default: keys in the folder of the ledger's copy].
    #[arg(long, value_name = "FOLDER")]
    keys_from: Option<PathBuf>,
}

impl RestoreArgs {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let database = global.database();
        let from = RestoreFrom { ledger: self.from, keys: self.keys_from, master_key: global.master(&database)? };
        let bar = std::sync::Arc::new(Bar::new());
        let drawn = bar.clone();
        let restored = restore(&database, &from, move |progress| drawn.draw(progress)).await;
        bar.clear();
        say(&restored?, &mut Output::new(global.json))
    }
}

fn say(restored: &Restored, output: &mut Output) -> anyhow::Result<()> {
    let Restored { point, resumed_at, keys, forgotten, master_key } = restored;
    if output.json {
        output.document(&json!({
            "head": point.position, "root": point.root, "events": point.position, "resumedAt": resumed_at,
            "keysRestored": keys, "keysForgotten": forgotten, "masterKey": master_key,
        }))?;
        return Ok(output.flush()?);
    }
    let (position, root) = (point.position, &point.root);
    output.line(&format!("{position} events restored and verified, Merkle root {root}"))?;
    if *resumed_at > Position::START {
        output.line(&format!("{resumed_at} of them were there from a restore that was interrupted"))?;
    }
    output.line(&format!("{keys} keys restored, each opened by the master key"))?;
    if *forgotten > 0 {
        output.line(&format!("{forgotten} keys left out: the ledger says that their owners were forgotten"))?;
    }
    if let Some(path) = master_key {
        output.line(&format!("The master key of the backup is now {}.", path.display()))?;
    }
    output.line("The views are computed when the next command or server starts.")?;
    Ok(output.flush()?)
}
