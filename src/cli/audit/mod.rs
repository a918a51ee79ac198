//! `keyledger audit …`

mod export;
mod keep;
mod prove;
mod verify;

use std::path::PathBuf;

use clap::Subcommand;
use keyledger_events::Position;

use super::global::{Global, Reads};
use export::ExportArgs;

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Read every event again and check positions, versions, hashes, the Merkle tree, and every signed checkpoint.
    Verify {
        /// A checkpoint that was kept elsewhere, or a folder of them (*.checkpoint); several are allowed.
        #[arg(long, value_name = "FILE")]
        checkpoint: Vec<PathBuf>,
    },
    /// Verify, by the checkpoints in a folder too, and keep a new one there. Run it every day, with the folder where
    /// nobody who can change the ledger can change it: it fails once history was rewritten.
    Keep {
        /// The folder.
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
    },
    /// Show the newest signed checkpoint: what the log has told the world about its tree.
    Checkpoint {
        /// Sign one now, if the ledger has grown since.
        #[arg(long)]
        sign: bool,
    },
    /// Show the log's verifier key. Whoever checks checkpoints and exports must know it from you.
    Key,
    /// Prove that the event at a position is in the tree of a checkpoint.
    Prove {
        /// The event's position.
        #[arg(value_name = "POSITION", value_parser = clap::value_parser!(i64).range(1..))]
        position: i64,
        /// Against the checkpoint over so many events [default: the newest].
        #[arg(long, value_name = "EVENTS")]
        size: Option<u64>,
    },
    /// Prove that the tree over the first events is the beginning of a later one.
    Consistency {
        /// Events of the older tree.
        #[arg(value_name = "EVENTS")]
        from: u64,
        /// Events of the newer tree [default: those of the newest checkpoint].
        #[arg(value_name = "EVENTS")]
        to: Option<u64>,
    },
    /// Write history to a file: a bundle that `keyledger-verify` checks without the ledger, or a table.
    Export(ExportArgs),
}

impl AuditCommand {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        // Nothing here needs a view: history can be proved while a view is broken.
        let reads = match self {
            Self::Verify { .. } | Self::Keep { .. } => Reads::Doubtful,
            _ => Reads::NoViews,
        };
        global
            .with_app(reads, async |app, output| match self {
                Self::Verify { checkpoint } => verify::run(app, &checkpoint, output).await,
                Self::Keep { to } => keep::run(app, &to, output).await,
                Self::Checkpoint { sign } => prove::checkpoint(app, sign, output).await,
                Self::Key => prove::key(app, output).await,
                Self::Prove { position, size } => prove::inclusion(app, Position(position), size, output).await,
                Self::Consistency { from, to } => prove::consistency(app, from, to, output).await,
                Self::Export(args) => export::run(app, args, output).await,
            })
            .await
    }
}
