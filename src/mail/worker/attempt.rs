//! One mail: claim it, send it, say what came of it.

use std::time::Duration;

use keyledger_events::event::DecodeError;
use keyledger_events::event::delivery::MailAttemptStarted;
use keyledger_events::{
    AppendOutcome, AppendRequest, Event, LedgerError, NewEvent, Provenance, StreamId, StreamKind, TeamId, Timestamp,
    WriterError,
};
use keyledger_projections::Delivery;
use lettre::Message;
use lettre::message::Mailbox;
use uuid::Uuid;

use super::compose::{ComposeError, compose};
use super::retry::{ATTEMPTS_MAX, conclusion};
use crate::app::App;
use crate::attempts::{insist, later};
use crate::mail::{SendError, Transport};

/// Who sends mails.
const ACTOR: &str = "mailer";
/// How long a claimed mail is left alone by others: what sending may take, and then some to say what came of it.
const LEASE_SECONDS: i64 = 45;
/// What sending may take.
const SEND_MAX: Duration = Duration::from_secs(32);

/// Why a mail could not be worked on. It stays pending, and this is no attempt.
#[derive(Debug, thiserror::Error)]
pub(super) enum DeliverError {
    /// The ledger does not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The mail's stream is beyond this build.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The Writer does not answer.
    #[error(transparent)]
    Writer(#[from] WriterError),
    /// Something that the mail is made of cannot be had.
    #[error(transparent)]
    Compose(ComposeError),
}

/// Sends mails.
pub(super) struct Mailer {
    pub(super) app: App,
    pub(super) transport: Transport,
    pub(super) from: Mailbox,
}

impl Mailer {
    pub(super) fn new(app: App, transport: Transport, from: Mailbox) -> Self {
        Self { app, transport, from }
    }

    /// Makes an attempt at a mail if one is due. Nothing is claimed before the message is ready, so the lease is
    /// there for the mail server alone.
    ///
    /// # Errors
    /// When something inside does not answer.
    pub(super) async fn deliver(&self, team: TeamId, id: Uuid) -> Result<(), DeliverError> {
        let now = self.app.clock.now();
        let Some(mut delivery) = self.load(team, id).await?.filter(|delivery| delivery.is_ready(now)) else {
            return Ok(());
        };
        if delivery.attempts >= ATTEMPTS_MAX {
            let reason = format!("given up after {ATTEMPTS_MAX} attempts, the last of which was cut off");
            return self.conclude(&delivery, Err(SendError::Permanent { reason })).await;
        }
        match compose(&self.app, &delivery, &self.from, now).await {
            Ok(message) => {
                let Some(claimed) = self.claim(delivery, now).await? else { return Ok(()) };
                let sent = self.send(&message).await;
                self.forget_if_forgotten(&claimed).await;
                self.conclude(&claimed, sent).await
            }
            Err(ComposeError::Unsendable(error)) => {
                delivery.attempts += 1;
                self.conclude(&delivery, Err(error)).await
            }
            Err(error) => Err(DeliverError::Compose(error)),
        }
    }

    /// The mail as its own stream tells it.
    async fn load(&self, team: TeamId, id: Uuid) -> Result<Option<Delivery>, DeliverError> {
        let mut delivery = None;
        for recorded in self.app.ledger.read_streams(team, &[StreamId::new(StreamKind::Delivery, id)]).await? {
            delivery = Delivery::evolve(delivery, &recorded, &recorded.decode()?);
        }
        Ok(delivery)
    }

    /// Takes the mail for this node; `None` when another one was faster.
    pub(super) async fn claim(&self, mut delivery: Delivery, now: Timestamp) -> Result<Option<Delivery>, WriterError> {
        delivery.attempts += 1;
        let lease_until = later(now, LEASE_SECONDS * 1_000);
        let started = MailAttemptStarted { attempt: delivery.attempts, lease_until };
        let outcome = self.app.writer.append(request(&delivery, now, started.into())).await?;
        delivery.version += 1;
        Ok(matches!(outcome, AppendOutcome::Appended { .. }).then_some(delivery))
    }

    async fn send(&self, message: &Message) -> Result<(), SendError> {
        tokio::time::timeout(SEND_MAX, self.transport.send(message)).await.unwrap_or_else(|_| {
            let reason =
                format!("the mail was not taken within {} s; it may have been all the same", SEND_MAX.as_secs());
            Err(SendError::Transient { reason })
        })
    }

    /// Whoever forgets the buyer destroys their key and then deletes their mails. A mail that was written into its folder
    /// only after that is deleted here: one of the two comes second.
    async fn forget_if_forgotten(&self, delivery: &Delivery) {
        let Some(folder) = self.transport.folder() else { return };
        let key = self.app.keys.key_unless_gone(delivery.to.value.key_id()).await;
        if !matches!(key, Ok(None)) {
            return;
        }
        if let Err(error) = folder.forget(std::slice::from_ref(&delivery.message_id)).await {
            tracing::error!(%error, team = %delivery.team, mail = %delivery.id, "the mail of a forgotten buyer cannot be deleted from its folder; delete it by hand");
        }
    }

    /// Records what came of an attempt: the mail is out and must not go out again.
    async fn conclude(&self, delivery: &Delivery, attempt: Result<(), SendError>) -> Result<(), DeliverError> {
        let now = self.app.clock.now();
        let event = conclusion(delivery, attempt, now);
        if insist(&self.app, request(delivery, now, event.clone())).await? {
            tell(delivery, &event);
        } else {
            tracing::debug!(team = %delivery.team, mail = %delivery.id, "another node was faster");
        }
        Ok(())
    }
}

/// An append to the mail's stream, because of the request of the mail.
fn request(delivery: &Delivery, now: Timestamp, event: Event) -> AppendRequest {
    let stream = StreamId::new(StreamKind::Delivery, delivery.id);
    let provenance = Provenance::caused_by(ACTOR, delivery.to.event_id);
    AppendRequest::new(delivery.team, provenance)
        .expect(stream, delivery.version)
        .event(NewEvent::new(stream, now, event))
}

fn tell(delivery: &Delivery, event: &Event) {
    let Delivery { team, id, attempts, .. } = delivery;
    let result = match event {
        Event::MailSent(_) => {
            tracing::debug!(%team, mail = %id, attempts, "a mail was sent");
            "sent"
        }
        Event::MailFailed(failed) => {
            let (reason, retry_at) = (&failed.reason, failed.retry_at);
            tracing::warn!(%team, mail = %id, attempts, reason, %retry_at, "a mail could not be sent and is tried again");
            "failed"
        }
        Event::MailAbandoned(abandoned) => {
            tracing::warn!(%team, mail = %id, attempts, reason = abandoned.reason, "a mail was given up");
            "abandoned"
        }
        _ => return,
    };
    metrics::counter!("keyledger_mails_total", "result" => result).increment(1);
}
