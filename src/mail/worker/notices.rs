//! What mails without keys say.

use keyledger_events::Timestamp;
use keyledger_projections::Delivery;
use uuid::Uuid;

use super::compose::{ComposeError, item, live_licenses};
use crate::app::App;
use crate::directory::Team;
use crate::mail::{NoticeMail, day, moment};

/// Characters of a licence key that tell it from others and open nothing.
const KEY_CHARS_SHOWN: usize = 5;

/// Reminds a buyer that a licence runs out, if it still does and has not yet.
///
/// # Errors
/// When nothing is to be reminded of any more, or something does not answer.
pub(super) async fn reminder(
    app: &App,
    delivery: &Delivery,
    team: &Team,
    to: String,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<NoticeMail, ComposeError> {
    if expires_at <= now {
        return Err(ComposeError::never("the licence ran out before the reminder could be sent"));
    }
    let license = live_licenses(app, delivery).await?.into_iter().next();
    let license = license.filter(|license| license.expires_at() == Some(expires_at));
    let Some(license) = license else {
        return Err(ComposeError::never("the licence does not run out then any more"));
    };
    let item = item(app, team, &license, now).await?;
    let seller = &team.config.name;
    let what = if item.products.is_empty() { seller.clone() } else { item.products.join(", ") };
    let shown = item.key.chars().count().saturating_sub(KEY_CHARS_SHOWN);
    let ending: String = item.key.chars().skip(shown).collect();
    let (day, moment) = (day(expires_at), moment(expires_at));
    Ok(NoticeMail {
        to,
        message_id: delivery.message_id.clone(),
        team_name: seller.clone(),
        subject: format!("Your licence for {what} ends on {day}"),
        paragraphs: vec![
            format!(
                "your licence for {what} from {seller} is valid until {moment}. It is the one whose key ends in {ending}."
            ),
            "After that the key opens nothing any more, unless the licence is renewed or bought anew.".to_owned(),
        ],
        message: team.config.mail_message.clone(),
        image_url: team.config.mail_image_url.clone(),
        sent_at: now,
    })
}

/// Tells the seller that an endpoint is not posted to any more.
pub(super) fn webhook_disabled(
    delivery: &Delivery,
    team: &Team,
    to: String,
    webhook_id: Uuid,
    reason: &str,
    now: Timestamp,
) -> NoticeMail {
    let name = &team.config.name;
    NoticeMail {
        to,
        message_id: delivery.message_id.clone(),
        team_name: name.clone(),
        subject: format!("A webhook of {name} was disabled"),
        paragraphs: vec![
            format!("keyledger does not post to the webhook {webhook_id} of {name} any more: {reason}."),
            format!("When it works again: keyledger webhook enable {webhook_id}"),
            format!(
                "What did not get through before it was disabled can be sent then: \
                 keyledger webhook redeliver --webhook {webhook_id} --since TIME"
            ),
            "What happens while it is disabled is not sent to it, and cannot be sent later.".to_owned(),
        ],
        message: None,
        image_url: None,
        sent_at: now,
    }
}
