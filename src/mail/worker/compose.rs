//! From a requested mail to its message: opens the address and the keys, and leaves out what is void by now.

use std::collections::HashMap;

use keyledger_events::Timestamp;
use keyledger_events::event::delivery::MailContent;
use keyledger_events::keys::KeyRingError;
use keyledger_events::sealed::SealContext;
use keyledger_projections::{CatchUpError, Delivery, License, QueryError, view};
use lettre::Message;
use lettre::message::Mailbox;
use uuid::Uuid;

use super::note::note;
use super::notices;
use crate::app::{App, CATCH_UP_MAX};
use crate::directory::{DirectoryError, Team};
use crate::mail::{KeyItem, LicenseMail, MessageError, NoticeMail, SendError};

/// Why there is no message. None of these holds the address or a key.
#[derive(Debug, thiserror::Error)]
pub(super) enum ComposeError {
    /// This counts as an attempt: the mail cannot be put together, for now or for ever.
    #[error(transparent)]
    Unsendable(#[from] SendError),
    /// The views do not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The views are behind.
    #[error(transparent)]
    CatchUp(#[from] CatchUpError),
    /// The keys store does not answer.
    #[error("the keys store cannot be read: {0}")]
    KeyStore(sqlx::Error),
}

impl ComposeError {
    pub(super) fn never(reason: impl Into<String>) -> Self {
        Self::Unsendable(SendError::Permanent { reason: reason.into() })
    }

    /// The keys are not what they should be, which a restored keys store mends.
    pub(super) fn keys(what: &str, error: KeyRingError) -> Self {
        match error {
            KeyRingError::Store(error) => Self::KeyStore(error),
            error => Self::Unsendable(SendError::Transient { reason: format!("{what} cannot be read: {error}") }),
        }
    }
}

/// The message as it is to go out now.
///
/// # Errors
/// When it cannot be put together.
pub(super) async fn compose(
    app: &App,
    delivery: &Delivery,
    from: &Mailbox,
    now: Timestamp,
) -> Result<Message, ComposeError> {
    let rendered = match letter(app, delivery, now).await? {
        Letter::Keys(mail) => mail.render(from),
        Letter::Notice(mail) => mail.render(from),
    };
    rendered.map_err(unsendable)
}

/// A mail as it would go out now, for somebody who looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// Who gets it.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub text: String,
}

/// The mail as it would go out now.
///
/// # Errors
/// A reason, when it cannot be put together.
pub async fn preview(app: &App, delivery: &Delivery, now: Timestamp) -> Result<Preview, String> {
    let plain = |letter: Letter| match letter {
        Letter::Keys(mail) => mail.plain().map(|(subject, text)| Preview { to: mail.to, subject, text }),
        Letter::Notice(mail) => mail.plain().map(|(subject, text)| Preview { to: mail.to, subject, text }),
    };
    let letter = letter(app, delivery, now).await.map_err(|error| error.to_string())?;
    plain(letter).map_err(|error| error.to_string())
}

/// What a mail says.
enum Letter {
    Keys(LicenseMail),
    Notice(NoticeMail),
}

async fn letter(app: &App, delivery: &Delivery, now: Timestamp) -> Result<Letter, ComposeError> {
    let to = open_address(app, delivery).await?;
    let needed = [view::TEAMS, view::PRODUCTS, view::LICENSES];
    app.runner.catch_up(delivery.requested_position, &needed, CATCH_UP_MAX).await?;
    let team = app.directory.team(delivery.team).await.map_err(|error| match error {
        DirectoryError::Query(error) => ComposeError::Query(error),
        DirectoryError::Keys(error) => ComposeError::keys("a secret of the team", error),
    })?;
    let team = team.ok_or_else(|| ComposeError::never("the team does not exist"))?;
    match &delivery.content {
        MailContent::LicenseKeys => {}
        MailContent::ExpiryReminder { expires_at } => {
            return notices::reminder(app, delivery, &team, to, *expires_at, now).await.map(Letter::Notice);
        }
        MailContent::WebhookDisabled { webhook_id, reason } => {
            return Ok(Letter::Notice(notices::webhook_disabled(delivery, &team, to, *webhook_id, reason, now)));
        }
    }
    let mut items = Vec::new();
    for license in live_licenses(app, delivery).await? {
        items.push(item(app, &team, &license, now).await?);
    }
    if items.is_empty() {
        return Err(ComposeError::never("every licence of the mail is revoked"));
    }
    Ok(Letter::Keys(LicenseMail {
        to,
        message_id: delivery.message_id.clone(),
        team_name: team.config.name.clone(),
        message: team.config.mail_message.clone(),
        image_url: team.config.mail_image_url.clone(),
        items,
        sent_at: now,
    }))
}

fn unsendable(error: MessageError) -> ComposeError {
    ComposeError::Unsendable(error.into())
}

/// The address. When it cannot be read any more it never will be.
async fn open_address(app: &App, delivery: &Delivery) -> Result<String, ComposeError> {
    let context = delivery.to.context(delivery.team, Delivery::TO_FIELD);
    match app.keys.open(context, &delivery.to.value).await {
        Ok(address) => {
            String::from_utf8(address).map_err(|_| ComposeError::never("the buyer's mail address is no text"))
        }
        Err(KeyRingError::Gone(_)) => Err(ComposeError::never("the buyer was forgotten")),
        Err(KeyRingError::Open(error)) => Err(ComposeError::never(format!("the buyer's mail address: {error}"))),
        Err(error) => Err(ComposeError::keys("the buyer's mail address", error)),
    }
}

/// The mail's licences that are not void, in its order.
pub(super) async fn live_licenses(app: &App, delivery: &Delivery) -> Result<Vec<License>, QueryError> {
    let licenses = app.views.team(delivery.team).licenses_by_ids(&delivery.license_ids).await?;
    let mut licenses: HashMap<Uuid, License> = licenses.into_iter().map(|license| (license.id, license)).collect();
    let in_order = delivery.license_ids.iter().filter_map(|id| licenses.remove(id));
    Ok(in_order.filter(|license| !license.revoked()).collect())
}

pub(super) async fn item(app: &App, team: &Team, license: &License, now: Timestamp) -> Result<KeyItem, ComposeError> {
    let context = SealContext { team: team.config.id, event_id: license.key_event, field: License::KEY_FIELD };
    let what = format!("the key of licence {}", license.id);
    let key = app.keys.open(context, &license.key).await.map_err(|error| ComposeError::keys(&what, error))?;
    let key = String::from_utf8(key).map_err(|_| ComposeError::never(format!("{what} is no text")))?;
    Ok(KeyItem { key, products: names(team, license), note: note(license, now) })
}

/// What a licence opens, whether or not it is still sold.
fn names(team: &Team, license: &License) -> Vec<String> {
    license.product_ids().iter().filter_map(|id| Some(team.product_ever(*id)?.name.clone())).collect()
}
