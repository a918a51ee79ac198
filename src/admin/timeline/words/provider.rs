//! What becomes of provider events and of mails.

use keyledger_events::Event;
use keyledger_events::event::delivery::MailContent;

use super::{counted, time};

pub(super) fn sentence(event: &Event) -> Option<String> {
    Some(match event {
        Event::ProviderEventReceived(e) => {
            let mode = e.livemode.map_or("", |live| if live { "" } else { ", in test mode" });
            format!("{} delivered {} ({}){mode}", e.provider, e.event_type, e.provider_event_id)
        }
        Event::ProviderEventAttempted(e) => format!("attempt {} to interpret the delivery began", e.attempt),
        Event::ProviderEventApplied(e) => {
            let notes = e.warnings.iter().map(|warning| format!("; note: {warning}")).collect::<String>();
            format!("the delivery had its effect: {}{notes}", e.summary)
        }
        Event::ProviderEventIgnored(e) => format!("the delivery was ignored: {}", e.reason),
        Event::ProviderEventRejected(e) => format!("the delivery was rejected: {}", e.reason),
        Event::ProviderEventDeferred(e) => {
            format!("the delivery could not be interpreted, tried again {}: {}", time(e.retry_at), e.reason)
        }
        Event::ProviderEventReopened(e) => format!("the delivery is interpreted afresh: {}", e.reason),
        Event::MailRequested(e) => match &e.content {
            MailContent::LicenseKeys => {
                format!("a mail with the keys of {} was asked for", counted(e.license_ids.len(), "licence"))
            }
            MailContent::ExpiryReminder { expires_at } => {
                format!("a mail was asked for that reminds of the end on {}", time(*expires_at))
            }
            MailContent::WebhookDisabled { webhook_id, .. } => {
                format!("a mail to the owner was asked for, about the webhook {webhook_id} that was switched off")
            }
        },
        Event::MailAttemptStarted(e) => format!("attempt {} to send the mail began", e.attempt),
        Event::MailSent(e) => format!("the mail server accepted the mail, at attempt {}", e.attempts),
        Event::MailFailed(e) => {
            format!("the mail could not be sent, tried again {}: {}", time(e.retry_at), e.reason)
        }
        Event::MailAbandoned(e) => format!("the mail was given up: {}", e.reason),
        _ => return None,
    })
}
