//! Work on views in the background of a server: begun over HTTP, polled, ended with the server.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keyledger_events::{Position, SharedClock, Timestamp, id};
use keyledger_projections::{BuildStatus, Progress, RebuildError, Rebuilt, Runner, Verified, Watcher};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{VerifiedJson, named};
use crate::admin::AdminError;
use crate::stop::Stopping;

/// Tasks that are remembered after their end.
const ENDED_TASKS_MAX: usize = 50;

/// What is done to views.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum TaskKind {
    /// Computed anew and switched.
    Rebuild,
    /// Computed anew and compared.
    Verify,
    /// Switched back to the build before.
    SwitchBack,
}

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum State {
    Running,
    /// All of it went well.
    Done,
    /// Something of it did not.
    Failed,
    /// The server ended first; the builds that serve are untouched.
    Stopped,
}

/// What came of one view.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
enum Outcome {
    Rebuilt(Rebuilt),
    Verified(VerifiedJson),
    Failed { name: &'static str, error: String },
}

impl From<Rebuilt> for Outcome {
    fn from(rebuilt: Rebuilt) -> Self {
        Self::Rebuilt(rebuilt)
    }
}

impl From<Verified> for Outcome {
    fn from(verified: Verified) -> Self {
        Self::Verified(verified.into())
    }
}

/// The view at hand.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Current {
    /// Its name.
    pub name: &'static str,
    /// How far it is.
    pub position: Position,
    /// The end of the ledger.
    pub head: Position,
    /// Its rate.
    pub events_per_second: f64,
    /// Seconds until it is there, once that can be told.
    pub seconds_left: Option<f64>,
}

/// A task as programs see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskJson {
    /// Its id.
    pub id: Uuid,
    /// What is done.
    pub kind: TaskKind,
    state: State,
    /// Who wanted it.
    pub actor: String,
    /// The views, in the order they are worked on.
    pub views: Vec<&'static str>,
    current: Option<Current>,
    results: Vec<Outcome>,
    /// When it began.
    pub begun_at: Timestamp,
    ended_at: Option<Timestamp>,
}

impl TaskJson {
    /// How far it is, in words.
    pub fn state_word(&self) -> &'static str {
        match self.state {
            State::Running => "under way",
            State::Done => "done",
            State::Failed => "failed",
            State::Stopped => "stopped with the server",
        }
    }

    /// The view at hand.
    pub fn progress(&self) -> Option<Current> {
        self.current
    }

    /// What came of each view, in words.
    pub fn results_in_words(&self) -> Vec<String> {
        let words = |outcome: &Outcome| match outcome {
            Outcome::Rebuilt(rebuilt) => format!("{}: version {} serves", rebuilt.name, rebuilt.version),
            Outcome::Verified(verified) if verified.matches => {
                format!("{}: {} rows are what the ledger says", verified.name, verified.rows)
            }
            Outcome::Verified(verified) => {
                format!("{}: its rows are not what the ledger says; rebuild it", verified.name)
            }
            Outcome::Failed { name, error } => format!("{name}: {error}"),
        };
        self.results.iter().map(words).collect()
    }
}

/// The tasks of a server. Clones share them.
#[derive(Clone)]
pub struct ViewTasks {
    runner: Runner,
    clock: SharedClock,
    stopping: Stopping,
    tasks: Arc<Mutex<VecDeque<TaskJson>>>,
}

impl ViewTasks {
    /// No tasks yet. Those to come end when it is time to stop.
    pub fn new(runner: Runner, clock: SharedClock, stopping: Stopping) -> Self {
        Self { runner, clock, stopping, tasks: Arc::default() }
    }

    /// All tasks that are remembered, the newest first.
    pub fn list(&self) -> Vec<TaskJson> {
        self.lock().iter().cloned().collect()
    }

    /// A task.
    ///
    /// # Errors
    /// When it is not remembered.
    pub fn find(&self, id: Uuid) -> Result<TaskJson, AdminError> {
        let found = self.lock().iter().find(|task| task.id == id).cloned();
        found.ok_or_else(|| AdminError::NotFound { what: "task", id: id.to_string(), list: "projections status" })
    }

    /// Begins to work on these views (all of them, if none is named).
    ///
    /// # Errors
    /// When a view is unknown, somebody is at one of them already, or there is nothing to go back to.
    pub async fn begin(&self, kind: TaskKind, names: &[String], actor: &str) -> Result<TaskJson, AdminError> {
        let views = named(names)?;
        for name in &views {
            if self.runner.is_being_built(name).await? {
                return Err(RebuildError::UnderWay((*name).to_owned()).into());
            }
        }
        if kind == TaskKind::SwitchBack {
            self.check_retired(&views).await?;
        }
        let task = TaskJson {
            id: id::fresh(),
            kind,
            state: State::Running,
            actor: actor.to_owned(),
            views,
            current: None,
            results: Vec::new(),
            begun_at: self.clock.now(),
            ended_at: None,
        };
        self.reserve(&task)?;
        tracing::info!(actor, ?kind, views = ?task.views, task = %task.id, "work on views begins");
        let (tasks, mut stopping, begun) = (self.clone(), self.stopping.clone(), task.clone());
        tokio::spawn(async move {
            let ended = tokio::select! {
                () = tasks.work(&begun) => None,
                () = stopping.requested() => Some(State::Stopped),
            };
            tasks.end(begun.id, ended);
        });
        Ok(task)
    }

    /// Both in one step: nobody works on these views here, and now this task does.
    fn reserve(&self, new: &TaskJson) -> Result<(), RebuildError> {
        let mut tasks = self.lock();
        let running = tasks.iter().filter(|task| task.state == State::Running);
        let taken = running.flat_map(|task| &task.views).find(|name| new.views.contains(name));
        if let Some(name) = taken {
            return Err(RebuildError::UnderWay((*name).to_owned()));
        }
        tasks.push_front(new.clone());
        let ended = |task: &TaskJson| task.state != State::Running;
        while tasks.iter().filter(|task| ended(task)).count() > ENDED_TASKS_MAX {
            let Some(oldest) = tasks.iter().rposition(ended) else { break };
            tasks.remove(oldest);
        }
        Ok(())
    }

    async fn check_retired(&self, views: &[&'static str]) -> Result<(), RebuildError> {
        let builds = self.runner.list().await?;
        let retired =
            |name: &str| builds.iter().any(|build| build.name == name && build.status == BuildStatus::Retired);
        match views.iter().find(|name| !retired(name)) {
            Some(name) => Err(RebuildError::NoEarlierBuild((*name).to_owned())),
            None => Ok(()),
        }
    }

    async fn work(&self, task: &TaskJson) {
        let mut watching = Watching { tasks: self, task };
        let begun = match task.kind {
            TaskKind::Rebuild => self.runner.rebuild_together(&task.views, &mut watching).await,
            TaskKind::Verify => self.runner.verify_together(&task.views, &mut watching).await,
            TaskKind::SwitchBack => {
                for name in task.views.iter().copied() {
                    let progress = |progress| self.note(task.id, name, progress);
                    watching.ended(name, self.runner.switch_back(name, progress).await);
                }
                Ok(())
            }
        };
        if let Err(error) = begun {
            for name in task.views.iter().copied() {
                watching.note(watching.failed(name, &error));
            }
        }
    }

    fn note(&self, id: Uuid, name: &'static str, progress: Progress) {
        let Progress { position, head, events_per_second, seconds_left } = progress;
        let current = Current { name, position, head, events_per_second, seconds_left };
        self.change(id, |task| task.current = Some(current));
    }

    fn end(&self, id: Uuid, state: Option<State>) {
        let now = self.clock.now();
        self.change(id, |task| {
            let bad = |outcome: &Outcome| match outcome {
                Outcome::Failed { .. } => true,
                Outcome::Verified(verified) => !verified.matches,
                Outcome::Rebuilt(_) => false,
            };
            let all_went_well = !task.results.iter().any(bad);
            task.state = state.unwrap_or(if all_went_well { State::Done } else { State::Failed });
            task.current = None;
            task.ended_at = Some(now);
            tracing::info!(actor = task.actor, task = %task.id, state = ?task.state, "work on views has ended");
        });
    }

    fn change(&self, id: Uuid, change: impl FnOnce(&mut TaskJson)) {
        if let Some(task) = self.lock().iter_mut().find(|task| task.id == id) {
            change(task);
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<TaskJson>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes what becomes of a task's views.
struct Watching<'a> {
    tasks: &'a ViewTasks,
    task: &'a TaskJson,
}

impl Watching<'_> {
    fn failed(&self, name: &'static str, error: &RebuildError) -> Outcome {
        tracing::warn!(view = name, task = %self.task.id, %error, "work on a view failed");
        Outcome::Failed { name, error: error.to_string() }
    }

    fn note(&self, outcome: Outcome) {
        self.tasks.change(self.task.id, |task| {
            task.current = None;
            task.results.push(outcome);
        });
    }
}

impl<T: Into<Outcome> + Send> Watcher<T> for Watching<'_> {
    fn progress(&mut self, name: &'static str, progress: Progress) {
        self.tasks.note(self.task.id, name, progress);
    }

    fn ended(&mut self, name: &'static str, result: Result<T, RebuildError>) {
        self.note(result.map_or_else(|error| self.failed(name, &error), T::into));
    }
}
