//! The hook worker: sends the hooks that are owed and not concluded.
//!
//! What is pending is a view of the ledger. Each endpoint has a few places of its own, one while nothing gets through to
//! it, so that one that hangs holds up nobody but itself.

mod attempt;
mod disable;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use keyledger_projections::{Hook, QueryError};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use uuid::Uuid;

use super::post::{POST_MAX, Poster};
use crate::app::App;
use crate::stop::Stopping;

pub use attempt::Hooker;

/// Hooks under way at the same time.
const CONCURRENT_MAX: u32 = 256;
/// Hooks under way to one endpoint at the same time.
const PER_ENDPOINT_MAX: usize = 4;
/// Endpoints looked at in one go.
const ENDPOINTS_PAGE: u32 = 512;
/// How often the pending ones are looked at when nothing wakes us.
const POLL: Duration = Duration::from_millis(250);
/// How long a hook is left alone when something inside failed, which says nothing about the hook.
const ERROR_PAUSE: Duration = Duration::from_secs(5);
/// How long those under way may take once it is time to stop: a little more than a POST takes at most.
const STOP_MAX: Duration = Duration::from_secs(POST_MAX.as_secs() + 3);

/// Sends pending hooks until told to stop; then finishes those under way.
pub async fn run(app: App, poster: Poster, mut stopping: Stopping) {
    let mut progress = app.runner.status();
    let mut post = Post::new(Hooker::new(app, poster));
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

/// The hooks in hand.
struct Post {
    hooker: Arc<Hooker>,
    places: Arc<Semaphore>,
    /// By endpoint, then by hook.
    in_hand: HashMap<Uuid, HashMap<Uuid, AbortHandle>>,
    tasks: JoinSet<()>,
    /// Where the next look begins: after a full page behind its last endpoint, so that every one has its turn.
    after: Uuid,
    failing: bool,
}

impl Post {
    fn new(hooker: Hooker) -> Self {
        Self {
            hooker: Arc::new(hooker),
            places: Arc::new(Semaphore::new(CONCURRENT_MAX as usize)),
            in_hand: HashMap::new(),
            tasks: JoinSet::new(),
            after: Uuid::nil(),
            failing: false,
        }
    }

    /// Takes pending hooks in hand, as far as there are places. May be given up at any point.
    async fn start_all(&mut self) {
        match self.look().await {
            Ok(()) => self.failing = false,
            Err(error) => self.tell(&error),
        }
    }

    async fn look(&mut self) -> Result<(), QueryError> {
        self.let_go();
        let app = self.hooker.app.clone();
        let now = app.clock.now();
        let waiting = app.views.endpoints_waiting(now, self.after, ENDPOINTS_PAGE).await?;
        let is_full = u32::try_from(waiting.len()).is_ok_and(|count| count >= ENDPOINTS_PAGE);
        self.after = waiting.last().copied().filter(|_| is_full).unwrap_or_default();
        for endpoint_id in waiting {
            let busy = self.in_hand.get(&endpoint_id).map_or(0, HashMap::len);
            if busy >= PER_ENDPOINT_MAX {
                continue;
            }
            let limit = u32::try_from(PER_ENDPOINT_MAX + busy).unwrap_or(u32::MAX);
            let pending = app.views.pending_hooks(endpoint_id, now, limit).await?;
            let places = self.places_of(pending.first()).await?;
            for hook in pending {
                let of_endpoint = self.in_hand.entry(endpoint_id).or_default();
                if of_endpoint.len() >= places {
                    break;
                }
                if !of_endpoint.contains_key(&hook.id) && !self.start(hook) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// One place while nothing gets through to the endpoint, which a hanging one would else fill with all it has.
    async fn places_of(&self, hook: Option<&Hook>) -> Result<usize, QueryError> {
        let Some(hook) = hook else { return Ok(0) };
        let endpoint = self.hooker.app.views.team(hook.team).webhook(hook.endpoint_id).await?;
        let failing = endpoint.is_some_and(|endpoint| endpoint.enabled && endpoint.failing_since.is_some());
        Ok(if failing { 1 } else { PER_ENDPOINT_MAX })
    }

    /// Whether there was a place.
    fn start(&mut self, hook: Hook) -> bool {
        let Ok(place) = self.places.clone().try_acquire_owned() else { return false };
        let (hooker, endpoint_id, id) = (self.hooker.clone(), hook.endpoint_id, hook.id);
        let task = self.tasks.spawn(async move {
            let team = hook.team;
            let delivered = hooker.deliver(hook).await;
            drop(place);
            if let Err(error) = delivered {
                tracing::warn!(%error, %team, hook = %id, "a hook could not be worked on; it stays pending");
                tokio::time::sleep(ERROR_PAUSE).await;
            }
        });
        self.in_hand.entry(endpoint_id).or_default().insert(id, task);
        true
    }

    fn let_go(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        for of_endpoint in self.in_hand.values_mut() {
            of_endpoint.retain(|_, task| !task.is_finished());
        }
        self.in_hand.retain(|_, of_endpoint| !of_endpoint.is_empty());
    }

    /// Says so once, and not at all while the process is only just starting.
    fn tell(&mut self, error: &QueryError) {
        if matches!(error, QueryError::NotReady { .. }) || self.failing {
            return tracing::debug!(%error, "pending hooks cannot be listed");
        }
        self.failing = true;
        tracing::warn!(%error, "pending hooks cannot be listed for now; this is tried again all the time");
    }

    /// Waits until all places are free; what takes too long is cut off, and its lease ends.
    async fn finish(mut self) {
        let _ = tokio::time::timeout(STOP_MAX, self.places.acquire_many(CONCURRENT_MAX)).await;
        self.tasks.shutdown().await;
    }
}
