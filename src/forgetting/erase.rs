//! Erasing what there is of a forgotten person outside the ledger. Doing it twice does no harm.

use std::time::Duration;

use keyledger_events::event::delivery::MailAbandoned;
use keyledger_events::{AppendRequest, NewEvent, Provenance, StreamId, StreamKind, Timestamp};
use keyledger_projections::{Delivery, DeliveryState, LicenseFilter, Outcome, Page, view};
use uuid::Uuid;

use super::{ForgettingError, Forgotten};
use crate::app::App;
use crate::mail::FileTransport;
use crate::providers::inbox::stream_of;
use crate::providers::interpreter;

/// How long a mail that is under way is waited for: a little longer than its claim lasts.
const UNDER_WAY_MAX: Duration = Duration::from_secs(50);
/// How often it is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Who gives up what cannot be read any more.
const ACTOR: &str = "forgetting";
/// Why a mail is given up.
const REASON: &str = "the buyer was forgotten";

/// Destroys the keys, concludes what needs them, deletes mails from `folder` and what was seen when, and leaves no trace
/// of any of it in the files. Tells how many mails there were to them.
///
/// # Errors
/// When something does not answer. Doing it again goes on.
pub async fn erase(app: &App, folder: Option<&FileTransport>, forgotten: &Forgotten) -> Result<u64, ForgettingError> {
    let Forgotten { team, customer_ids, aliases, key_ids, position } = forgotten;
    // The keys first: what is read from now on is not read any more.
    app.keys.vault().destroy(key_ids, aliases).await?;
    let mut mails = 0;
    let views = [view::CUSTOMERS, view::DELIVERIES, view::LICENSES, view::TIMELINE, view::INBOX];
    app.runner.catch_up(*position, &views, crate::app::CATCH_UP_MAX).await.map_err(crate::app::FreshError::from)?;
    conclude_deliveries(app, forgotten).await?;
    let mut licenses = Vec::new();
    for customer_id in customer_ids {
        mails += erase_mails(app, folder, forgotten, *customer_id).await?;
        let filter = LicenseFilter { customer_ids: vec![*customer_id], ..LicenseFilter::default() };
        let found = app.views.team(*team).licenses(&filter, Page::default()).await?;
        licenses.extend(found.iter().map(|license| license.id));
    }
    app.activity.forget_people(*team, &licenses, customer_ids).await?;
    if !app.views.leave_no_trace().await? {
        return Err(ForgettingError::Busy("views.db"));
    }
    Ok(mails)
}

/// Deliveries whose bodies cannot be read any more are rejected, also those that were to be tried again later.
async fn conclude_deliveries(app: &App, forgotten: &Forgotten) -> Result<(), ForgettingError> {
    let pending = app.views.team(forgotten.team).inbox(&[Outcome::Pending], Page::default()).await?;
    for entry in pending.iter().filter(|entry| forgotten.key_ids.contains(&entry.body_key)) {
        interpreter::conclude(app, forgotten.team, stream_of(entry)).await?;
    }
    Ok(())
}

/// The Message-IDs of the mails to a forgotten person.
pub(super) async fn mails_to(app: &App, forgotten: &Forgotten) -> Result<Vec<String>, ForgettingError> {
    let mut ids = Vec::new();
    for customer_id in &forgotten.customer_ids {
        let mut mails = app.views.team(forgotten.team).deliveries_to(*customer_id).await?;
        mails.retain(|mail| is_to(mail, forgotten));
        ids.extend(mails.into_iter().map(|mail| mail.message_id));
    }
    Ok(ids)
}

/// Mails to somebody who has come back since are not meant.
fn is_to(mail: &Delivery, forgotten: &Forgotten) -> bool {
    forgotten.key_ids.contains(&mail.to.value.key_id())
}

/// Gives up the mails that are not out and deletes those that are. Tells how many they are.
async fn erase_mails(
    app: &App,
    folder: Option<&FileTransport>,
    forgotten: &Forgotten,
    customer_id: Uuid,
) -> Result<u64, ForgettingError> {
    let begun = tokio::time::Instant::now();
    loop {
        let mut mails = app.views.team(forgotten.team).deliveries_to(customer_id).await?;
        mails.retain(|mail| is_to(mail, forgotten));
        let now = app.clock.now();
        for mail in mails.iter().filter(|mail| is_open(mail) && !is_under_way(mail, now)) {
            abandon(app, mail, now).await?;
        }
        // A mail under way may be written at any moment, and by a process that does not look again.
        if mails.iter().any(|mail| is_under_way(mail, now)) && begun.elapsed() < UNDER_WAY_MAX {
            tokio::time::sleep(LOOK_AGAIN).await;
            app.catch_up(&[view::DELIVERIES]).await?;
            continue;
        }
        let ids: Vec<String> = mails.into_iter().map(|mail| mail.message_id).collect();
        if let Some(folder) = folder {
            folder.forget(&ids).await.map_err(ForgettingError::Mail)?;
        }
        return Ok(u64::try_from(ids.len()).unwrap_or(u64::MAX));
    }
}

fn is_open(mail: &Delivery) -> bool {
    matches!(mail.state, DeliveryState::Pending | DeliveryState::Failed)
}

fn is_under_way(mail: &Delivery, now: Timestamp) -> bool {
    is_open(mail) && mail.lease_until.is_some_and(|until| until > now)
}

/// Whoever else concludes the mail meanwhile is right as well.
async fn abandon(app: &App, mail: &Delivery, now: Timestamp) -> Result<(), ForgettingError> {
    let stream = StreamId::new(StreamKind::Delivery, mail.id);
    let event = NewEvent::new(stream, now, MailAbandoned { reason: REASON.to_owned() });
    let provenance = Provenance::caused_by(ACTOR, mail.to.event_id);
    let request = AppendRequest::new(mail.team, provenance).expect(stream, mail.version).event(event);
    let _whoever = app.writer.append(request).await?;
    Ok(())
}
