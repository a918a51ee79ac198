//! One hook: claim it, post it, say what came of it.

use hyper::StatusCode;
use keyledger_events::event::webhook::{HookAbandoned, HookAttemptStarted, HookDelivered, HookFailed};
use keyledger_events::sealed::SealContext;
use keyledger_events::{
    AppendOutcome, AppendRequest, Event, NewEvent, Provenance, Sealed, StreamId, StreamKind, Timestamp, WriterError, id,
};
use keyledger_projections::{Endpoint, Hook};
use uuid::Uuid;

use crate::app::App;
use crate::attempts::{insist, later};
use crate::hooks::DeliverError;
use crate::hooks::body::body;
use crate::hooks::letter::{Letter, letter};
use crate::hooks::post::{Answer, Poster};
use crate::hooks::retry::{ATTEMPTS_MAX, retry_at};

/// Who sends hooks.
pub(super) const ACTOR: &str = "hooks";
/// How long a claimed hook is left alone by others: what a POST may take, and then some to say what came of it.
const LEASE_SECONDS: i64 = 45;

/// What came of an attempt.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A 2xx.
    Delivered(StatusCode),
    /// The endpoint wants no more hooks.
    Gone(Answer),
    /// Another status.
    Refused(Answer),
    /// No status.
    Failed(String),
}

/// Sends hooks.
pub struct Hooker {
    pub(super) app: App,
    poster: Poster,
}

impl Hooker {
    /// Sends the hooks of `app` through `poster`.
    pub fn new(app: App, poster: Poster) -> Self {
        Self { app, poster }
    }

    /// Makes an attempt at a hook if one is due; `known` is the hook as the view has it. Nothing is claimed before the
    /// hook is ready, so the lease is there for the endpoint alone.
    ///
    /// # Errors
    /// When something inside does not answer.
    pub async fn deliver(&self, known: Hook) -> Result<(), DeliverError> {
        let now = self.app.clock.now();
        let hook = self.follow(known).await?;
        if !hook.is_ready(now) {
            return Ok(());
        }
        let Some(endpoint) = self.endpoint(&hook).await?.filter(|endpoint| endpoint.enabled) else {
            let reason = "the webhook was disabled or removed before it could be sent".to_owned();
            return self.abandon(&hook, reason).await;
        };
        if hook.attempts >= ATTEMPTS_MAX {
            let reason = format!("given up after {ATTEMPTS_MAX} attempts, the last of which was cut off");
            return self.abandon(&hook, reason).await;
        }
        let letter = match self.letter(&endpoint, &hook, now).await {
            // It counts as an attempt: what can never be put together must not stand in the way of the hooks behind it.
            Err(error) if error.is_about_the_hook() => Err(format!("it cannot be put together: {error}")),
            letter => Ok(letter?),
        };
        let Some(hook) = self.claim(hook, now).await? else { return Ok(()) };
        let outcome = match letter {
            Ok(letter) => self.send(&letter).await,
            Err(reason) => Outcome::Failed(reason),
        };
        self.conclude(&endpoint, &hook, outcome).await
    }

    /// The hook with what its own stream tells beyond what the view had seen.
    async fn follow(&self, mut hook: Hook) -> Result<Hook, DeliverError> {
        let stream = StreamId::new(StreamKind::Hook, hook.id);
        for recorded in self.app.ledger.read_stream_after(hook.team, stream, hook.version).await? {
            let event = recorded.decode()?;
            hook = Hook::evolve(Some(hook.clone()), &recorded, &event).unwrap_or(hook);
        }
        Ok(hook)
    }

    /// The endpoint as its own stream tells it: it may have been changed a moment ago.
    async fn endpoint(&self, hook: &Hook) -> Result<Option<Endpoint>, DeliverError> {
        let mut endpoint = None;
        let stream = StreamId::new(StreamKind::Webhook, hook.endpoint_id);
        for recorded in self.app.ledger.read_streams(hook.team, &[stream]).await? {
            endpoint = Endpoint::evolve(endpoint, &recorded, &recorded.decode()?);
        }
        Ok(endpoint)
    }

    pub(super) async fn letter(
        &self,
        endpoint: &Endpoint,
        hook: &Hook,
        now: Timestamp,
    ) -> Result<Letter, DeliverError> {
        let body = body(&self.app, endpoint, hook).await?;
        letter(&self.app, endpoint, hook.id, body, now).await
    }

    /// Takes the hook for this node; `None` when another one was faster.
    pub(super) async fn claim(&self, mut hook: Hook, now: Timestamp) -> Result<Option<Hook>, WriterError> {
        hook.attempts += 1;
        let started = HookAttemptStarted {
            endpoint_id: hook.endpoint_id,
            source: hook.source.event_id,
            attempt: hook.attempts,
            lease_until: later(now, LEASE_SECONDS * 1_000),
        };
        let outcome = self.app.writer.append(request(&hook, now, id::fresh(), started.into())).await?;
        hook.version += 1;
        Ok(matches!(outcome, AppendOutcome::Appended { .. }).then_some(hook))
    }

    /// Posts it. The time in the signature is this attempt's.
    pub(super) async fn send(&self, letter: &Letter) -> Outcome {
        match letter.post(&self.poster, self.app.clock.now()).await {
            Ok(answer) if answer.status.is_success() => Outcome::Delivered(answer.status),
            Ok(answer) if answer.status == StatusCode::GONE => Outcome::Gone(answer),
            Ok(answer) => Outcome::Refused(answer),
            Err(error) => Outcome::Failed(error.to_string()),
        }
    }

    async fn conclude(&self, endpoint: &Endpoint, hook: &Hook, outcome: Outcome) -> Result<(), DeliverError> {
        let (now, event_id) = (self.app.clock.now(), id::fresh());
        let (reason, answer, gone) = match outcome {
            Outcome::Delivered(status) => {
                let (endpoint_id, attempts) = (hook.endpoint_id, hook.attempts);
                let delivered = HookDelivered { endpoint_id, status: status.as_u16(), attempts };
                return self.say(hook, now, event_id, delivered.into()).await;
            }
            Outcome::Gone(answer) => ("answered 410 Gone".to_owned(), Some(answer), true),
            Outcome::Refused(answer) => (refusal(answer.status), Some(answer), false),
            Outcome::Failed(reason) => (reason, None, false),
        };
        let status = answer.as_ref().map(|answer| answer.status.as_u16());
        let response = match &answer {
            Some(answer) => self.seal(hook, event_id, &answer.excerpt).await?,
            None => None,
        };
        let (endpoint_id, attempts) = (hook.endpoint_id, hook.attempts);
        let event: Event = match retry_at(hook, now).filter(|_| !gone) {
            Some(retry_at) => HookFailed { endpoint_id, reason, status, response, attempts, retry_at }.into(),
            None => {
                let reason = if gone { reason } else { format!("given up after {attempts} attempts: {reason}") };
                HookAbandoned { endpoint_id, reason, status, response, attempts }.into()
            }
        };
        self.say(hook, now, event_id, event).await?;
        if gone {
            let reason = "it answered 410 Gone, which asks for no more hooks".to_owned();
            return self.disable(endpoint.clone(), reason).await;
        }
        self.disable_if_dead(hook).await
    }

    /// Foreign text is sealed, under the team's key: nobody knows what is in it.
    async fn seal(&self, hook: &Hook, event_id: Uuid, excerpt: &[u8]) -> Result<Option<Sealed>, DeliverError> {
        if excerpt.is_empty() {
            return Ok(None);
        }
        let key = self.app.keys.team_key(hook.team).await?;
        let context = SealContext { team: hook.team, event_id, field: Hook::RESPONSE_FIELD };
        Ok(Some(key.seal(context, String::from_utf8_lossy(excerpt).as_bytes())))
    }

    async fn abandon(&self, hook: &Hook, reason: String) -> Result<(), DeliverError> {
        let (endpoint_id, attempts) = (hook.endpoint_id, hook.attempts);
        let abandoned = HookAbandoned { endpoint_id, reason, status: None, response: None, attempts };
        self.say(hook, self.app.clock.now(), id::fresh(), abandoned.into()).await
    }

    /// Records what came of an attempt: a hook that is out should not go out again.
    async fn say(&self, hook: &Hook, now: Timestamp, event_id: Uuid, event: Event) -> Result<(), DeliverError> {
        if insist(&self.app, request(hook, now, event_id, event.clone())).await? {
            tell(hook, &event);
        } else {
            tracing::debug!(team = %hook.team, hook = %hook.id, "another node was faster");
        }
        Ok(())
    }
}

/// What a bad status means.
fn refusal(status: StatusCode) -> String {
    let hint = if status.is_redirection() { "; redirects are not followed" } else { "" };
    format!("answered {status}{hint}")
}

/// An append to the hook's stream, because of the event that it tells of.
fn request(hook: &Hook, now: Timestamp, event_id: Uuid, event: Event) -> AppendRequest {
    let stream = StreamId::new(StreamKind::Hook, hook.id);
    let provenance = Provenance::caused_by(ACTOR, hook.source.event_id);
    let event = NewEvent { stream, event_id, occurred_at: now, event };
    AppendRequest::new(hook.team, provenance).expect(stream, hook.version).event(event)
}

fn tell(hook: &Hook, event: &Event) {
    let Hook { team, id, endpoint_id, .. } = hook;
    let result = match event {
        Event::HookDelivered(_) => "delivered",
        Event::HookFailed(failed) => {
            let (reason, retry_at) = (&failed.reason, failed.retry_at);
            tracing::debug!(%team, hook = %id, webhook = %endpoint_id, reason, %retry_at, "a hook did not get through and is tried again");
            "failed"
        }
        Event::HookAbandoned(abandoned) => {
            tracing::warn!(%team, hook = %id, webhook = %endpoint_id, reason = abandoned.reason, "a hook was given up");
            "abandoned"
        }
        _ => return,
    };
    metrics::counter!("keyledger_hooks_total", "result" => result).increment(1);
}
