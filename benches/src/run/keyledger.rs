//! The product under load: a ledger made by its command line, and `keyledger serve` on a copy of it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::context::Context;
use super::process::{self, Running};
use crate::load::SECRET;
use crate::measure::Measure;

/// A SQLite folder with one team, one product, and both integrations.
pub(crate) struct Ledger {
    pub(crate) folder: PathBuf,
    pub(crate) team: String,
    pub(crate) product: String,
}

/// How long a sync takes.
#[derive(Clone, Copy)]
pub(crate) enum Disk {
    /// The machine's own.
    Native,
    /// With a millisecond added to every sync.
    Slow,
}

impl Ledger {
    /// Makes it in a new folder.
    pub(crate) fn make(context: &Context, name: &str) -> anyhow::Result<Self> {
        let folder = context.folder(name)?;
        let team = cli_id(context, &folder, &["team", "create", "Bench", "--json"])?;
        let product = cli_id(context, &folder, &["product", "create", "--team", &team, "Bench Plugin", "--json"])?;
        let secrets = ["--webhook-secret", SECRET, "--signing-secret", SECRET];
        cli(context, &folder, &[&["integration", "set", "polymart", "--team", &team][..], &secrets].concat())?;
        Ok(Self { folder, team, product })
    }

    /// Makes another product; its id.
    pub(crate) fn another_product(&self, context: &Context, name: &str) -> anyhow::Result<String> {
        cli_id(context, &self.folder, &["product", "create", "--team", &self.team, name, "--json"])
    }

    /// Connects it to a Stripe.
    pub(crate) fn connect_stripe(&self, context: &Context, url: &str) -> anyhow::Result<()> {
        let set = ["integration", "set", "stripe", "--team", &self.team, "--webhook-secret", SECRET];
        let api = ["--api-key", "rk_test_bench", "--api-base", url];
        cli(context, &self.folder, &[&set[..], &api].concat()).map(drop)
    }

    /// A copy of it, for one cell.
    pub(crate) fn copy(&self, context: &Context, name: &str) -> anyhow::Result<Self> {
        let folder = context.copy_of(&self.folder, name)?;
        Ok(Self { folder, team: self.team.clone(), product: self.product.clone() })
    }

    /// Serves it, and waits until it is ready.
    pub(crate) fn serve(&self, context: &Context, disk: Disk) -> anyhow::Result<Running> {
        let mut command = command(context, &self.folder);
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        if let Disk::Slow = disk {
            let library = &context.slow_fsync;
            ensure!(library.exists(), "{} is missing; scripts/bench builds it", library.display());
            command.env("LD_PRELOAD", library);
        }
        let name = self.folder.file_name().map_or_else(|| "ledger".into(), |name| name.to_string_lossy());
        let running = Running::start(&mut command, &context.log(&format!("serve-{name}")))?;
        running.wait_ready()?;
        Ok(running)
    }

    /// Runs a command over it, with the time that it took.
    pub(crate) fn timed(&self, context: &Context, args: &[&str]) -> anyhow::Result<Duration> {
        let start = Instant::now();
        cli(context, &self.folder, args)?;
        Ok(start.elapsed())
    }

    /// What a command over it prints.
    pub(crate) fn cli(&self, context: &Context, args: &[&str]) -> anyhow::Result<String> {
        cli(context, &self.folder, args)
    }

    /// Posts to a server of this ledger.
    pub(crate) fn load(&self, context: &Context, server: &Running, load: &Load<'_>) -> anyhow::Result<Measure> {
        let team = ["--team", &self.team, "--product", &self.product];
        context.measure(&[&load.args(&server.url).iter().map(String::as_str).collect::<Vec<_>>()[..], &team].concat())
    }
}

/// One cell of the load generator.
#[derive(Clone, Copy)]
pub(crate) struct Load<'a> {
    /// As `load --kind` names it.
    pub(crate) kind: &'a str,
    pub(crate) connections: u32,
    pub(crate) count: u64,
    pub(crate) seconds: f64,
    pub(crate) first: u64,
    pub(crate) buyers: u64,
    /// Requests a second, where they do not go out as fast as they are answered.
    pub(crate) rate: Option<f64>,
}

impl Load<'_> {
    /// The arguments of `keyledger-bench load`.
    pub(crate) fn args(&self, url: &str) -> Vec<String> {
        let options = [
            ("--url", url.to_owned()),
            ("--kind", self.kind.to_owned()),
            ("--connections", self.connections.to_string()),
            ("--count", self.count.to_string()),
            ("--seconds", self.seconds.to_string()),
            ("--first", self.first.to_string()),
            ("--buyers", self.buyers.to_string()),
        ];
        let rate = self.rate.map(|rate| ("--rate", rate.to_string()));
        std::iter::once("load".to_owned())
            .chain(options.into_iter().chain(rate).flat_map(|(name, value)| [name.to_owned(), value]))
            .collect()
    }
}

fn command(context: &Context, folder: &Path) -> Command {
    let mut command = Command::new(&context.keyledger);
    command.env("KEYLEDGER_DATABASE_URL", format!("sqlite:{}", folder.display()));
    command.env("KEYLEDGER_MAIL_URL", format!("file:{}", folder.join("mail").display()));
    command.env("KEYLEDGER_VERIFY_LIMIT_PER_MINUTE", "0").env("KEYLEDGER_UNSIGNED_LIMIT_PER_MINUTE", "0");
    command
}

fn cli(context: &Context, folder: &Path, args: &[&str]) -> anyhow::Result<String> {
    process::output(command(context, folder).args(args), &context.log("cli"))
}

/// The `id` of what a command made.
fn cli_id(context: &Context, folder: &Path, args: &[&str]) -> anyhow::Result<String> {
    let answer: serde_json::Value = serde_json::from_str(&cli(context, folder, args)?)?;
    let id = answer.get("id").and_then(|id| id.as_str());
    Ok(id.with_context(|| format!("`keyledger {}` printed no id: {answer}", args.join(" ")))?.to_owned())
}
