//! `keyledger audit …`

use anyhow::anyhow;
use clap::Subcommand;
use indicatif::ProgressBar;

use super::global::{Global, Reads};
use super::output::Output;
use crate::admin::audit::{Verified, verify};
use crate::app::App;

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Read every event again and check positions, versions, hashes and the Merkle tree.
    Verify,
}

impl AuditCommand {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        match self {
            Self::Verify => global.with_app(Reads::NoViews, async |app, output| run_verify(app, output).await).await,
        }
    }
}

/// Shows progress where a person watches; fails where the ledger does not verify.
async fn run_verify(app: &App, output: &mut Output) -> anyhow::Result<()> {
    let bar = ProgressBar::no_length();
    let verified = verify(app, |position, head| {
        bar.set_length(head.0.unsigned_abs());
        bar.set_position(position.0.unsigned_abs());
    })
    .await?;
    bar.finish_and_clear();
    if output.json {
        output.document(&verified)?;
    } else if verified.ok {
        output.line(&format!("{} events verified up to position {}", verified.events, verified.head))?;
        output.line(&format!("Merkle root {}", verified.root))?;
    }
    match verified {
        Verified { ok: true, .. } => Ok(()),
        Verified { bad_position: Some(position), problem: Some(problem), .. } => {
            Err(anyhow!("the ledger does not verify: position {position}: {problem}"))
        }
        Verified { .. } => Err(anyhow!("the ledger does not verify")),
    }
}
