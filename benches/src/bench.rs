//! Reference programs, load generator and rounds behind `scripts/bench`.

mod append;
mod audit_raw;
mod fake_stripe;
mod fill;
mod group_commit;
mod licenses;
mod listen;
mod load;
mod measure;
mod ours;
mod rebuild;
mod reference_http;
mod replay;
mod run;
mod shop;
mod sign;
mod signature;
mod story;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

#[derive(Parser)]
#[command(about = "Measures keyledger beside reference programs, round by round")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures the items in rounds, prints the table and writes the JSON.
    Run(run::Args),
    /// Serves one of the HTTP references.
    ReferenceHttp(reference_http::Args),
    /// Answers what keyledger asks Stripe for.
    FakeStripe(fake_stripe::Args),
    /// Posts signed requests and prints what came of it.
    Load(load::Args),
    /// Appends events, or inserts them raw.
    Append(append::Args),
    /// Reads, decodes and folds a ledger.
    Replay(replay::Args),
    /// Reads and hashes every row of a ledger.
    AuditRaw(audit_raw::Args),
    /// Reads and decodes a ledger and upserts licences raw.
    RebuildRaw(rebuild::Args),
    /// Fills a ledger with history.
    Fill(fill::Args),
    /// Signs with RSA and does nothing else.
    SignRsa(sign::Args),
}

/// Which of the two is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Side {
    /// keyledger.
    Ours,
    /// The least code that does the same work.
    Raw,
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Run(args) => return run::run(&args),
        Command::ReferenceHttp(args) => block_on(reference_http::serve(args)),
        Command::FakeStripe(args) => block_on(fake_stripe::serve(args)),
        Command::Load(args) => load::run(&args)?.print(),
        Command::Append(args) => block_on(append::run(args)),
        Command::Replay(args) => block_on(replay::run(args)),
        Command::AuditRaw(args) => audit_raw::run(&args),
        Command::RebuildRaw(args) => rebuild::run(&args),
        Command::Fill(args) => block_on(fill::run(args)),
        Command::SignRsa(args) => sign::run(&args)?.print(),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}
