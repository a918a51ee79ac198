//! Verifying the whole ledger now, with its progress. It changes nothing, so every member may; one at a time in a process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use askama::Template;
use axum::extract::State;
use keyledger_events::Timestamp;

use super::super::change::{Anybody, Change};
use super::super::page::{Answer, page};
use super::super::shell::Shell;
use super::super::viewer::Viewer;
use super::super::when::When;
use crate::admin::audit::{self, Verified};
use crate::http::Front;

/// How far the verification is that was asked for last.
#[derive(Debug, Clone, Default)]
enum Progress {
    #[default]
    Never,
    Running {
        begun: Timestamp,
        done: i64,
        all: i64,
    },
    Done {
        ended: Timestamp,
        verified: Box<Verified>,
    },
    Failed {
        ended: Timestamp,
        reason: String,
    },
}

/// The verification of a process. Clones share it.
#[derive(Debug, Clone, Default)]
pub(in crate::http::dashboard) struct Verifications(Arc<Mutex<Progress>>);

/// The verification as pages show it.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown {
    /// Since when it is under way, events done and events in all.
    pub(super) running: Option<(When, i64, i64)>,
    /// When it ended and what it found.
    pub(super) done: Option<(When, Verified)>,
    /// When it broke off and why.
    pub(super) failed: Option<(When, String)>,
}

impl Verifications {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As pages show it.
    pub(super) fn shown(&self) -> Shown {
        match self.lock().clone() {
            Progress::Never => Shown::default(),
            Progress::Running { begun, done, all } => {
                Shown { running: Some((When(begun), done, all)), ..Shown::default() }
            }
            Progress::Done { ended, verified } => Shown { done: Some((When(ended), *verified)), ..Shown::default() },
            Progress::Failed { ended, reason } => Shown { failed: Some((When(ended), reason)), ..Shown::default() },
        }
    }

    /// Takes the one place; `false` when a verification is under way.
    fn begin(&self, begun: Timestamp) -> bool {
        let mut state = self.lock();
        if matches!(*state, Progress::Running { .. }) {
            return false;
        }
        *state = Progress::Running { begun, done: 0, all: 0 };
        true
    }
}

#[derive(Template)]
#[template(path = "dashboard/audit/verification.html")]
struct VerificationPage {
    shell: Shell,
    verification: Shown,
}

/// `GET …/audit/verification`: the part of the page that tells of it.
pub(super) async fn show(viewer: Viewer, State(front): State<Front>) -> Answer {
    let shell = Shell::of_team(&viewer, "Verification".to_owned(), "audit", None);
    page(&VerificationPage { shell, verification: front.dashboard.verifications().shown() })
}

/// `POST …/audit/verification`
pub(super) async fn begin(State(front): State<Front>, change: Change<Anybody>) -> Answer {
    let verifications = front.dashboard.verifications().clone();
    let text = if verifications.begin(front.app.clock.now()) {
        tracing::info!(actor = change.actor(), "a verification of the whole ledger begins");
        tokio::spawn(run(front.clone(), verifications));
        "The ledger is read from its beginning."
    } else {
        "A verification is under way already."
    };
    change.done(Ok(text.to_owned()), "audit#verification", "audit").await
}

async fn run(front: Front, verifications: Verifications) {
    let mut stopping = front.dashboard.stopping();
    let noted = verifications.clone();
    let begun = front.app.clock.now();
    let progress = move |done, all| *noted.lock() = Progress::Running { begun, done, all };
    let verified = tokio::select! {
        verified = audit::verify(&front.app, front.log_key.key(), Vec::new(), progress) => verified,
        () = stopping.requested() => return,
    };
    let ended = front.app.clock.now();
    *verifications.lock() = match verified {
        Ok(verified) => Progress::Done { ended, verified: Box::new(verified) },
        Err(error) => {
            tracing::warn!(%error, "a verification of the ledger broke off");
            Progress::Failed { ended, reason: error.to_string() }
        }
    };
}
