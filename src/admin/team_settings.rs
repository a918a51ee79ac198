//! Settings of a team beyond its name: where its owner is reached, and when buyers are reminded.

use keyledger_events::event::team::{RemindersUpdated, TeamContactUpdated, TeamUpdated};
use keyledger_events::sealed::SealContext;
use keyledger_events::{AppendOutcome, AppendRequest, NewEvent, StreamId, StreamKind, TeamId, id};
use keyledger_projections::TeamConfig;
use serde::Serialize;
use utoipa::ToSchema;

use super::{AdminError, CONFLICTS_MAX, append, by, teams};
use crate::app::App;
use crate::opened;

/// The longest lead of a reminder, in days.
pub const REMINDER_DAYS_MAX: u32 = 365;
/// The longest mail address, in bytes (RFC 5321 section 4.5.3.1.3).
const EMAIL_BYTES_MAX: usize = 254;

/// A team's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TeamSettings {
    /// What buyers see in mails.
    pub name: String,
    /// The paragraph that goes into every mail to a buyer.
    pub mail_message: Option<String>,
    /// How long past its paid period a subscription's licence stays valid, in seconds.
    pub renewal_grace_seconds: u32,
    /// Where the owner is told of a webhook that was disabled.
    pub owner_email: Option<String>,
    /// How many days before its end a licence's buyer is reminded; 0 for never.
    pub reminder_days: u32,
    /// Whether the buyer gets a mail then.
    pub reminder_mail: bool,
}

/// What is to change; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SettingsChange {
    /// Name, paragraph, grace.
    pub team: TeamUpdated,
    /// The owner's mail address; empty takes it back.
    pub owner_email: Option<String>,
    /// When buyers are reminded.
    pub reminders: RemindersUpdated,
}

/// A team's settings as the ledger has them now.
///
/// # Errors
/// When there is no such team.
pub async fn show(app: &App, team: TeamId) -> Result<TeamSettings, AdminError> {
    let config = teams::find(app, team).await?;
    describe(app, &config).await
}

/// Opens the owner's address and describes the settings.
///
/// # Errors
/// When the keys store does not answer.
pub async fn describe(app: &App, config: &TeamConfig) -> Result<TeamSettings, AdminError> {
    let owner_email = opened::text(app, config.id, config.contact.as_ref(), TeamConfig::CONTACT_FIELD).await?;
    Ok(TeamSettings {
        name: config.name.clone(),
        mail_message: config.mail_message.clone(),
        renewal_grace_seconds: config.renewal_grace_seconds,
        owner_email,
        reminder_days: config.reminders.days,
        reminder_mail: config.reminders.mail,
    })
}

/// Changes settings; what is the same already is not recorded again.
///
/// # Errors
/// When there is no such team, or a setting cannot be used.
pub async fn update(app: &App, actor: &str, team: TeamId, change: SettingsChange) -> Result<TeamConfig, AdminError> {
    let email = change.owner_email.as_deref().map(checked_email).transpose()?;
    if change.reminders.days.is_some_and(|days| days > REMINDER_DAYS_MAX) {
        let message = format!("buyers are reminded at most {REMINDER_DAYS_MAX} days ahead; 0 is never");
        return Err(AdminError::Invalid(message));
    }
    teams::update(app, actor, team, change.team).await?;
    remind(app, actor, team, &change.reminders).await?;
    if let Some(email) = email {
        contact(app, actor, team, &email).await?;
    }
    teams::find(app, team).await
}

fn checked_email(text: &str) -> Result<String, AdminError> {
    let text = text.trim();
    let is_address = text.len() <= EMAIL_BYTES_MAX && text.parse::<lettre::Address>().is_ok();
    if text.is_empty() || is_address && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(AdminError::Invalid("the owner's mail address is not one that mail can be sent to".to_owned()))
}

async fn remind(app: &App, actor: &str, team: TeamId, change: &RemindersUpdated) -> Result<(), AdminError> {
    for _ in 0..CONFLICTS_MAX {
        let current = teams::find(app, team).await?;
        let news = RemindersUpdated {
            days: change.days.filter(|new| *new != current.reminders.days),
            mail: change.mail.filter(|new| *new != current.reminders.mail),
        };
        if news == RemindersUpdated::default() {
            return Ok(());
        }
        let event = NewEvent::new(StreamId::new(StreamKind::Team, team.0), app.clock.now(), news);
        if append(app, actor, team, current.version, event).await? {
            return Ok(());
        }
    }
    Err(AdminError::Contended)
}

/// Each address has a data key of its own, so that it can be destroyed alone.
async fn contact(app: &App, actor: &str, team: TeamId, email: &str) -> Result<(), AdminError> {
    for _ in 0..CONFLICTS_MAX {
        let current = teams::find(app, team).await?;
        let known = opened::text(app, team, current.contact.as_ref(), TeamConfig::CONTACT_FIELD).await?;
        if known.as_deref().unwrap_or_default() == email {
            return Ok(());
        }
        let (stream, event_id) = (StreamId::new(StreamKind::Team, team.0), id::fresh());
        let mut request = AppendRequest::new(team, by(actor)).expect(stream, current.version);
        let mut sealed = None;
        if !email.is_empty() {
            let (key, wrapped) = app.keys.generate(id::fresh());
            let context = SealContext { team, event_id, field: TeamConfig::CONTACT_FIELD };
            sealed = Some(key.seal(context, email.as_bytes()));
            request.keys.push(wrapped);
        }
        let updated = TeamContactUpdated { email: sealed };
        let request = request.event(NewEvent { stream, event_id, occurred_at: app.clock.now(), event: updated.into() });
        if let AppendOutcome::Appended { .. } = app.writer.append(request).await? {
            return Ok(());
        }
    }
    Err(AdminError::Contended)
}
