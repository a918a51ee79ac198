//! `keyledger projections …`

use std::time::Duration;

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use keyledger_events::Position;
use keyledger_projections::{Progress, RebuildError, Rebuilt, Verified, ViewReport, Watcher};
use serde_json::json;

use super::cell;
use super::global::{Global, Reads};
use super::output::Output;
use crate::admin::ACTOR_CLI;
use crate::admin::projections::{self, StatusJson, VerifiedJson, named};
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
    /// Compute views afresh and compare them with those that serve, by digest. Nothing is switched; the exit code is 1
    /// when one of them differs.
    Verify {
        /// Only these views; without a name, all.
        names: Vec<String>,
    },
    /// Go back to the builds that served before the last rebuild, after bringing them up to date.
    SwitchBack {
        /// The views.
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Drop the builds that served before the last rebuild. There is no going back then.
    DropRetired {
        /// Only of these views; without a name, of all.
        names: Vec<String>,
    },
}

impl ProjectionsCommand {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        // These look after views that may stand still: nothing here may wait for them.
        global
            .with_app(Reads::NoViews, async |app, output| match self {
                Self::List => list(&app.runner.list().await?, output),
                Self::Status { names } => status(&projections::status(&app.runner, &names).await?, output),
                Self::Rebuild { names } => rebuild(app, &names, output).await,
                Self::Verify { names } => verify(app, &names, output).await,
                Self::SwitchBack { names } => switch_back(app, &names, output).await,
                Self::DropRetired { names } => drop_retired(app, &names, output).await,
            })
            .await
    }
}

fn list(builds: &[ViewReport], output: &mut Output) -> anyhow::Result<()> {
    if output.json {
        return Ok(output.document(&builds)?);
    }
    let mut table = cell::table(&["VIEW", "BUILD", "STATUS", "POSITION", "BEHIND", "SECONDS", "MOVED"]);
    for build in builds {
        table.add_row(row(build));
    }
    Ok(output.table(&table, "no views yet")?)
}

fn row(build: &ViewReport) -> [String; 7] {
    [
        build.name.clone(),
        build.version.to_string(),
        build.status.as_str().to_owned(),
        build.position.to_string(),
        build.lag_events.to_string(),
        build.lag_seconds.to_string(),
        cell::maybe_time(build.updated_at),
    ]
}

fn status(status: &StatusJson, output: &mut Output) -> anyhow::Result<()> {
    if output.json {
        return Ok(output.document(status)?);
    }
    output.line(&format!("the ledger ends at position {}", status.head))?;
    list(&status.views, output)?;
    for build in &status.views {
        if let Some(fault) = &build.fault {
            let (name, position) = (&build.name, fault.position);
            let event = fault.event.as_ref().map(|event| format!(" ({} of {})", event.event_type, event.stream));
            let (event, reason) = (event.unwrap_or_default(), cell::text(&fault.message));
            output.line(&format!("{name} stands still before position {position}{event}: {reason}"))?;
        }
    }
    for build in &status.building {
        let (name, version, position) = (&build.name, build.version, build.position);
        output.line(&format!("{name}: build {version} is being filled, {position} of {} events", status.head))?;
    }
    Ok(())
}

async fn rebuild(app: &App, names: &[String], output: &mut Output) -> anyhow::Result<()> {
    let mut told = Told::begin(output, |rebuilt, output| told(rebuilt, "rebuilt", output));
    app.runner.rebuild_together(&named(names)?, &mut told).await?;
    let done: Vec<Rebuilt> = told.end()?;
    if output.json {
        output.document(&done)?;
    }
    Ok(())
}

/// One bar for views that are computed together, which names the one at hand, and a line for each that has ended.
struct Told<'a, T, L> {
    bar: ProgressBar,
    output: &'a mut Output,
    line: L,
    done: Vec<T>,
    failed: Option<anyhow::Error>,
}

impl<'a, T, L: FnMut(&T, &mut Output) -> anyhow::Result<()>> Told<'a, T, L> {
    fn begin(output: &'a mut Output, line: L) -> Self {
        Self { bar: bar(""), output, line, done: Vec::new(), failed: None }
    }

    /// What is done; or the first failure, though the others were finished.
    fn end(self) -> anyhow::Result<Vec<T>> {
        self.bar.finish_and_clear();
        self.failed.map_or(Ok(self.done), Err)
    }
}

impl<T: Send, L: FnMut(&T, &mut Output) -> anyhow::Result<()> + Send> Watcher<T> for Told<'_, T, L> {
    fn progress(&mut self, name: &'static str, progress: Progress) {
        self.bar.set_prefix(name);
        draw(&self.bar, progress);
    }

    fn ended(&mut self, _: &'static str, result: Result<T, RebuildError>) {
        let told = result.map_err(anyhow::Error::from).and_then(|done| {
            self.bar.suspend(|| (self.line)(&done, self.output))?;
            Ok(done)
        });
        match told {
            Ok(done) => self.done.push(done),
            Err(error) => self.failed = self.failed.take().or(Some(error)),
        }
    }
}

async fn switch_back(app: &App, names: &[String], output: &mut Output) -> anyhow::Result<()> {
    let mut done: Vec<Rebuilt> = Vec::new();
    for name in named(names)? {
        let bar = bar(name);
        let switched = app.runner.switch_back(name, |progress| draw(&bar, progress)).await;
        bar.finish_and_clear();
        let switched = switched?;
        told(&switched, "switched back", output)?;
        done.push(switched);
    }
    if output.json {
        output.document(&done)?;
    }
    Ok(())
}

fn told(done: &Rebuilt, what: &str, output: &mut Output) -> anyhow::Result<()> {
    let Rebuilt { name, version, position, seconds } = done;
    tracing::info!(actor = ACTOR_CLI, view = name, build = version, "a view was {what}");
    if !output.json {
        output.line(&format!("{name}: {position} events in {seconds:.1} s; build {version} serves now"))?;
        output.flush()?;
    }
    Ok(())
}

async fn verify(app: &App, names: &[String], output: &mut Output) -> anyhow::Result<()> {
    let mut told = Told::begin(output, |verified: &Verified, output| {
        if !output.json {
            output.line(&sentence(&verified.clone().into()))?;
            output.flush()?;
        }
        Ok(())
    });
    app.runner.verify_together(&named(names)?, &mut told).await?;
    let done: Vec<VerifiedJson> = told.end()?.into_iter().map(VerifiedJson::from).collect();
    if output.json {
        output.document(&done)?;
        output.flush()?;
    }
    let differing: Vec<_> = done.iter().filter(|one| !one.matches).map(|one| one.name.as_str()).collect();
    if differing.is_empty() {
        return Ok(());
    }
    let names = differing.join(" ");
    anyhow::bail!("what serves is not what the ledger says: `keyledger projections rebuild {names}` computes it afresh")
}

fn sentence(verified: &VerifiedJson) -> String {
    let VerifiedJson { name, version, position, rows, digest, fresh_rows, fresh_digest, .. } = verified;
    match verified.matches {
        true => format!("{name}: build {version} at position {position} is right: {rows} rows, digest {digest}"),
        false => format!(
            "{name}: build {version} at position {position} is WRONG: it has {rows} rows with digest {digest}, the \
             ledger makes {fresh_rows} with digest {fresh_digest}"
        ),
    }
}

async fn drop_retired(app: &App, names: &[String], output: &mut Output) -> anyhow::Result<()> {
    let mut done = Vec::new();
    for name in named(names)? {
        let dropped = app.runner.drop_retired(name).await?;
        if !output.json {
            for version in &dropped {
                output.line(&format!("{name}: build {version} is dropped"))?;
            }
        }
        done.push(json!({ "name": name, "dropped": dropped }));
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
}
