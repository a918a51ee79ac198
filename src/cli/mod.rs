//! The command line: one binary for the server and for everything that an admin does.
//!
//! A file per noun. A command opens the ledger like a server does, asks [`crate::admin`], and says what came of it:
//! people get tables and sentences, `--json` gives one document on standard output and nothing else.

mod apikey;
mod args;
mod audit;
mod backup;
mod blacklist;
mod cell;
mod customer;
mod demo;
mod events;
mod failure;
mod global;
mod import;
mod inbox;
mod integration;
mod keys;
mod license;
mod list;
mod logging;
mod mail;
mod member;
mod output;
mod product;
mod projections;
mod reconcile;
mod report;
mod requests;
mod restore;
mod secret;
mod serve;
mod team;
mod timeline;
mod verification;
mod webhook;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use global::Global;
use logging::Verbosity;

/// What `--help` says at its end.
const AFTER_HELP: &str = "\
Every command works while a server runs, and without one. Environment variables may hold options: \
KEYLEDGER_DATABASE_URL, KEYLEDGER_MASTER_KEY (64 hexadecimal digits) or KEYLEDGER_MASTER_KEY_FILE. \
A log goes to standard error: KEYLEDGER_LOG says how much of it (info), KEYLEDGER_LOG_FORMAT how (human or json).

Exit codes: 0 done, 1 not done (the reason is on standard error), 2 wrong usage.";

/// A licensing ledger that a software seller runs: webhooks of Stripe and Polymart become licence keys.
#[derive(Debug, Parser)]
#[command(name = "keyledger", version, after_help = AFTER_HELP, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve webhooks, placeholders and operations until SIGINT or SIGTERM.
    Serve(serve::ServeArgs),
    /// Serve a demonstration: a ledger with one team, and real signed purchases posted through its own front door.
    Demo(demo::DemoArgs),
    /// Teams: who sells.
    #[command(subcommand)]
    Team(team::TeamCommand),
    /// Products: what licences are for.
    #[command(subcommand)]
    Product(product::ProductCommand),
    /// Connections to Stripe and Polymart: their secrets, and whether they are on.
    #[command(subcommand)]
    Integration(integration::IntegrationCommand),
    /// API keys.
    #[command(subcommand, name = "apikey")]
    ApiKey(apikey::ApiKeyCommand),
    /// Customers: who bought, and forgetting them.
    #[command(subcommand)]
    Customer(customer::CustomerCommand),
    /// The master key and the server's signing keys.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Licences, now or as they were.
    #[command(subcommand)]
    License(license::LicenseCommand),
    /// Where verifications are refused from.
    #[command(subcommand)]
    Blacklist(blacklist::BlacklistCommand),
    /// What client programs asked, and how they were answered.
    #[command(subcommand)]
    Requests(requests::RequestsCommand),
    /// What providers delivered, and what became of it.
    #[command(subcommand)]
    Inbox(inbox::InboxCommand),
    /// Asking a provider for what it could not deliver.
    #[command(subcommand)]
    Reconcile(reconcile::ReconcileCommand),
    /// The ledger itself.
    #[command(subcommand)]
    Events(events::EventsCommand),
    /// What happened to something, who did it, when, and because of what.
    #[command(subcommand)]
    Timeline(timeline::TimelineCommand),
    /// What an accountant asks for.
    #[command(subcommand)]
    Report(report::ReportCommand),
    /// Proving that nobody rewrote the ledger.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Mails to buyers, and to you.
    #[command(subcommand)]
    Mail(mail::MailCommand),
    /// Members: your people who sign in to the dashboard.
    #[command(subcommand)]
    Member(member::MemberCommand),
    /// Outgoing webhooks: programs of yours that are told of what happens to licences.
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    /// The views that are computed from the ledger.
    #[command(subcommand)]
    Projections(projections::ProjectionsCommand),
    /// Copy the ledger and its keys into folders, while everything serves.
    Backup(backup::BackupArgs),
    /// Take over what another system knows.
    #[command(subcommand)]
    Import(import::ImportCommand),
    /// Restore a backup into an empty folder or database, of either kind.
    Restore(restore::RestoreArgs),
}

/// Reads the arguments and does what they say.
pub async fn run() -> ExitCode {
    let Cli { global, command } = Cli::parse();
    // Fails only when one is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let verbosity = match command {
        Command::Serve(_) => Verbosity::Server,
        // Its own lines tell the story.
        Command::Demo(_) => Verbosity::Demonstration,
        _ => Verbosity::Command,
    };
    if let Err(problem) = logging::start(verbosity) {
        global::usage(&problem);
    }
    match execute(&global, command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}

async fn execute(global: &Global, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(args) => args.run(global).await,
        Command::Demo(args) => args.run(global).await,
        Command::Team(command) => command.run(global).await,
        Command::Product(command) => command.run(global).await,
        Command::Integration(command) => command.run(global).await,
        Command::ApiKey(command) => command.run(global).await,
        Command::Customer(command) => command.run(global).await,
        Command::Keys(command) => command.run(global).await,
        Command::License(command) => command.run(global).await,
        Command::Blacklist(command) => command.run(global).await,
        Command::Requests(command) => command.run(global).await,
        Command::Inbox(command) => command.run(global).await,
        Command::Reconcile(command) => command.run(global).await,
        Command::Events(command) => command.run(global).await,
        Command::Timeline(command) => command.run(global).await,
        Command::Report(command) => command.run(global).await,
        Command::Audit(command) => command.run(global).await,
        Command::Mail(command) => command.run(global).await,
        Command::Member(command) => command.run(global).await,
        Command::Webhook(command) => command.run(global).await,
        Command::Projections(command) => command.run(global).await,
        Command::Backup(args) => args.run(global).await,
        Command::Import(command) => command.run(global).await,
        Command::Restore(args) => args.run(global).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_commands_are_well_formed() {
        Cli::command().debug_assert();
    }
}
