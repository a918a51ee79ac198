//! The mail worker: sends the mails that have been requested and are not concluded.
//!
//! What is pending is a view of the ledger. An attempt is claimed first, by an event that expects the version of
//! the mail's stream, so that of several nodes one sends; its conclusion is an event as well. A crash in between
//! lets the claim's lease end, and the mail goes out again under the same Message-ID: at most what was under way
//! is doubled, and nothing is lost.

mod attempt;
mod compose;
mod note;
mod notices;
mod retry;
#[cfg(test)]
mod tests;

pub use compose::{Preview, preview};

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use keyledger_projections::{Delivery, QueryError};
use lettre::message::Mailbox;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use uuid::Uuid;

use super::Transport;
use crate::app::App;
use crate::stop::Stopping;
use attempt::Mailer;

/// Mails under way at the same time.
const CONCURRENT_MAX: u32 = 8;
/// Pending mails looked at in one go, besides those in hand.
const PENDING_PAGE: usize = 64;
/// How often the pending ones are looked at when nothing wakes us.
const POLL: Duration = Duration::from_millis(250);
/// How long a mail is left alone when something inside failed, which says nothing about the mail.
const ERROR_PAUSE: Duration = Duration::from_secs(5);
/// How long those under way may take once it is time to stop: a little more than the mail server has.
const STOP_MAX: Duration = Duration::from_secs(35);

/// Sends pending mails until told to stop; then finishes those under way.
pub async fn run(app: App, transport: Transport, from: Mailbox, mut stopping: Stopping) {
    let mut progress = app.runner.status();
    let mut post = Post::new(Mailer::new(app, transport, from));
    loop {
        tokio::select! {
            () = stopping.requested() => break,
            () = post.start_all() => {}
        }
        tokio::select! {
            () = stopping.requested() => break,
            _ = tokio::time::timeout(POLL, progress.changed()) => {}
        }
    }
    post.finish().await;
}

/// The mails in hand.
struct Post {
    mailer: Arc<Mailer>,
    places: Arc<Semaphore>,
    in_hand: HashMap<Uuid, AbortHandle>,
    tasks: JoinSet<()>,
    failing: bool,
}

impl Post {
    fn new(mailer: Mailer) -> Self {
        Self {
            mailer: Arc::new(mailer),
            places: Arc::new(Semaphore::new(CONCURRENT_MAX as usize)),
            in_hand: HashMap::new(),
            tasks: JoinSet::new(),
            failing: false,
        }
    }

    /// Takes the pending mails in hand, each as soon as there is a place. May be given up at any point.
    async fn start_all(&mut self) {
        self.let_go();
        let limit = u32::try_from(PENDING_PAGE + self.in_hand.len()).unwrap_or(u32::MAX);
        let app = &self.mailer.app;
        let pending = match app.views.pending_deliveries(app.clock.now(), limit).await {
            Ok(pending) => pending,
            Err(error) => return self.tell(&error),
        };
        self.failing = false;
        for delivery in pending {
            if !self.in_hand.contains_key(&delivery.id) {
                self.mailer.app.crowd.let_pass().await;
                self.start(delivery).await;
            }
        }
    }

    async fn start(&mut self, delivery: Delivery) {
        let Ok(place) = self.places.clone().acquire_owned().await else { return };
        let (mailer, id) = (self.mailer.clone(), delivery.id);
        let task = self.tasks.spawn(async move {
            let delivered = mailer.deliver(delivery.team, delivery.id).await;
            drop(place);
            if let Err(error) = delivered {
                tracing::warn!(%error, team = %delivery.team, mail = %delivery.id, "a mail could not be worked on; it stays pending");
                tokio::time::sleep(ERROR_PAUSE).await;
            }
        });
        self.in_hand.insert(id, task);
    }

    fn let_go(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        self.in_hand.retain(|_, task| !task.is_finished());
    }

    /// Says so once, and not at all while the process is only just starting.
    fn tell(&mut self, error: &QueryError) {
        if matches!(error, QueryError::NotReady { .. }) || self.failing {
            return tracing::debug!(%error, "pending mails cannot be listed");
        }
        self.failing = true;
        tracing::warn!(%error, "pending mails cannot be listed for now; this is tried again all the time");
    }

    /// Waits until all places are free; what takes too long is cut off, and its lease ends.
    async fn finish(mut self) {
        let _ = tokio::time::timeout(STOP_MAX, self.places.acquire_many(CONCURRENT_MAX)).await;
        self.tasks.shutdown().await;
    }
}
