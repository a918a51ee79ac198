//! How verifications are answered: settings, the blacklist, explanations, and the log of what was asked.

use keyledger_events::event::team::{
    BlacklistEntryAdded, BlacklistEntryRemoved, BlacklistKind, VerificationSettingsUpdated,
};
use keyledger_events::sealed::SealContext;
use keyledger_events::{NewEvent, StreamId, StreamKind, TeamId, Timestamp, id};
use keyledger_projections::{BlacklistEntry, VerificationSettings};
use serde::Serialize;
use uuid::Uuid;

use super::{AdminError, CONFLICTS_MAX, append, teams};
use crate::activity::{RequestFilter, StoredRequest};
use crate::app::App;
use crate::networks::network;
use crate::verification::asked::is_hardware_identifier;
use crate::verification::explain::{self, Explanation, Question};

/// The longest timeout: 180 days, in minutes.
pub const TIMEOUT_MINUTES_MAX: u32 = 259_200;
/// Entries of a team's blacklist at most.
const BLACKLIST_MAX: usize = 1_000;
/// Names of notes that answers may show at most.
const METADATA_KEYS_MAX: usize = 20;

/// Changes how verifications are answered; what is `None` stays, and what is the same already is not recorded again.
///
/// # Errors
/// When there is no such team, or a setting cannot be used.
pub async fn update(
    app: &App,
    actor: &str,
    team: TeamId,
    change: VerificationSettingsUpdated,
) -> Result<VerificationSettings, AdminError> {
    check(&change)?;
    let stream = StreamId::new(StreamKind::Team, team.0);
    for _ in 0..CONFLICTS_MAX {
        let current = teams::find(app, team).await?;
        let news = differing(&current.verification, &change);
        if news == VerificationSettingsUpdated::default() {
            return Ok(current.verification);
        }
        let event = NewEvent::new(stream, app.clock.now(), news);
        if append(app, actor, team, current.version, event).await? {
            return Ok(teams::find(app, team).await?.verification);
        }
    }
    Err(AdminError::Contended)
}

fn check(change: &VerificationSettingsUpdated) -> Result<(), AdminError> {
    for (name, minutes) in [("address", change.ip_timeout_minutes), ("device", change.hwid_timeout_minutes)] {
        if let Some(minutes) = minutes.filter(|minutes| *minutes > TIMEOUT_MINUTES_MAX) {
            return Err(AdminError::Invalid(format!(
                "the {name} timeout is {minutes} minutes; at most {TIMEOUT_MINUTES_MAX} (180 days) are allowed, 0 for none"
            )));
        }
    }
    let fields = change.returned_fields.iter();
    for keys in fields.flat_map(|f| [&f.license_metadata_keys, &f.customer_metadata_keys, &f.product_metadata_keys]) {
        if keys.len() > METADATA_KEYS_MAX {
            let message = format!("{} metadata keys are named; at most {METADATA_KEYS_MAX} are allowed", keys.len());
            return Err(AdminError::Invalid(message));
        }
    }
    Ok(())
}

fn differing(current: &VerificationSettings, change: &VerificationSettingsUpdated) -> VerificationSettingsUpdated {
    let minutes = |new: Option<u32>, known: Option<u32>| new.filter(|new| *new != known.unwrap_or(0));
    VerificationSettingsUpdated {
        strict_customers: change.strict_customers.filter(|new| *new != current.strict_customers),
        strict_products: change.strict_products.filter(|new| *new != current.strict_products),
        ip_timeout_minutes: minutes(change.ip_timeout_minutes, current.ip_timeout_minutes),
        hwid_timeout_minutes: minutes(change.hwid_timeout_minutes, current.hwid_timeout_minutes),
        returned_fields: change.returned_fields.clone().filter(|new| *new != current.returned_fields),
    }
}

/// An entry of the blacklist, opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BlacklistJson {
    /// Its id.
    pub id: Uuid,
    /// What it names.
    pub kind: BlacklistKind,
    /// The address, network, hardware identifier or country.
    pub value: String,
    /// When it was added.
    pub added_at: Timestamp,
}

/// A team's blacklist, oldest first.
///
/// # Errors
/// When there is no such team.
pub async fn blacklist(app: &App, team: TeamId) -> Result<Vec<BlacklistJson>, AdminError> {
    let config = teams::find(app, team).await?;
    let mut all = Vec::with_capacity(config.blacklist.len());
    for entry in &config.blacklist {
        all.push(opened(app, team, entry).await?);
    }
    Ok(all)
}

async fn opened(app: &App, team: TeamId, entry: &BlacklistEntry) -> Result<BlacklistJson, AdminError> {
    let context = entry.value.context(team, BlacklistEntry::VALUE_FIELD);
    let value = app.keys.open(context, &entry.value.value).await?;
    let value = String::from_utf8_lossy(&value).into_owned();
    Ok(BlacklistJson { id: entry.entry_id, kind: entry.kind, value, added_at: entry.added_at })
}

/// Puts something on the blacklist. What is on it already stays as it is.
///
/// # Errors
/// When the value cannot be used, or the list is full.
pub async fn block(
    app: &App,
    actor: &str,
    team: TeamId,
    kind: BlacklistKind,
    value: &str,
) -> Result<BlacklistJson, AdminError> {
    let value = normal(kind, value)?;
    let stream = StreamId::new(StreamKind::Team, team.0);
    for _ in 0..CONFLICTS_MAX {
        let current = teams::find(app, team).await?;
        let known = blacklist(app, team).await?;
        if let Some(known) = known.iter().find(|entry| entry.kind == kind && entry.value == value) {
            return Ok(known.clone());
        }
        if known.len() >= BLACKLIST_MAX {
            let message =
                format!("the blacklist has {BLACKLIST_MAX} entries, which is its limit; block networks instead");
            return Err(AdminError::Refused(message));
        }
        let (event_id, entry_id) = (id::fresh(), id::fresh());
        let context = SealContext { team, event_id, field: BlacklistEntry::VALUE_FIELD };
        let sealed = app.keys.team_key(team).await?.seal(context, value.as_bytes());
        let now = app.clock.now();
        let event = BlacklistEntryAdded { entry_id, kind, value: sealed }.into();
        let event = NewEvent { stream, event_id, occurred_at: now, event };
        if append(app, actor, team, current.version, event).await? {
            return Ok(BlacklistJson { id: entry_id, kind, value, added_at: now });
        }
    }
    Err(AdminError::Contended)
}

/// Takes something off the blacklist.
///
/// # Errors
/// When there is no such entry.
pub async fn unblock(app: &App, actor: &str, team: TeamId, entry_id: Uuid) -> Result<(), AdminError> {
    let stream = StreamId::new(StreamKind::Team, team.0);
    for _ in 0..CONFLICTS_MAX {
        let current = teams::find(app, team).await?;
        if !current.blacklist.iter().any(|entry| entry.entry_id == entry_id) {
            let list = "blacklist list --team ID";
            return Err(AdminError::NotFound { what: "blacklist entry", id: entry_id.to_string(), list });
        }
        let event = NewEvent::new(stream, app.clock.now(), BlacklistEntryRemoved { entry_id });
        if append(app, actor, team, current.version, event).await? {
            return Ok(());
        }
    }
    Err(AdminError::Contended)
}

/// A value as it is compared.
pub(crate) fn normal(kind: BlacklistKind, value: &str) -> Result<String, AdminError> {
    let value = value.trim();
    let bad = |expected: &str| AdminError::Invalid(format!("`{value}` is not {expected}"));
    match kind {
        BlacklistKind::Address => {
            let network = network(value).ok_or_else(|| bad("an address or a network like 203.0.113.0/24"))?;
            Ok(if network.prefix_len() == network.max_prefix_len() {
                network.addr().to_string()
            } else {
                network.to_string()
            })
        }
        // No program can name any other device: an entry of it would refuse nobody.
        BlacklistKind::Device if is_hardware_identifier(value) => Ok(value.to_owned()),
        BlacklistKind::Device => {
            Err(bad("a hardware identifier, which has 10 to 1,000 characters without white space"))
        }
        BlacklistKind::Country => {
            let letters = value.len() == 2 && value.bytes().all(|byte| byte.is_ascii_alphabetic());
            if letters { Ok(value.to_ascii_uppercase()) } else { Err(bad("a country in two letters, such as DE")) }
        }
    }
}

/// What a verification would be answered, and why.
///
/// # Errors
/// When there is no such team, or what it rests on cannot be read.
pub async fn explain(app: &App, team: TeamId, question: &Question) -> Result<Explanation, AdminError> {
    Ok(explain::explain(app, team, question).await?)
}

/// The log of verifications, newest first.
///
/// # Errors
/// When there is no such team, or the log cannot be read.
pub async fn requests(
    app: &App,
    team: TeamId,
    filter: &RequestFilter,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<StoredRequest>, AdminError> {
    teams::find(app, team).await?;
    Ok(app.activity.requests(team, filter, before, limit).await?)
}
