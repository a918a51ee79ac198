//! Intake: a verified delivery is recorded before it is answered, whatever the answer.
//!
//! A delivery that was rejected before is judged by today's checks: if its cause was mended it is opened again, if
//! not, it gets the same answer and the ledger does not grow.

use std::collections::BTreeMap;

use keyledger_events::event::inbox::{Provider, ProviderEventReopened};
use keyledger_events::{AppendOutcome, AppendRequest, NewEvent};
use keyledger_projections::Outcome;

use super::draft::DraftError;
use super::inbox::{Delivery, InboxState};
use super::incoming::{Door, Incoming};
use super::interpreter::{Attempt, InterpretError, attempt};
use super::plan::{Conclusion, Plan};
use super::polymart::interpret::{Answer, interpret};
use crate::app::App;
use crate::directory::Team;

/// Times an intake is decided again because a stream moved on meanwhile.
const CONFLICTS_MAX: u32 = 20;

/// How a verified delivery is answered. In every case it is in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intake {
    /// It is durable.
    Received {
        /// The provider's id of it.
        event_id: String,
        /// It was there before.
        duplicate: bool,
    },
    /// The integration is switched off.
    SwitchedOff,
    /// Body or query are not what they must be.
    Bad(String),
    /// The product is not ours.
    UnknownProduct(String),
}

/// Records a delivery together with a plan. `false` when it was there before.
async fn record(app: &App, incoming: &Incoming<'_>, conclusion: Conclusion) -> Result<bool, InterpretError> {
    let recording = incoming.recording(app);
    let plan = Plan::without_effect(&recording.delivery, conclusion);
    let mut request = plan.into_request(&recording.delivery, vec![recording.received], app.clock.now());
    request.keys.push(recording.key);
    request.links.extend(recording.links);
    incoming.door.sign(&mut request);
    Ok(matches!(app.writer.append(request).await?, AppendOutcome::Appended { .. }))
}

/// Takes in a delivery from Stripe whose signature is good, or an event that Stripe's API showed. What is rare is boxed,
/// so that the others need little room.
///
/// # Errors
/// When it cannot be recorded now; the sender must try again.
pub async fn stripe(app: &App, team: &Team, door: Door<'_>, body: &[u8]) -> Result<Intake, InterpretError> {
    let _present = app.crowd.join();
    let (incoming, illegible) = Incoming::read(team, Provider::Stripe, door, BTreeMap::new(), body);
    if let Some(reason) = illegible {
        return Box::pin(unreadable(app, &incoming, reason)).await;
    }
    if !team.is_enabled(Provider::Stripe) {
        return Box::pin(switched_off(app, &incoming)).await;
    }
    let appended = match incoming.useless() {
        None => {
            let recording = incoming.recording(app);
            let mut request = AppendRequest::new(team.config.id, recording.delivery.provenance())
                .expect(recording.delivery.stream, 0)
                .event(recording.received);
            request.provenance.causation = None;
            request.keys.push(recording.key);
            request.links.extend(recording.links);
            incoming.door.sign(&mut request);
            matches!(app.writer.append(request).await?, AppendOutcome::Appended { .. })
        }
        Some(reason) => Box::pin(record(app, &incoming, Conclusion::Ignored(reason))).await?,
    };
    if appended { Ok(incoming.received(false)) } else { Box::pin(again(app, &incoming)).await }
}

/// Takes in a delivery from Polymart whose signature is good. What follows from it is done before the answer.
///
/// # Errors
/// When it cannot be recorded now; the sender must try again.
pub async fn polymart(
    app: &App,
    team: &Team,
    query: BTreeMap<String, String>,
    body: &[u8],
) -> Result<Intake, InterpretError> {
    let _present = app.crowd.join();
    let (incoming, illegible) = Incoming::read(team, Provider::Polymart, Door::Delivered, query, body);
    if let Some(reason) = illegible {
        return Box::pin(unreadable(app, &incoming, reason)).await;
    }
    if !team.is_enabled(Provider::Polymart) {
        return Box::pin(switched_off(app, &incoming)).await;
    }
    for _ in 0..CONFLICTS_MAX {
        let recording = incoming.recording(app);
        let answered = interpret(app, team, &recording.delivery, body).await?;
        let answer = answer_of(&incoming, &answered.plan, answered.answer);
        let mut request = answered.plan.into_request(&recording.delivery, vec![recording.received], app.clock.now());
        request.keys.push(recording.key);
        request.links.extend(recording.links);
        match app.writer.append(request).await? {
            AppendOutcome::Appended { .. } => return Ok(answer),
            AppendOutcome::Conflict { stream, .. } if stream != incoming.stream() => {}
            _ => return Box::pin(again(app, &incoming)).await,
        }
    }
    Err(InterpretError::Contended)
}

fn answer_of(incoming: &Incoming<'_>, plan: &Plan, answer: Answer) -> Intake {
    let reason = || match &plan.conclusion {
        Conclusion::Rejected(reason) => reason.clone(),
        Conclusion::Applied { .. } | Conclusion::Ignored(_) => String::new(),
    };
    match answer {
        Answer::Received => incoming.received(false),
        Answer::Bad => Intake::Bad(reason()),
        Answer::UnknownProduct => Intake::UnknownProduct(reason()),
    }
}

/// A genuine body that cannot be read is recorded under its hash, so that the seller can see what was sent.
async fn unreadable(app: &App, incoming: &Incoming<'_>, reason: String) -> Result<Intake, InterpretError> {
    record(app, incoming, Conclusion::Rejected(reason.clone())).await?;
    Ok(Intake::Bad(reason))
}

async fn switched_off(app: &App, incoming: &Incoming<'_>) -> Result<Intake, InterpretError> {
    if record(app, incoming, Conclusion::Rejected(incoming.is_switched_off())).await? {
        return Ok(Intake::SwitchedOff);
    }
    let team = incoming.team.config.id;
    match InboxState::load(app, team, incoming.stream()).await? {
        Some(state) if state.outcome != Outcome::Rejected => Ok(incoming.received(true)),
        _ => Ok(Intake::SwitchedOff),
    }
}

/// The same delivery again. Unless it was rejected there is nothing to do.
async fn again(app: &App, incoming: &Incoming<'_>) -> Result<Intake, InterpretError> {
    let team = incoming.team.config.id;
    for _ in 0..CONFLICTS_MAX {
        let Some(mut state) = InboxState::load(app, team, incoming.stream()).await? else {
            return Ok(incoming.received(false));
        };
        if state.outcome != Outcome::Rejected {
            return Ok(incoming.received(true));
        }
        state.query.clone_from(&incoming.query);
        let (answer, request) = reopen(app, incoming, &state).await?;
        let Some(request) = request else { return Ok(answer) };
        match app.writer.append(request).await? {
            AppendOutcome::Appended { .. } => return Ok(answer),
            AppendOutcome::AlreadyApplied { .. } | AppendOutcome::Conflict { .. } => {}
        }
    }
    Err(InterpretError::Contended)
}

/// Judges a rejected delivery by today's checks: the answer, and what is appended if its cause was mended.
async fn reopen(
    app: &App,
    incoming: &Incoming<'_>,
    state: &InboxState,
) -> Result<(Intake, Option<AppendRequest>), InterpretError> {
    let (team, now) = (incoming.team.config.id, app.clock.now());
    let delivery = Delivery::of(team, incoming.stream(), state, incoming.occurred_at);
    let reopened = ProviderEventReopened {
        reason: incoming.door.again(incoming.provider),
        query: (!incoming.query.is_empty()).then(|| incoming.query.clone()),
    };
    let reopened = NewEvent::new(delivery.stream, now, reopened);
    let (plan, answer) = match incoming.provider {
        Provider::Polymart => {
            let answered = interpret(app, incoming.team, &delivery, incoming.body).await?;
            let answer = answer_of(incoming, &answered.plan, answered.answer);
            (answered.plan, answer)
        }
        Provider::Stripe => match attempt(app, team, delivery.stream, state, true).await? {
            Attempt::Plan(plan) => (*plan, incoming.received(false)),
            // Whether it is mended cannot be known now: it is open again, and the interpreter finds out.
            Attempt::Later(_) | Attempt::NeedsClaim => {
                let mut request = AppendRequest::new(team, delivery.provenance())
                    .expect(delivery.stream, delivery.version)
                    .event(reopened);
                incoming.door.sign(&mut request);
                return Ok((incoming.received(false), Some(request)));
            }
        },
    };
    if matches!(plan.conclusion, Conclusion::Rejected(_)) && !plan.has_effect() {
        return Ok((answer, None));
    }
    let mut request = plan.into_request(&delivery, vec![reopened], now);
    incoming.door.sign(&mut request);
    Ok((answer, Some(request)))
}

impl From<keyledger_events::keys::KeyRingError> for InterpretError {
    fn from(error: keyledger_events::keys::KeyRingError) -> Self {
        Self::Draft(DraftError::from(error))
    }
}
