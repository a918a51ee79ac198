//! `/teams/{teamId}/projections`: how far the views are, computing them anew, comparing them, switching back. They belong
//! to the whole installation.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use keyledger_projections::{BuildStatus, ViewReport};

use super::change::{Administrator, Change, Confirmed};
use super::page::{Answer, page};
use super::problem::Problem;
use super::shell::Shell;
use super::viewer::Viewer;
use super::when::When;
use crate::admin::projections::{self, TaskJson, TaskKind};
use crate::http::Front;

/// The pages.
pub(super) fn routes() -> Router<Front> {
    Router::new().route("/projections", get(show)).route("/projections/{what}", post(begin))
}

#[derive(Template)]
#[template(path = "dashboard/projections.html")]
struct ProjectionsPage {
    shell: Shell,
    head: i64,
    rows: Vec<Row>,
    tasks: Vec<Task>,
    running: bool,
}

struct Row {
    name: String,
    version: i64,
    position: i64,
    lag: i64,
    fault: Option<String>,
    earlier: bool,
}

struct Task {
    kind: &'static str,
    state: &'static str,
    views: String,
    begun: When,
    /// The view at hand: its name, events done, events in all, and the time left in seconds.
    current: Option<(&'static str, i64, i64, Option<String>)>,
    results: Vec<String>,
}

async fn show(viewer: Viewer, State(front): State<Front>) -> Answer {
    let builds = front.app.runner.list().await.map_err(|error| Problem::internal(&error))?;
    let status = projections::status(&front.app.runner, &[]).await?;
    let earlier = |name: &str| builds.iter().any(|build| build.name == name && build.status == BuildStatus::Retired);
    let rows = status.views.iter().map(|view| row(view, earlier(&view.name))).collect();
    let tasks: Vec<_> = front.view_tasks.list().iter().take(5).map(task).collect();
    page(&ProjectionsPage {
        shell: viewer.shell("Projections", "projections").await?,
        head: status.head.0,
        rows,
        running: tasks.iter().any(|task| task.state == "under way"),
        tasks,
    })
}

fn row(view: &ViewReport, earlier: bool) -> Row {
    Row {
        name: view.name.clone(),
        version: view.version,
        position: view.position.0,
        lag: view.lag_events,
        fault: view.fault.as_ref().map(|fault| fault.message.clone()),
        earlier,
    }
}

fn task(task: &TaskJson) -> Task {
    Task {
        kind: match task.kind {
            TaskKind::Rebuild => "Rebuild",
            TaskKind::Verify => "Comparison",
            TaskKind::SwitchBack => "Switching back",
        },
        state: task.state_word(),
        views: task.views.join(", "),
        begun: When(task.begun_at),
        current: task.progress().map(|progress| {
            let left = progress.seconds_left.map(|seconds| format!("{:.0} s left", seconds.max(0.0)));
            (progress.name, progress.position.0, progress.head.0, left)
        }),
        results: task.results_in_words(),
    }
}

async fn begin(
    State(front): State<Front>,
    axum::extract::Path((_, what)): axum::extract::Path<(String, String)>,
    change: Change<Confirmed<Administrator>>,
) -> Answer {
    let begun = async {
        let kind = match what.as_str() {
            "rebuild" => TaskKind::Rebuild,
            "verify" => TaskKind::Verify,
            "switch-back" => TaskKind::SwitchBack,
            _ => return Err(Problem::not_found(format!("Nothing called “{what}” is done to views."))),
        };
        let names: Vec<_> = change.fields.all("view").map(str::to_owned).collect();
        front.view_tasks.begin(kind, &names, &change.actor()).await?;
        Ok("It has begun; the views that serve go on serving.".to_owned())
    };
    change.done(change.once(&front, begun).await, "projections", "projections").await
}
