//! `keyledger projections …`

use std::time::Duration;

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use keyledger_events::Position;
use keyledger_projections::{BuildStatus, Progress, RebuildError, Rebuilt, ViewReport, view};
use serde_json::json;

use super::cell;
use super::global::{Global, Reads};
use super::output::Output;
use crate::app::App;

/// How often the bar is drawn anew.
const REDRAW: Duration = Duration::from_millis(100);
const SECONDS_PER_MINUTE: u64 = 60;

#[derive(Debug, Subcommand)]
pub(super) enum ProjectionsCommand {
    /// List all builds of all views: the ones that serve, and the ones kept beside them.
    List,
    /// Show how far the views that serve are behind the ledger, and why one stands still.
    Status {
        /// Only these views.
        names: Vec<String>,
    },
    /// Compute views afresh while the old ones serve, then switch.
    Rebuild {
        /// Only these views; without a name, all.
        names: Vec<String>,
    },
}

impl ProjectionsCommand {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        // These look after views that may stand still: nothing here may wait for them.
        global
            .with_app(Reads::NoViews, async |app, output| match self {
                Self::List => list(&app.runner.list().await?, output),
                Self::Status { names } => status(app, &names, output).await,
                Self::Rebuild { names } => rebuild(app, &names, output).await,
            })
            .await
    }
}

fn list(builds: &[ViewReport], output: &mut Output) -> anyhow::Result<()> {
    if output.json {
        return Ok(output.document(&builds)?);
    }
    let mut table = cell::table(&["VIEW", "BUILD", "STATUS", "POSITION", "BEHIND", "MOVED"]);
    for build in builds {
        table.add_row(row(build));
    }
    Ok(output.table(&table, "no views yet")?)
}

fn row(build: &ViewReport) -> [String; 6] {
    [
        build.name.clone(),
        build.version.to_string(),
        build.status.as_str().to_owned(),
        build.position.to_string(),
        build.lag_events.to_string(),
        cell::maybe_time(build.updated_at),
    ]
}

async fn status(app: &App, names: &[String], output: &mut Output) -> anyhow::Result<()> {
    check(names)?;
    let serves = |build: &ViewReport| matches!(build.status, BuildStatus::Live | BuildStatus::Faulted);
    let mut builds = app.runner.list().await?;
    builds.retain(|build| serves(build) && (names.is_empty() || names.contains(&build.name)));
    let head = app.ledger.head().await?.position;
    let caught_up = builds.iter().all(|build| build.position >= head && build.fault.is_none());
    if output.json {
        return Ok(output.document(&json!({ "head": head, "caughtUp": caught_up, "views": builds }))?);
    }
    output.line(&format!("the ledger ends at position {head}"))?;
    list(&builds, output)?;
    for build in &builds {
        if let Some(fault) = &build.fault {
            let (name, position) = (&build.name, fault.position);
            output.line(&format!("{name} stands still before position {position}: {}", cell::text(&fault.message)))?;
        }
    }
    Ok(())
}

/// Nothing is begun when a name is wrong.
fn check(names: &[String]) -> Result<(), RebuildError> {
    match names.iter().find(|name| !view::ALL.contains(&name.as_str())) {
        Some(unknown) => Err(RebuildError::Unknown(unknown.clone())),
        None => Ok(()),
    }
}

async fn rebuild(app: &App, names: &[String], output: &mut Output) -> anyhow::Result<()> {
    check(names)?;
    let all = || view::ALL.iter().map(|name| (*name).to_owned()).collect();
    let names: Vec<String> = if names.is_empty() { all() } else { names.to_vec() };
    let mut done: Vec<Rebuilt> = Vec::new();
    for name in names {
        let bar = bar(&name);
        let rebuilt = app.runner.rebuild(&name, |progress| draw(&bar, progress)).await;
        bar.finish_and_clear();
        let rebuilt = rebuilt?;
        if !output.json {
            let Rebuilt { name, version, position, seconds } = &rebuilt;
            output.line(&format!("{name}: {position} events in {seconds:.1} s; build {version} serves now"))?;
            output.flush()?;
        }
        done.push(rebuilt);
    }
    if output.json {
        output.document(&done)?;
    }
    Ok(())
}

/// A bar on the terminal; nothing where standard error is none.
fn bar(name: &str) -> ProgressBar {
    let bar = ProgressBar::new(0).with_prefix(name.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{prefix:<14} {wide_bar} {pos}/{len}  {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(REDRAW);
    bar
}

fn draw(bar: &ProgressBar, progress: Progress) {
    let place = |position: Position| u64::try_from(position.0).unwrap_or(0);
    bar.set_length(place(progress.head));
    bar.set_position(place(progress.position));
    let left = progress.seconds_left.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let left = left.map_or_else(String::new, |left| format!(", {} left", duration(left)));
    bar.set_message(format!("{:.0} events/s{left}", progress.events_per_second));
}

fn duration(left: Duration) -> String {
    let seconds = left.as_secs();
    if seconds < SECONDS_PER_MINUTE {
        return format!("{seconds} s");
    }
    format!("{} min {} s", seconds / SECONDS_PER_MINUTE, seconds % SECONDS_PER_MINUTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_for_people() {
        assert_eq!(duration(Duration::from_secs(59)), "59 s");
        assert_eq!(duration(Duration::from_secs(61)), "1 min 1 s");
    }

    #[test]
    fn an_unknown_view_is_named() {
        assert!(check(&["licenses".to_owned()]).is_ok());
        assert!(check(&["licences".to_owned()]).is_err_and(|error| error.to_string().contains("licences")));
    }
}
