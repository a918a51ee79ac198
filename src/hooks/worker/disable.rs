//! An endpoint that is not posted to any more, and the mail that tells its owner.

use keyledger_events::event::delivery::MailContent;
use keyledger_events::event::webhook::WebhookEndpointDisabled;
use keyledger_events::{AppendOutcome, AppendRequest, NewEvent, Provenance, StreamId, StreamKind, TeamId, id};
use keyledger_projections::{Endpoint, Hook, TeamConfig, view};
use uuid::Uuid;

use super::attempt::{ACTOR, Hooker};
use crate::admin::mails::{ToSealed, to_sealed};
use crate::app::CATCH_UP_MAX;
use crate::hooks::DeliverError;
use crate::hooks::retry::{FAILING_SECONDS_MAX, is_dead};
use crate::mail::moment;

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
        let got_through = |at| format!("; the last hook got through on {}", moment(at));
        let last = endpoint.last_delivered_at.map(got_through).unwrap_or_default();
        self.disable(endpoint, format!("nothing has got through to it for {days} days{last}")).await
    }

    /// Disables an endpoint and asks for a mail to its owner, both or neither.
    pub(super) async fn disable(&self, endpoint: Endpoint, reason: String) -> Result<(), DeliverError> {
        let (team, now) = (endpoint.team, self.app.clock.now());
        let stream = StreamId::new(StreamKind::Webhook, endpoint.id);
        let disabled = NewEvent::new(stream, now, WebhookEndpointDisabled { reason: reason.clone() });
        let mail = self.mail(team, endpoint.id, disabled.event_id, &reason).await?;
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
    ) -> Result<Option<NewEvent>, DeliverError> {
        let Some(contact) = self.app.views.team(team).config().await?.and_then(|config| config.contact) else {
            return Ok(None);
        };
        let to = ToSealed {
            delivery: id::derived(team, &["mail", "webhook_disabled", &cause.to_string()]),
            purchase: StreamId::new(StreamKind::Webhook, webhook_id),
            customer_id: team.0,
            address: &contact,
            field: TeamConfig::CONTACT_FIELD,
            license_ids: Vec::new(),
        };
        let content = MailContent::WebhookDisabled { webhook_id, reason: reason.to_owned() };
        Ok(to_sealed(&self.app, team, to, content).await?)
    }
}
