//! Intake: a verified delivery is recorded before it is answered, whatever the answer.
//!
//! A delivery that was rejected before is judged by today's checks: if its cause was mended it is opened again, if
//! not, it gets the same answer and the ledger does not grow.

use std::collections::BTreeMap;

use keyledger_events::event::inbox::{Provider, ProviderEventReceived, ProviderEventReopened};
use keyledger_events::keys::{KeyLink, WrappedKey};
use keyledger_events::sealed::SealContext;
use keyledger_events::{AppendOutcome, NewEvent, StreamId, Timestamp, id};
use keyledger_projections::{InboxEntry, Outcome};
use sha2::{Digest as _, Sha256};

use super::draft::DraftError;
use super::inbox::{Delivery, InboxState, stream};
use super::interpreter::{Attempt, InterpretError, attempt};
use super::named::named;
use super::plan::{Conclusion, Plan};
use super::polymart::interpret::{Answer, interpret};
use super::{mac, polymart, stripe};
use crate::app::App;
use crate::directory::Team;

/// Times an intake is decided again because a stream moved on meanwhile.
const CONFLICTS_MAX: u32 = 20;
/// The type of a delivery that does not say what happened.
const UNREADABLE: &str = "unreadable";

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

/// What is known of a delivery before it is recorded.
struct Incoming<'a> {
    team: &'a Team,
    provider: Provider,
    provider_event_id: String,
    event_type: String,
    livemode: Option<bool>,
    occurred_at: Option<Timestamp>,
    query: BTreeMap<String, String>,
    body: &'a [u8],
}

/// A delivery that is ready to be recorded.
struct Recording {
    delivery: Delivery,
    received: NewEvent,
    key: WrappedKey,
    /// The key goes when somebody whom the delivery names is forgotten.
    links: Vec<KeyLink>,
}

impl Incoming<'_> {
    fn stream(&self) -> StreamId {
        stream(self.team.config.id, self.provider, &self.provider_event_id)
    }

    /// Seals the body under a key of its own. The event's id is derived from the provider's, so the same
    /// delivery again is `AlreadyApplied`.
    fn recording(&self, app: &App) -> Recording {
        let (team, stream) = (self.team.config.id, self.stream());
        let (key, wrapped) = app.keys.generate(id::fresh());
        let context = SealContext { team, event_id: stream.id, field: InboxEntry::BODY_FIELD };
        let body = key.seal(context, self.body);
        let occurred_at = self.occurred_at.unwrap_or_else(|| app.clock.now());
        let received = ProviderEventReceived {
            provider: self.provider,
            provider_event_id: self.provider_event_id.clone(),
            event_type: self.event_type.clone(),
            livemode: self.livemode,
            query: self.query.clone(),
            body_sha256: hex::encode(Sha256::digest(self.body)),
            body: body.clone(),
        };
        let delivery = Delivery {
            team,
            provider: self.provider,
            stream,
            version: 0,
            received_event: stream.id,
            livemode: self.livemode,
            occurred_at,
            query: self.query.clone(),
            body,
        };
        let received = NewEvent { stream, event_id: stream.id, occurred_at, event: received.into() };
        let link = |customer_id| KeyLink { key_id: key.id(), customer_id };
        let links = named(&app.keys, team, self.body).into_iter().map(link).collect();
        Recording { delivery, received, key: wrapped, links }
    }

    fn received(&self, duplicate: bool) -> Intake {
        Intake::Received { event_id: self.provider_event_id.clone(), duplicate }
    }
}

/// Records a delivery together with a plan. `false` when it was there before.
async fn record(app: &App, incoming: &Incoming<'_>, conclusion: Conclusion) -> Result<bool, InterpretError> {
    let recording = incoming.recording(app);
    let plan = Plan::without_effect(&recording.delivery, conclusion);
    let mut request = plan.into_request(&recording.delivery, vec![recording.received], app.clock.now());
    request.keys.push(recording.key);
    request.links.extend(recording.links);
    Ok(matches!(app.writer.append(request).await?, AppendOutcome::Appended { .. }))
}

/// Takes in a delivery from Stripe whose signature is good.
///
/// # Errors
/// When it cannot be recorded now; the sender must try again.
pub async fn stripe(app: &App, team: &Team, body: &[u8]) -> Result<Intake, InterpretError> {
    let envelope = match stripe::payload::parse_envelope(body) {
        Ok(envelope) => envelope,
        Err(error) => return unreadable(app, team, Provider::Stripe, BTreeMap::new(), body, error.to_string()).await,
    };
    let incoming = Incoming {
        team,
        provider: Provider::Stripe,
        provider_event_id: envelope.id,
        event_type: envelope.event_type,
        livemode: envelope.livemode,
        occurred_at: envelope.created,
        query: BTreeMap::new(),
        body,
    };
    if !team.is_enabled(Provider::Stripe) {
        return switched_off(app, &incoming).await;
    }
    let appended = if stripe::interpret::HANDLED.contains(&incoming.event_type.as_str()) {
        let recording = incoming.recording(app);
        let mut request = keyledger_events::AppendRequest::new(team.config.id, recording.delivery.provenance())
            .expect(recording.delivery.stream, 0)
            .event(recording.received);
        request.provenance.causation = None;
        request.keys.push(recording.key);
        request.links.extend(recording.links);
        matches!(app.writer.append(request).await?, AppendOutcome::Appended { .. })
    } else {
        let reason = format!("we have no use for `{}`", incoming.event_type);
        record(app, &incoming, Conclusion::Ignored(reason)).await?
    };
    if appended { Ok(incoming.received(false)) } else { again(app, &incoming).await }
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
    let envelope = match polymart::payload::parse_envelope(body) {
        Ok(envelope) => envelope,
        Err(error) => return unreadable(app, team, Provider::Polymart, query, body, error.to_string()).await,
    };
    let incoming = Incoming {
        team,
        provider: Provider::Polymart,
        provider_event_id: envelope.delivery_id,
        event_type: envelope.event,
        livemode: None,
        occurred_at: envelope.time,
        query,
        body,
    };
    if !team.is_enabled(Provider::Polymart) {
        return switched_off(app, &incoming).await;
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
            _ => return again(app, &incoming).await,
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
async fn unreadable(
    app: &App,
    team: &Team,
    provider: Provider,
    query: BTreeMap<String, String>,
    body: &[u8],
    reason: String,
) -> Result<Intake, InterpretError> {
    let incoming = Incoming {
        team,
        provider,
        provider_event_id: mac::body_id(body),
        event_type: UNREADABLE.to_owned(),
        livemode: None,
        occurred_at: None,
        query,
        body,
    };
    record(app, &incoming, Conclusion::Rejected(reason.clone())).await?;
    Ok(Intake::Bad(reason))
}

async fn switched_off(app: &App, incoming: &Incoming<'_>) -> Result<Intake, InterpretError> {
    let reason = format!("the {} integration is switched off", incoming.provider);
    if record(app, incoming, Conclusion::Rejected(reason)).await? {
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
) -> Result<(Intake, Option<keyledger_events::AppendRequest>), InterpretError> {
    let (team, now) = (incoming.team.config.id, app.clock.now());
    let delivery = Delivery::of(team, incoming.stream(), state, incoming.occurred_at);
    let reopened = ProviderEventReopened {
        reason: format!("delivered again by {}", incoming.provider),
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
                let request = keyledger_events::AppendRequest::new(team, delivery.provenance())
                    .expect(delivery.stream, delivery.version)
                    .event(reopened);
                return Ok((incoming.received(false), Some(request)));
            }
        },
    };
    if matches!(plan.conclusion, Conclusion::Rejected(_)) && !plan.has_effect() {
        return Ok((answer, None));
    }
    Ok((answer, Some(plan.into_request(&delivery, vec![reopened], now))))
}

impl From<keyledger_events::keys::KeyRingError> for InterpretError {
    fn from(error: keyledger_events::keys::KeyRingError) -> Self {
        Self::Draft(DraftError::from(error))
    }
}
