//! Settings of a team: its name, what its mails say, where its owner is reached, and when buyers are reminded.

use keyledger_events::event::team::{RemindersUpdated, TeamContactUpdated, TeamUpdated};
use keyledger_events::sealed::SealContext;
use keyledger_events::{AppendOutcome, AppendRequest, Event, NewEvent, StreamId, StreamKind, TeamId, id};
use keyledger_projections::TeamConfig;
use serde::Serialize;
use utoipa::ToSchema;

use super::{AdminError, CONFLICTS_MAX, by, names, teams};
use crate::app::App;
use crate::opened;

/// The longest paragraph of a team's own in a mail, in characters.
const MAIL_MESSAGE_CHARS_MAX: usize = 4_000;
/// The longest address of a picture, in characters.
const IMAGE_URL_CHARS_MAX: usize = 500;
/// The longest renewal grace: a month, in seconds.
pub const RENEWAL_GRACE_SECONDS_MAX: u32 = 31 * 86_400;
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
    /// The address of the picture at the head of every mail to a buyer.
    pub mail_image_url: Option<String>,
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
        mail_image_url: config.mail_image_url.clone(),
        renewal_grace_seconds: config.renewal_grace_seconds,
        owner_email,
        reminder_days: config.reminders.days,
        reminder_mail: config.reminders.mail,
    })
}

/// Changes settings, all of them or none; what is `None` stays, and what is the same already is not recorded again.
///
/// # Errors
/// When there is no such team, or a setting cannot be used.
pub async fn update(app: &App, actor: &str, team: TeamId, change: SettingsChange) -> Result<TeamConfig, AdminError> {
    let owner_email = change.owner_email.as_deref().map(checked_email).transpose()?;
    if change.reminders.days.is_some_and(|days| days > REMINDER_DAYS_MAX) {
        let message = format!("buyers are reminded at most {REMINDER_DAYS_MAX} days ahead; 0 is never");
        return Err(AdminError::Invalid(message));
    }
    let change = SettingsChange { team: checked_team(change.team)?, owner_email, ..change };
    for _ in 0..CONFLICTS_MAX {
        let current = teams::find(app, team).await?;
        let request = decide(app, actor, &current, &change).await?;
        if request.events.is_empty() {
            return Ok(current);
        }
        if let AppendOutcome::Appended { .. } = app.writer.append(request).await? {
            return teams::find(app, team).await;
        }
    }
    Err(AdminError::Contended)
}

/// The append that a change calls for, without events when all of it is so already.
async fn decide(
    app: &App,
    actor: &str,
    current: &TeamConfig,
    change: &SettingsChange,
) -> Result<AppendRequest, AdminError> {
    let (team, stream) = (current.id, StreamId::new(StreamKind::Team, current.id.0));
    let mut request = AppendRequest::new(team, by(actor)).expect(stream, current.version);
    let now = app.clock.now();
    let named = news_of_team(current, &change.team);
    if named != TeamUpdated::default() {
        request.events.push(NewEvent::new(stream, now, named));
    }
    let reminders = news_of_reminders(current, &change.reminders);
    if reminders != RemindersUpdated::default() {
        request.events.push(NewEvent::new(stream, now, reminders));
    }
    let Some(email) = &change.owner_email else { return Ok(request) };
    let known = opened::text(app, team, current.contact.as_ref(), TeamConfig::CONTACT_FIELD).await?;
    if known.as_deref().unwrap_or_default() == email {
        return Ok(request);
    }
    let (event_id, mut sealed) = (id::fresh(), None);
    if !email.is_empty() {
        // Each address has a data key of its own, so that it can be destroyed alone.
        let (key, wrapped) = app.keys.generate(id::fresh());
        let context = SealContext { team, event_id, field: TeamConfig::CONTACT_FIELD };
        sealed = Some(key.seal(context, email.as_bytes()));
        request.keys.push(wrapped);
    }
    let event = Event::from(TeamContactUpdated { email: sealed });
    request.events.push(NewEvent { stream, event_id, occurred_at: now, event });
    Ok(request)
}

fn checked_team(change: TeamUpdated) -> Result<TeamUpdated, AdminError> {
    let name = change.name.map(|name| names::checked("team", &name)).transpose()?;
    let mail_message = change.mail_message.map(|message| message.trim().to_owned());
    if mail_message.as_ref().is_some_and(|message| message.chars().count() > MAIL_MESSAGE_CHARS_MAX) {
        let message = format!("the mail message is longer than {MAIL_MESSAGE_CHARS_MAX} characters");
        return Err(AdminError::Invalid(message));
    }
    if change.renewal_grace_seconds.is_some_and(|seconds| seconds > RENEWAL_GRACE_SECONDS_MAX) {
        let message = format!("the renewal grace is at most {RENEWAL_GRACE_SECONDS_MAX} seconds (31 days)");
        return Err(AdminError::Invalid(message));
    }
    let mail_image_url = change.mail_image_url.map(|url| url.trim().to_owned());
    if let Some(url) = mail_image_url.as_ref().filter(|url| !url.is_empty()) {
        checked_image(url)?;
    }
    Ok(TeamUpdated { name, mail_message, mail_image_url, ..change })
}

/// Mail programs load pictures over HTTPS alone.
fn checked_image(url: &str) -> Result<(), AdminError> {
    let parsed = url::Url::parse(url).ok().filter(|parsed| parsed.scheme() == "https" && parsed.has_host());
    if parsed.is_some() && url.chars().count() <= IMAGE_URL_CHARS_MAX {
        return Ok(());
    }
    let message =
        format!("the picture's address must begin with https:// and have at most {IMAGE_URL_CHARS_MAX} characters");
    Err(AdminError::Invalid(message))
}

pub(super) fn checked_email(text: &str) -> Result<String, AdminError> {
    let text = text.trim();
    let is_address = text.len() <= EMAIL_BYTES_MAX && text.parse::<lettre::Address>().is_ok();
    if text.is_empty() || is_address && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(AdminError::Invalid("the owner's mail address is not one that mail can be sent to".to_owned()))
}

fn news_of_team(current: &TeamConfig, change: &TeamUpdated) -> TeamUpdated {
    let message = current.mail_message.clone().unwrap_or_default();
    let image = current.mail_image_url.clone().unwrap_or_default();
    TeamUpdated {
        name: change.name.clone().filter(|name| *name != current.name),
        mail_message: change.mail_message.clone().filter(|new| *new != message),
        mail_image_url: change.mail_image_url.clone().filter(|new| *new != image),
        renewal_grace_seconds: change.renewal_grace_seconds.filter(|new| *new != current.renewal_grace_seconds),
    }
}

fn news_of_reminders(current: &TeamConfig, change: &RemindersUpdated) -> RemindersUpdated {
    RemindersUpdated {
        days: change.days.filter(|new| *new != current.reminders.days),
        mail: change.mail.filter(|new| *new != current.reminders.mail),
    }
}
