//! An endpoint that is not posted to any more, and the mail that tells its owner.

use keyledger_events::event::delivery::{MailContent, MailRequested};
use keyledger_events::event::webhook::WebhookEndpointDisabled;
use keyledger_events::sealed::SealContext;
use keyledger_events::{
    AppendOutcome, AppendRequest, NewEvent, Provenance, StreamId, StreamKind, TeamId, Timestamp, id,
};
use keyledger_projections::{Delivery, Endpoint, Hook, TeamConfig, view};
use uuid::Uuid;

use super::attempt::{ACTOR, Hooker};
use crate::app::CATCH_UP_MAX;
use crate::hooks::DeliverError;
use crate::hooks::retry::{FAILING_SECONDS_MAX, is_dead};
use crate::opened;

const SECONDS_PER_DAY: i64 = 86_400;

impl Hooker {
    /// Disables the hook's endpoint when nothing has got through to it for days. What the view says of that is looked at
    /// twice, the second time after it has passed the ledger's head: another node may have been luckier.
    pub(super) async fn disable_if_dead(&self, hook: &Hook) -> Result<(), DeliverError> {
        let views = self.app.views.team(hook.team);
        let dead = async || {
            let endpoint = views.webhook(hook.endpoint_id).await?;
            Ok::<_, DeliverError>(endpoint.filter(|endpoint| is_dead(endpoint, self.app.clock.now())))
        };
        if dead().await?.is_none() {
            return Ok(());
        }
        let head = self.app.ledger.head().await?.position;
        self.app.runner.catch_up(head, &[view::WEBHOOKS], CATCH_UP_MAX).await?;
        let Some(endpoint) = dead().await? else { return Ok(()) };
        let days = FAILING_SECONDS_MAX / SECONDS_PER_DAY;
        let last = endpoint.last_delivered_at.map_or_else(String::new, |at| {
            format!("; the last hook got through on {}", at.strftime("%-d %B %Y, %H:%M UTC"))
        });
        self.disable(endpoint, format!("nothing has got through to it for {days} days{last}")).await
    }

    /// Disables an endpoint and asks for a mail to its owner, both or neither.
    pub(super) async fn disable(&self, endpoint: Endpoint, reason: String) -> Result<(), DeliverError> {
        let (team, now) = (endpoint.team, self.app.clock.now());
        let stream = StreamId::new(StreamKind::Webhook, endpoint.id);
        let disabled = NewEvent::new(stream, now, WebhookEndpointDisabled { reason: reason.clone() });
        let mail = self.mail(team, endpoint.id, disabled.event_id, &reason, now).await?;
        let request = AppendRequest::new(team, Provenance::of(ACTOR)).expect(stream, endpoint.version).event(disabled);
        let request = mail.into_iter().fold(request, AppendRequest::event);
        if let AppendOutcome::Appended { .. } = self.app.writer.append(request).await? {
            tracing::warn!(%team, webhook = %endpoint.id, reason, "a webhook is disabled");
            metrics::counter!("keyledger_webhooks_disabled_total").increment(1);
        }
        Ok(())
    }

    /// The request for a mail to the team's owner, if their address is known.
    async fn mail(
        &self,
        team: TeamId,
        webhook_id: Uuid,
        cause: Uuid,
        reason: &str,
        now: Timestamp,
    ) -> Result<Option<NewEvent>, DeliverError> {
        let app = &self.app;
        let Some(contact) = app.views.team(team).config().await?.and_then(|config| config.contact) else {
            return Ok(None);
        };
        let Some(address) = opened::text(app, team, Some(&contact), TeamConfig::CONTACT_FIELD).await? else {
            return Ok(None);
        };
        let Some(key) = app.keys.key_unless_gone(contact.value.key_id()).await? else { return Ok(None) };
        let delivery = id::derived(team, &["mail", "webhook_disabled", &cause.to_string()]);
        let event_id = id::fresh();
        let requested = MailRequested {
            purchase: StreamId::new(StreamKind::Webhook, webhook_id),
            customer_id: team.0,
            to: key.seal(SealContext { team, event_id, field: Delivery::TO_FIELD }, address.as_bytes()),
            content: MailContent::WebhookDisabled { webhook_id, reason: reason.to_owned() },
            license_ids: Vec::new(),
            message_id: format!("<{delivery}@keyledger>"),
        };
        let stream = StreamId::new(StreamKind::Delivery, delivery);
        Ok(Some(NewEvent { stream, event_id, occurred_at: now, event: requested.into() }))
    }
}
