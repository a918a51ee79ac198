//! The interpreter: takes provider events that have begun and are not concluded, and concludes them.
//!
//! There is no queue of its own: what is pending is a view of the ledger, and a conclusion is an append that
//! expects the version of the event's stream. So a crash resumes where the ledger says, and of several nodes that
//! interpret the same event one wins.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyledger_events::event::inbox::{Provider, ProviderEventAttempted, ProviderEventDeferred};
use keyledger_events::keys::KeyRingError;
use keyledger_events::sealed::SealContext;
use keyledger_events::{AppendOutcome, AppendRequest, NewEvent, StreamId, TeamId, Timestamp, WriterError};
use keyledger_projections::{InboxEntry, Outcome, QueryError, is_due};
use tokio::sync::Semaphore;

use super::draft::DraftError;
use super::inbox::{Delivery, InboxState, LoadError, stream_of};
use super::incoming::switched_off;
use super::plan::{Conclusion, Plan};
use super::{polymart, stripe};
use crate::app::App;
use crate::attempts::{later, pause_ms};
use crate::stop::Stopping;

/// Deliveries interpreted at the same time.
const CONCURRENT_MAX: usize = 16;
/// Pending deliveries looked at in one go.
const PENDING_PAGE: u32 = 128;
/// How often the pending ones are looked at when nothing wakes us.
const POLL: Duration = Duration::from_millis(200);
/// Times a decision is made again because something else was appended meanwhile.
const CONFLICTS_MAX: u32 = 20;
/// How long a claimed delivery is left alone by others. A second attempt would do no harm: nothing is written
/// outside, and one conclusion wins.
const LEASE_SECONDS: i64 = 15;
/// The pause after the first failed attempt; it doubles each time.
const RETRY_PAUSE_MS: u64 = 1_000;
/// The longest pause between attempts.
const RETRY_PAUSE_MAX_MS: u64 = InboxEntry::WAIT_MS_MAX;
/// What waits for something of ours is looked at again after this part of the time that it has waited …
const WAIT_SHARE: u64 = 8;
/// … and at the latest after so long: whoever adds the key does not wait longer for what had waited for it.
const WAIT_PAUSE_MAX_MS: u64 = 5 * 60 * 1_000;

/// Why a delivery could not be concluded.
#[derive(Debug, thiserror::Error)]
pub enum InterpretError {
    /// Something inside does not answer.
    #[error(transparent)]
    Draft(#[from] DraftError),
    /// The Writer does not answer.
    #[error(transparent)]
    Writer(#[from] WriterError),
    /// The provider event's stream cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The views do not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The streams concerned keep changing.
    #[error("gave up after {CONFLICTS_MAX} conflicts; it stays pending and is tried again")]
    Contended,
}

/// What an attempt came to.
pub enum Attempt {
    /// What follows is known.
    Plan(Box<Plan>),
    /// Stripe must be asked, for which the delivery must be claimed first.
    NeedsClaim,
    /// It cannot be known now.
    Later(String),
}

/// Interprets pending deliveries until told to stop; then finishes those under way.
pub async fn run(app: App, mut stopping: Stopping) {
    let under_way: Arc<Mutex<HashSet<StreamId>>> = Arc::default();
    let places = Arc::new(Semaphore::new(CONCURRENT_MAX));
    let mut progress = app.runner.status();
    loop {
        let found = match app.views.pending_inbox(app.clock.now(), PENDING_PAGE).await {
            Ok(pending) => start_all(&app, pending, &under_way, &places).await,
            Err(error) => {
                tracing::debug!(%error, "pending deliveries cannot be listed yet");
                0
            }
        };
        if found > 0 {
            // Let the views learn of what was concluded before listing again.
            tokio::task::yield_now().await;
        }
        tokio::select! {
            () = stopping.requested() => break,
            _ = tokio::time::timeout(POLL, progress.changed()) => {}
        }
    }
    let all = u32::try_from(CONCURRENT_MAX).unwrap_or(u32::MAX);
    let _ = places.acquire_many(all).await;
}

async fn start_all(
    app: &App,
    pending: Vec<InboxEntry>,
    under_way: &Arc<Mutex<HashSet<StreamId>>>,
    places: &Arc<Semaphore>,
) -> usize {
    let mut started = 0;
    for entry in pending {
        let stream = stream_of(&entry);
        if !under_way.lock().unwrap_or_else(PoisonError::into_inner).insert(stream) {
            continue;
        }
        let Ok(place) = places.clone().acquire_owned().await else { break };
        app.crowd.let_pass().await;
        started += 1;
        let (app, under_way) = (app.clone(), under_way.clone());
        tokio::spawn(async move {
            if let Err(error) = conclude(&app, entry.team, stream).await {
                tracing::warn!(%error, team = %entry.team, delivery = %stream, "a delivery could not be interpreted; it stays pending");
                tokio::time::sleep(POLL).await;
            }
            under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&stream);
            drop(place);
        });
    }
    started
}

/// Concludes a pending delivery, or defers it. Does nothing when it is concluded already.
///
/// # Errors
/// When something inside does not answer; the delivery stays pending.
pub async fn conclude(app: &App, team: TeamId, stream: StreamId) -> Result<(), InterpretError> {
    let mut claimed = false;
    for _ in 0..CONFLICTS_MAX {
        let Some(state) = InboxState::load(app, team, stream).await? else { return Ok(()) };
        let now = app.clock.now();
        let leased = !claimed && state.lease_until.is_some_and(|until| !is_due(until, now, RETRY_PAUSE_MAX_MS));
        if state.outcome != Outcome::Pending || leased {
            return Ok(());
        }
        let (request, claims) = match attempt(app, team, stream, &state, claimed).await? {
            Attempt::NeedsClaim => (claim(team, stream, &state, now), true),
            Attempt::Later(reason) => (defer(team, stream, &state, now, reason, claimed), false),
            Attempt::Plan(plan) => {
                let delivery = Delivery::of(team, stream, &state, None);
                (plan.into_request(&delivery, Vec::new(), now), false)
            }
        };
        match app.writer.append(request).await? {
            AppendOutcome::Appended { .. } if claims => claimed = true,
            AppendOutcome::Appended { .. } => return Ok(()),
            // Somebody else claimed it, or a stream concerned has moved on: decide again on what is there now.
            AppendOutcome::AlreadyApplied { .. } | AppendOutcome::Conflict { .. } => {}
        }
    }
    Err(InterpretError::Contended)
}

/// Finds out what follows from a recorded delivery, without appending anything.
///
/// # Errors
/// When something inside does not answer.
pub async fn attempt(
    app: &App,
    team: TeamId,
    stream: StreamId,
    state: &InboxState,
    may_ask: bool,
) -> Result<Attempt, InterpretError> {
    let context = SealContext { team, event_id: state.received_event, field: InboxEntry::BODY_FIELD };
    let body = match app.keys.open(context, &state.received.body).await {
        Ok(body) => body,
        Err(error @ (KeyRingError::Gone(_) | KeyRingError::Open(_))) => {
            return Ok(unreadable(team, stream, state, &error));
        }
        Err(error) => return Err(DraftError::from(error).into()),
    };
    match judge(app, team, stream, state, &body, may_ask).await {
        Err(InterpretError::Draft(error @ DraftError::Forgotten)) => Ok(unreadable(team, stream, state, &error)),
        other => other,
    }
}

fn unreadable(team: TeamId, stream: StreamId, state: &InboxState, why: &dyn std::fmt::Display) -> Attempt {
    let delivery = Delivery::of(team, stream, state, None);
    let reason = format!("the delivery's body can no longer be read: {why}");
    Attempt::Plan(Box::new(Plan::without_effect(&delivery, Conclusion::Rejected(reason))))
}

/// Finds out what follows from a delivery whose body is at hand, recorded or not, without appending anything.
///
/// # Errors
/// When something inside does not answer.
pub async fn judge(
    app: &App,
    team: TeamId,
    stream: StreamId,
    state: &InboxState,
    body: &[u8],
    may_ask: bool,
) -> Result<Attempt, InterpretError> {
    let Some(known) = app.directory.team(team).await.map_err(DraftError::from)? else {
        return Ok(Attempt::Later("the team is not known to the views yet".to_owned()));
    };
    if !known.is_enabled(state.received.provider) {
        let delivery = Delivery::of(team, stream, state, None);
        let reason = switched_off(state.received.provider);
        // The provider was told that it is taken care of, and will not send it again.
        if state.position.is_some() && state.outcome == Outcome::Pending && !state.reopened {
            return Ok(Attempt::Later(format!("{reason} since; this is taken up when it is on again")));
        }
        return Ok(Attempt::Plan(Box::new(Plan::without_effect(&delivery, Conclusion::Rejected(reason)))));
    }
    match state.received.provider {
        Provider::Polymart => {
            let time = polymart::payload::parse_envelope(body).ok().and_then(|envelope| envelope.time);
            let delivery = Delivery::of(team, stream, state, time);
            let answered = polymart::interpret::interpret(app, &known, &delivery, body).await?;
            Ok(Attempt::Plan(Box::new(answered.plan)))
        }
        Provider::Stripe => {
            let event = stripe::payload::parse(body);
            let created = event.as_ref().ok().and_then(|event| event.created);
            let delivery = Delivery::of(team, stream, state, created);
            let age_seconds = app.clock.now().as_second() - state.received_at.as_second();
            let context = stripe::interpret::Context { app, team: &known, delivery: &delivery, may_ask, age_seconds };
            match stripe::interpret::interpret(&context, event).await {
                Ok(plan) => Ok(Attempt::Plan(Box::new(plan))),
                Err(stripe::interpret::Stop::NeedsClaim) => Ok(Attempt::NeedsClaim),
                Err(stripe::interpret::Stop::Later(reason) | stripe::interpret::Stop::Reject(reason)) => {
                    Ok(Attempt::Later(reason))
                }
                Err(stripe::interpret::Stop::Draft(error)) => Err(error.into()),
            }
        }
    }
}

fn claim(team: TeamId, stream: StreamId, state: &InboxState, now: Timestamp) -> AppendRequest {
    let lease_until = later(now, LEASE_SECONDS * 1_000);
    let event = ProviderEventAttempted { attempt: state.attempts + 1, lease_until };
    about(team, stream, state).event(NewEvent::new(stream, now, event))
}

/// Tries again later, for as long as it takes: after an attempt with exponential backoff and jitter. Without one it waits for
/// something of ours, a key or another delivery, the longer the longer it has waited.
fn defer(
    team: TeamId,
    stream: StreamId,
    state: &InboxState,
    now: Timestamp,
    reason: String,
    attempted: bool,
) -> AppendRequest {
    let attempts = state.attempts.max(1);
    let pause = if attempted { pause_ms(attempts, RETRY_PAUSE_MS, RETRY_PAUSE_MAX_MS) } else { wait_ms(state, now) };
    let retry_at = later(now, pause);
    about(team, stream, state).event(NewEvent::new(stream, now, ProviderEventDeferred { reason, attempts, retry_at }))
}

/// How long to wait for something of ours.
fn wait_ms(state: &InboxState, now: Timestamp) -> i64 {
    let waited_ms = now.as_microsecond().saturating_sub(state.received_at.as_microsecond()) / 1_000;
    let pause = u64::try_from(waited_ms).unwrap_or(0) / WAIT_SHARE;
    pause_ms(1, pause.clamp(RETRY_PAUSE_MS, WAIT_PAUSE_MAX_MS), WAIT_PAUSE_MAX_MS)
}

fn about(team: TeamId, stream: StreamId, state: &InboxState) -> AppendRequest {
    let provenance = Delivery::of(team, stream, state, None).provenance();
    AppendRequest::new(team, provenance).expect(stream, state.version)
}
