//! What every item needs: how long, how often, which programs, and a folder to work in.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, ensure};

use super::keyledger::Load;
use super::process::{self, Running};
use crate::measure::Measure;

/// `run`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The items to measure; all of them when none is named.
    pub(crate) items: Vec<String>,
    /// Rounds; the medians mean little with fewer than five.
    #[arg(long, env = "BENCH_ROUNDS", default_value_t = 5)]
    pub(crate) rounds: u32,
    /// Seconds of one cell.
    #[arg(long, env = "BENCH_SECONDS", default_value_t = 3.0)]
    pub(crate) seconds: f64,
    /// The share of the history (100,000 licences, a million events) that is really made; for a quick try.
    #[arg(long, env = "BENCH_SCALE", default_value_t = 1.0)]
    pub(crate) scale: f64,
    /// The keyledger to measure.
    #[arg(long, default_value = "target/release/keyledger")]
    pub(crate) keyledger: PathBuf,
    /// The library that slows every sync down by a millisecond.
    #[arg(long, default_value = "target/bench/slow_fsync.so")]
    pub(crate) slow_fsync: PathBuf,
    /// The URL of a PostgreSQL server that syncs.
    #[arg(long, env = "KEYLEDGER_BENCH_POSTGRES")]
    pub(crate) postgres: Option<String>,
    /// Where databases are made, on a real disk.
    #[arg(long, default_value = "target/bench/work")]
    pub(crate) work: PathBuf,
    /// Where the JSON goes.
    #[arg(long, default_value = "target/bench.json")]
    pub(crate) out: PathBuf,
}

/// The arguments, checked, and what follows from them.
pub(crate) struct Context {
    pub(crate) rounds: u32,
    pub(crate) seconds: f64,
    scale: f64,
    pub(crate) keyledger: PathBuf,
    pub(crate) slow_fsync: PathBuf,
    pub(crate) postgres: Option<String>,
    me: PathBuf,
    work: PathBuf,
    /// How many were made.
    folders: AtomicUsize,
}

impl Context {
    pub(crate) fn new(args: &Args) -> anyhow::Result<Self> {
        ensure!(args.rounds > 0 && args.seconds > 0.0, "--rounds and --seconds must be above 0");
        ensure!(args.scale > 0.0 && args.scale <= 1.0, "--scale must be above 0 and at most 1");
        let work = args.work.join(std::process::id().to_string());
        std::fs::create_dir_all(&work).with_context(|| format!("making {}", work.display()))?;
        Ok(Self {
            rounds: args.rounds,
            seconds: args.seconds,
            scale: args.scale,
            keyledger: std::path::absolute(&args.keyledger)?,
            slow_fsync: std::path::absolute(&args.slow_fsync)?,
            postgres: args.postgres.clone(),
            me: std::env::current_exe()?,
            work: std::path::absolute(&work)?,
            folders: AtomicUsize::new(0),
        })
    }

    /// `full`, or less of it where the history is scaled down.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive share of a small count")]
    pub(crate) fn scaled(&self, full: u32) -> u64 {
        (f64::from(full) * self.scale).ceil() as u64
    }

    /// Requests to prepare for a cell that will not answer more than `per_second`.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive, small count")]
    pub(crate) fn requests(&self, per_second: u32) -> u64 {
        (f64::from(per_second) * self.seconds).ceil() as u64
    }

    /// A new folder. What was there under its name stays until the end: ext4 gives the place of a deleted file to no new
    /// one for a minute, and looks for another place the longer, the more were deleted; thousands of mails are.
    pub(crate) fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let number = self.folders.fetch_add(1, Ordering::Relaxed);
        let folder = self.work.join(format!("{number:03}-{name}"));
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// A new folder with everything that is in `template`.
    pub(crate) fn copy_of(&self, template: &Path, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder(name)?;
        copy(template, &folder).with_context(|| format!("copying {}", template.display()))?;
        Ok(folder)
    }

    /// Runs a program of this binary and reads the line it prints.
    pub(crate) fn measure(&self, args: &[&str]) -> anyhow::Result<Measure> {
        let mut command = std::process::Command::new(&self.me);
        // A failed cell shows the end of what it said, which must be the reason and not a trace.
        command.args(args).env("RUST_BACKTRACE", "0");
        if let Some(url) = &self.postgres {
            command.env("KEYLEDGER_BENCH_POSTGRES", url);
        }
        let line = process::output(&mut command, &self.log("measure"))?;
        serde_json::from_str(&line).with_context(|| format!("`{}` printed: {line}", args.join(" ")))
    }

    /// Posts to any server, without a team.
    pub(crate) fn load(&self, url: &str, load: &Load<'_>) -> anyhow::Result<Measure> {
        self.measure(&load.args(url).iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Starts a server of this binary.
    pub(crate) fn serve(&self, args: &[&str]) -> anyhow::Result<Running> {
        Running::start(std::process::Command::new(&self.me).args(args), &self.log(args.first().unwrap_or(&"server")))
    }

    /// The file for what a program says besides its result.
    pub(crate) fn log(&self, program: &str) -> PathBuf {
        self.work.join(format!("{program}.log"))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // What is left over is under target/ and does no harm.
        let _ = std::fs::remove_dir_all(&self.work);
    }
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            std::fs::create_dir_all(&target)?;
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
