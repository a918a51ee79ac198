//! The interpreter: takes provider events that have begun and are not concluded, and concludes them.
//!
//! There is no queue of its own: what is pending is a view of the ledger, and a conclusion is an append that
//! expects the version of the event's stream. So a crash resumes where the ledger says, and of several nodes that
//! interpret the same event one wins.

use std::sync::Arc;
use std::time::Duration;

use keyledger_events::event::inbox::{Provider, ProviderEventAttempted, ProviderEventDeferred};
use keyledger_events::keys::KeyRingError;
use keyledger_events::sealed::SealContext;
use keyledger_events::{AppendOutcome, AppendRequest, NewEvent, Position, StreamId, TeamId, Timestamp, WriterError};
use keyledger_projections::{InboxEntry, Outcome, QueryError, RunnerStatus, is_due};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::asking::{Asking, InHand, Pending};
use super::draft::DraftError;
use super::inbox::{Delivery, InboxState, LoadError};
use super::incoming::switched_off;
use super::plan::{Conclusion, Plan};
use super::{polymart, stripe};
use crate::app::App;
use crate::attempts::{later, pause_ms};
use crate::stop::Stopping;

/// Deliveries interpreted at the same time, beside those for which Stripe is asked.
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
/// How long those under way may take once it is time to stop. An answer that has not come by then is asked for again:
/// nothing is written outside.
const STOP_MAX: Duration = Duration::from_secs(5);
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

/// What became of working on a delivery.
enum Step {
    /// It is concluded, or somebody else has it.
    Done,
    /// Stripe must be asked, and that may not be done now.
    NeedsCall,
    /// It is put off, after Stripe was asked for it or without.
    PutOff,
}

/// Interprets pending deliveries until told to stop; then finishes those under way.
pub async fn run(app: App, mut stopping: Stopping) {
    let mut interpreter = Interpreter::new(app);
    loop {
        tokio::select! {
            () = stopping.requested() => break,
            () = interpreter.look() => {}
        }
    }
    interpreter.finish().await;
}

/// The deliveries in hand.
struct Interpreter {
    app: App,
    asking: Asking,
    places: Arc<Semaphore>,
    progress: watch::Receiver<RunnerStatus>,
    tasks: JoinSet<()>,
    /// Behind which delivery the next look begins: those that wait for a place are passed over.
    after: Position,
}

impl Interpreter {
    fn new(app: App) -> Self {
        Self {
            asking: Asking::default(),
            places: Arc::new(Semaphore::new(CONCURRENT_MAX)),
            progress: app.runner.status(),
            tasks: JoinSet::new(),
            after: Position::START,
            app,
        }
    }

    /// Takes a page of pending deliveries in hand, and waits until there may be others. May be given up at any point.
    async fn look(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        let page = self.app.views.pending_inbox(self.app.clock.now(), self.after, PENDING_PAGE).await;
        let page = page.unwrap_or_else(|error| {
            tracing::debug!(%error, "pending deliveries cannot be listed yet");
            Vec::new()
        });
        let is_full = u32::try_from(page.len()).is_ok_and(|count| count >= PENDING_PAGE);
        self.after = page.last().filter(|_| is_full).map_or(Position::START, |last| last.received_position);
        self.start_all(page).await;
        // Let the views learn of what was concluded before listing again.
        tokio::task::yield_now().await;
        if !is_full {
            let _ = tokio::time::timeout(POLL, self.changed()).await;
        }
    }

    async fn start_all(&mut self, page: Vec<InboxEntry>) {
        for entry in page {
            self.start_waiting();
            let Some(in_hand) = self.asking.take(Pending::of(&entry)) else { continue };
            let Ok(place) = self.places.clone().acquire_owned().await else { return };
            self.app.crowd.let_pass().await;
            self.tasks.spawn(take_up(self.app.clone(), self.asking.clone(), in_hand, place));
        }
    }

    /// Waits until the views have moved; meanwhile those that wait for a place are started.
    async fn changed(&mut self) {
        loop {
            self.start_waiting();
            tokio::select! {
                _ = self.progress.changed() => return,
                () = self.asking.freed() => {}
            }
        }
    }

    fn start_waiting(&mut self) {
        while let Some((in_hand, place)) = self.asking.next() {
            let app = self.app.clone();
            self.tasks.spawn(async move {
                app.crowd.let_pass().await;
                let Pending { team, stream, .. } = in_hand.pending();
                let step = step(&app, team, stream, || true).await;
                place.end(matches!(step, Ok(Step::PutOff)));
                tell(step, in_hand).await;
            });
        }
    }

    /// Waits for those under way; what takes too long is cut off, and its lease ends.
    async fn finish(mut self) {
        self.asking.close();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(STOP_MAX, all).await;
        self.tasks.shutdown().await;
    }
}

/// Concludes what can be concluded without asking anybody, and asks where there is a place for it.
async fn take_up(app: App, asking: Asking, in_hand: InHand, place: OwnedSemaphorePermit) {
    let Pending { team, stream, .. } = in_hand.pending();
    let (mut place, mut call) = (Some(place), None);
    let step = step(&app, team, stream, || {
        call = call.take().or_else(|| asking.place(team));
        if call.is_some() {
            // The next one need not wait for the answer.
            place = None;
        }
        call.is_some()
    });
    let step = step.await;
    if let Some(call) = call {
        call.end(matches!(step, Ok(Step::PutOff)));
    }
    tell(step, in_hand).await;
}

async fn tell(step: Result<Step, InterpretError>, in_hand: InHand) {
    let Pending { team, stream, .. } = in_hand.pending();
    match step {
        Ok(Step::Done | Step::PutOff) => {}
        Ok(Step::NeedsCall) => in_hand.wait(),
        Err(error) => {
            tracing::warn!(%error, %team, delivery = %stream, "a delivery could not be interpreted; it stays pending");
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Concludes a pending delivery, or defers it. Does nothing when it is concluded already.
///
/// # Errors
/// When something inside does not answer; the delivery stays pending.
pub async fn conclude(app: &App, team: TeamId, stream: StreamId) -> Result<(), InterpretError> {
    step(app, team, stream, || true).await.map(drop)
}

/// As [`conclude`]; Stripe is asked only if `may_ask` says so then.
async fn step(
    app: &App,
    team: TeamId,
    stream: StreamId,
    mut may_ask: impl FnMut() -> bool + Send,
) -> Result<Step, InterpretError> {
    let mut claimed = false;
    for _ in 0..CONFLICTS_MAX {
        let Some(state) = InboxState::load(app, team, stream).await? else { return Ok(Step::Done) };
        let now = app.clock.now();
        let leased = !claimed && state.lease_until.is_some_and(|until| !is_due(until, now, RETRY_PAUSE_MAX_MS));
        if state.outcome != Outcome::Pending || leased {
            return Ok(Step::Done);
        }
        let (request, step) = match attempt(app, team, stream, &state, claimed).await? {
            Attempt::NeedsClaim if !may_ask() => return Ok(Step::NeedsCall),
            Attempt::NeedsClaim => (claim(team, stream, &state, now), Step::NeedsCall),
            Attempt::Later(reason) => (defer(team, stream, &state, now, reason, claimed), Step::PutOff),
            Attempt::Plan(plan) => {
                let delivery = Delivery::of(team, stream, &state, None);
                (plan.into_request(&delivery, Vec::new(), now), Step::Done)
            }
        };
        match app.writer.append(request).await? {
            AppendOutcome::Appended { .. } if matches!(step, Step::NeedsCall) => claimed = true,
            AppendOutcome::Appended { .. } => return Ok(step),
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
