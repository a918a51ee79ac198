//! A dry run: what a delivery would lead to, judged by the code of the real door, and nothing of it appended.

use std::collections::BTreeMap;

use keyledger_events::NewEvent;
use keyledger_events::event::inbox::Provider;
use keyledger_projections::Outcome;

use super::inbox::{Delivery, InboxState};
use super::incoming::{Door, Incoming};
use super::interpreter::{Attempt, InterpretError, judge};
use super::plan::{Conclusion, Plan};
use crate::app::App;
use crate::directory::Team;

/// A delivery that was not made.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    /// The provider's id of it.
    pub provider_event_id: String,
    /// The provider's name for what happened.
    pub event_type: String,
    /// Whether real money moved, where the provider tells.
    pub livemode: Option<bool>,
    /// What the ledger knows of the same delivery.
    pub known: Option<Outcome>,
    /// What would come of it.
    pub decision: Decision,
    /// Whether Stripe's API was asked, as the real delivery's interpretation would ask it.
    pub asked_stripe: bool,
    /// What would be appended, the conclusion last.
    pub events: Vec<NewEvent>,
}

/// What would come of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It was received before: it would be answered as a duplicate, and nothing would happen.
    Duplicate,
    /// It would be concluded so.
    Concluded(Conclusion),
    /// It could not be concluded now and would be tried again.
    Deferred(String),
}

/// Rehearses a delivery to a team. Its signature is not asked for.
///
/// # Errors
/// When something inside does not answer.
pub async fn rehearse(
    app: &App,
    team: &Team,
    provider: Provider,
    query: BTreeMap<String, String>,
    body: &[u8],
) -> Result<Rehearsal, InterpretError> {
    let (incoming, illegible) = Incoming::read(team, provider, Door::Delivered, query, body);
    let known = InboxState::load(app, team.config.id, incoming.stream()).await?;
    let mut rehearsal = Rehearsal {
        provider_event_id: incoming.provider_event_id.clone(),
        event_type: incoming.event_type.clone(),
        livemode: incoming.livemode,
        known: known.as_ref().map(|known| known.outcome),
        decision: Decision::Duplicate,
        asked_stripe: false,
        events: Vec::new(),
    };
    if known.as_ref().is_some_and(|known| known.outcome != Outcome::Rejected) {
        return Ok(rehearsal);
    }
    let (state, received) = begun(app, &incoming, known);
    let at_once = match illegible {
        Some(reason) => Some(Conclusion::Rejected(reason)),
        None if !team.is_enabled(provider) => Some(Conclusion::Rejected(incoming.is_switched_off())),
        None => incoming.useless().map(Conclusion::Ignored),
    };
    let delivery = Delivery::of(team.config.id, incoming.stream(), &state, incoming.occurred_at);
    let attempt = match at_once {
        Some(conclusion) => Attempt::Plan(Box::new(Plan::without_effect(&delivery, conclusion))),
        None => decide(app, &incoming, &state, &mut rehearsal.asked_stripe).await?,
    };
    match attempt {
        Attempt::Plan(plan) => {
            rehearsal.decision = Decision::Concluded(plan.conclusion.clone());
            rehearsal.events = plan.into_request(&delivery, received, app.clock.now()).events;
        }
        Attempt::Later(reason) => {
            rehearsal.decision = Decision::Deferred(reason);
            rehearsal.events = received;
        }
        // Whoever may ask need not claim.
        Attempt::NeedsClaim => rehearsal.decision = Decision::Deferred("Stripe must be asked".to_owned()),
    }
    Ok(rehearsal)
}

/// How the delivery would stand once it was recorded: afresh, or, where it was rejected before, with today's query.
/// The key that its body is sealed with here is stored nowhere.
fn begun(app: &App, incoming: &Incoming<'_>, known: Option<InboxState>) -> (InboxState, Vec<NewEvent>) {
    if let Some(known) = known {
        return (InboxState { query: incoming.query.clone(), ..known }, Vec::new());
    }
    let (now, (received, _)) = (app.clock.now(), incoming.sealed(app));
    let event = incoming.event(received.clone(), incoming.occurred_at.unwrap_or(now));
    (incoming.state(received, now), vec![event])
}

/// Asks Stripe only where the real interpretation would, and notes that.
async fn decide(
    app: &App,
    incoming: &Incoming<'_>,
    state: &InboxState,
    asked: &mut bool,
) -> Result<Attempt, InterpretError> {
    let (team, stream) = (incoming.team.config.id, incoming.stream());
    match judge(app, team, stream, state, incoming.body, false).await? {
        Attempt::NeedsClaim => {
            *asked = true;
            judge(app, team, stream, state, incoming.body, true).await
        }
        attempt => Ok(attempt),
    }
}
