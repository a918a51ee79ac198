//! Mails.

use keyledger_events::event::delivery::{
    MailAbandoned, MailAttemptStarted, MailContent, MailFailed, MailRequested, MailSent,
};
use keyledger_events::{Event, StreamId, StreamKind};

use super::{sealed, time, uuid};
use crate::support::TestResult;

pub(super) fn samples() -> TestResult<Vec<Event>> {
    Ok(vec![
        MailRequested {
            purchase: StreamId::new(StreamKind::Purchase, uuid(50)),
            customer_id: uuid(30),
            to: sealed(uuid(30))?,
            content: MailContent::ExpiryReminder { expires_at: time("2026-03-31T10:00:00Z")? },
            license_ids: vec![uuid(2), uuid(3)],
            message_id: format!("<{}@licences.example.com>", uuid(60)),
        }
        .into(),
        MailAttemptStarted { attempt: 1, lease_until: time("2026-03-01T10:02:00Z")? }.into(),
        MailSent { attempts: 2 }.into(),
        MailFailed {
            reason: "451 greylisted, try again later".to_owned(),
            attempts: 1,
            retry_at: time("2026-03-01T10:03:30Z")?,
        }
        .into(),
        MailAbandoned { reason: "550 no such user".to_owned() }.into(),
    ])
}
