//! `keyledger audit verify`

use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use indicatif::{ProgressBar, ProgressStyle};

use crate::admin::audit::{self, Verified};
use crate::app::App;
use crate::cli::output::Output;
use crate::proofs::LogKey;

/// How often the terminal is drawn anew.
const REDRAW: Duration = Duration::from_millis(200);

pub(super) async fn run(app: &App, checkpoints: &[PathBuf], output: &mut Output) -> anyhow::Result<()> {
    let key = LogKey::open(&app.keys).await?;
    let mut kept = Vec::new();
    for path in checkpoints {
        let found = audit::load(path, key.key())?;
        anyhow::ensure!(!found.is_empty(), "{} holds no checkpoint (*.checkpoint) to compare with", path.display());
        kept.extend(found);
    }
    let bar = bar();
    let verified = audit::verify(app, key.key(), kept, |done, all| draw(&bar, done, all)).await;
    bar.finish_and_clear();
    let verified = verified?;
    if output.json {
        output.document(&verified)?;
    } else {
        say(&verified, output)?;
    }
    judge(&verified)
}

/// A bar on the terminal with the rate and the time left; nothing where standard error is none.
pub(super) fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    let template = "{wide_bar} {human_pos}/{human_len} events  {per_sec}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(REDRAW);
    bar
}

pub(super) fn draw(bar: &ProgressBar, done: i64, all: i64) {
    bar.set_length(all.unsigned_abs());
    bar.set_position(done.unsigned_abs());
}

/// What a ledger that verifies is told about.
pub(super) fn say(verified: &Verified, output: &mut Output) -> anyhow::Result<()> {
    if !verified.ok {
        return Ok(());
    }
    let Verified { events, head, seconds, events_per_second, root, checkpoints, kept, .. } = verified;
    output.line(&format!(
        "{events} events verified up to position {head}, in {seconds:.1} s ({events_per_second:.0} events/s)"
    ))?;
    output.line(&format!("Merkle root {root}"))?;
    output.line(&format!("{checkpoints} stored checkpoints agree, {kept} kept elsewhere agree"))?;
    Ok(())
}

/// Fails where the ledger does not verify.
pub(super) fn judge(verified: &Verified) -> anyhow::Result<()> {
    match verified {
        Verified { ok: true, .. } => Ok(()),
        Verified { bad_position: Some(position), problem: Some(problem), .. } => {
            Err(anyhow!("the ledger does not verify: position {position}: {problem}"))
        }
        Verified { .. } => Err(anyhow!("the ledger does not verify")),
    }
}
