//! Reconciliation: what Stripe could not deliver is asked for and taken in by the same door as what it could.

use std::collections::HashSet;

use keyledger_events::event::inbox::Provider;
use keyledger_events::{TeamId, Timestamp, clock};
use keyledger_projections::Outcome;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::AdminError;
use crate::app::App;
use crate::directory::Team;
use crate::providers::inbox::{InboxState, stream};
use crate::providers::incoming::Door;
use crate::providers::intake::{self, Intake};
use crate::providers::stripe::api::{ApiError, StripeApi};
/// The days that Stripe keeps events.
pub const DAYS_MAX: u32 = 30;
/// Pages asked for with one key: a hundred thousand events.
const PAGES_MAX: usize = 1_000;
/// Events that a report names.
const LISTED_MAX: usize = 1_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// What a reconciliation found and did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReconciledJson {
    /// The team.
    #[schema(value_type = uuid::Uuid)]
    pub team_id: TeamId,
    /// Events before this time were not asked for.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// The keys that were asked with: live, test, or any where the key does not tell.
    pub modes: Vec<&'static str>,
    /// Events that Stripe lists as undelivered.
    pub found: usize,
    /// Of these, what was new here and is taken in.
    pub taken_in: usize,
    /// Of these, what was rejected before and is open again, because its cause was mended.
    pub reopened: usize,
    /// Of these, what was here already.
    pub known: usize,
    /// What was taken in, at most a thousand of it.
    pub events: Vec<TakenIn>,
}

/// An event that was missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TakenIn {
    /// Stripe's id of it.
    pub provider_event_id: String,
    /// Stripe's name for what happened.
    #[serde(rename = "type")]
    pub event_type: String,
}

/// Asks Stripe for the events of the last `days` days that it could not deliver, with each of the team's API keys, and
/// takes in what is missing here. Page by page: what was taken in stays so, whatever happens later.
///
/// # Errors
/// When there is no such team, its Stripe integration is off or has no key, or Stripe does not answer; the message says
/// what was taken in by then.
pub async fn stripe(app: &App, actor: &str, team_id: TeamId, days: u32) -> Result<ReconciledJson, AdminError> {
    if !(1..=DAYS_MAX).contains(&days) {
        return Err(AdminError::Invalid(format!("days: must be 1 to {DAYS_MAX}; Stripe keeps events no longer")));
    }
    let team = app.fresh_team(team_id).await?.ok_or(AdminError::NoTeam(team_id))?;
    let keys = keys(&team)?;
    let now = app.clock.now();
    let since = clock::from_unix_seconds(now.as_second() - i64::from(days) * SECONDS_PER_DAY).unwrap_or(now);
    let mut report = ReconciledJson {
        team_id,
        since,
        modes: keys.iter().map(|(mode, _)| *mode).collect(),
        found: 0,
        taken_in: 0,
        reopened: 0,
        known: 0,
        events: Vec::new(),
    };
    let mut failures = Vec::new();
    for (mode, key) in keys {
        match all_pages(app, actor, &team, key, &mut report).await {
            Err(AdminError::Provider(reason)) => failures.push(format!("with the {mode} key: {reason}")),
            other => other?,
        }
    }
    let ReconciledJson { found, taken_in, reopened, .. } = report;
    tracing::info!(actor, team = %team_id, found, taken_in, reopened, "what Stripe could not deliver was asked for");
    if failures.is_empty() {
        return Ok(report);
    }
    let done = format!("{taken_in} events were taken in, which stay; ask again to go on");
    Err(AdminError::Provider(format!("{}; {done}", failures.join("; "))))
}

/// The keys to ask with, each once: a key sees the events of its own mode.
fn keys(team: &Team) -> Result<Vec<(&'static str, &SecretString)>, AdminError> {
    if team.config.integration(Provider::Stripe).is_none() {
        let message = "this team has no stripe integration; `keyledger integration set stripe` makes one";
        return Err(AdminError::Refused(message.to_owned()));
    }
    if !team.is_enabled(Provider::Stripe) {
        let message = "the stripe integration is switched off, so everything would be rejected; switch it on first: \
                       `keyledger integration set stripe --active true`";
        return Err(AdminError::Refused(message.to_owned()));
    }
    let mut keys: Vec<(&'static str, &SecretString)> = Vec::new();
    for (mode, livemode) in [("live", true), ("test", false)] {
        let Some(key) = team.api_key(Provider::Stripe, Some(livemode)) else { continue };
        match keys.iter_mut().find(|(_, known)| known.expose_secret() == key.expose_secret()) {
            Some(same) => same.0 = "only",
            None => keys.push((mode, key)),
        }
    }
    if keys.is_empty() {
        let message = "this team has no Stripe API key; add one that may read events: \
                       `keyledger integration set stripe --api-key @rk.txt`";
        return Err(AdminError::Refused(message.to_owned()));
    }
    Ok(keys)
}

async fn all_pages(
    app: &App,
    actor: &str,
    team: &Team,
    key: &SecretString,
    report: &mut ReconciledJson,
) -> Result<(), AdminError> {
    let base = team.config.integration(Provider::Stripe).and_then(|integration| integration.api_base.as_deref());
    let api = StripeApi::new(&app.stripe, key, base).map_err(|error| refused(&error))?;
    let mut after: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let page = api.undelivered_events(report.since, after.as_deref()).await.map_err(|error| refused(&error))?;
        take_in_page(app, actor, team, &page.events, report).await?;
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
    Err(AdminError::Provider(format!(
        "Stripe lists more than {PAGES_MAX} pages of undelivered events, which is as far as one call goes; \
         ask for fewer days"
    )))
}

/// Says what is to be done where the key may not read events.
fn refused(error: &ApiError) -> AdminError {
    let hint = match error {
        ApiError::Unauthorized { .. } => {
            ": in Stripe's dashboard give it the permission `Events: Read`, or make a new one and add it with \
             `keyledger integration set stripe --api-key @rk.txt`"
        }
        _ => "",
    };
    AdminError::Provider(format!("{error}{hint}"))
}

async fn take_in_page(
    app: &App,
    actor: &str,
    team: &Team,
    events: &[Value],
    report: &mut ReconciledJson,
) -> Result<(), AdminError> {
    let text = |event: &Value, field: &str| event[field].as_str().unwrap_or_default().to_owned();
    let streams: Vec<_> =
        events.iter().map(|event| stream(team.config.id, Provider::Stripe, &text(event, "id"))).collect();
    let ids: Vec<_> = streams.iter().map(|stream| stream.id).collect();
    let known: HashSet<_> = app.ledger.positions_of(&ids).await?.into_keys().collect();
    for (event, stream) in events.iter().zip(streams) {
        report.found += 1;
        let before = match known.contains(&stream.id) {
            true => InboxState::load(app, team.config.id, stream).await?,
            false => None,
        };
        if before.as_ref().is_some_and(|before| before.outcome != Outcome::Rejected) {
            report.known += 1;
            continue;
        }
        let body = serde_json::to_vec(event).map_err(|error| AdminError::Provider(error.to_string()))?;
        let taken = intake::stripe(app, team, Door::Reconciled { actor }, &body).await?;
        match before {
            // Stripe got through in this very moment.
            None if matches!(taken, Intake::Received { duplicate: true, .. }) => report.known += 1,
            None => {
                report.taken_in += 1;
                if report.events.len() < LISTED_MAX {
                    let (provider_event_id, event_type) = (text(event, "id"), text(event, "type"));
                    report.events.push(TakenIn { provider_event_id, event_type });
                }
            }
            Some(before) => {
                let version = app.ledger.stream_version(team.config.id, stream).await?;
                let count = if version > before.version { &mut report.reopened } else { &mut report.known };
                *count += 1;
            }
        }
    }
    Ok(())
}
