//! How a step is told: what was posted, what it was answered, what stands in the ledger, what became of the licence.

use std::time::Duration;

use anyhow::ensure;
use keyledger_events::{Position, RecordedEvent, StreamId};
use keyledger_projections::LicenseStatus;
use secrecy::SecretString;
use serde_json::Value;

use super::post::Answer;
use super::story::Story;
use super::watch;
use crate::admin::licenses::{self, LicenseJson};
use crate::cli::cell;
use crate::mail::FileTransport;

/// How long the server is given to show that it did nothing.
const QUIET: Duration = Duration::from_millis(300);

impl Story<'_> {
    pub(super) fn say(&mut self, line: &str) -> anyhow::Result<()> {
        self.output.line(line)?;
        Ok(self.output.flush()?)
    }

    pub(super) fn heading(&mut self, text: &str) -> anyhow::Result<()> {
        self.say("")?;
        self.say(text)
    }

    pub(super) async fn deliver_stripe(&mut self, event: &Value) -> anyhow::Result<Vec<RecordedEvent>> {
        let before = watch::head(self.stage.app).await?;
        let answer = self.post_stripe(event, None).await?;
        ensure!(answer.status == 200, "the delivery was answered {}: {}", answer.status, answer.message());
        self.concluded(before).await
    }

    pub(super) async fn post_stripe(&mut self, event: &Value, secret: Option<&SecretString>) -> anyhow::Result<Answer> {
        let path = format!("/api/v1/integrations/stripe?teamId={}", self.shop.team);
        let secret = secret.unwrap_or(&self.shop.stripe_webhook);
        let answer = self.door.stripe(&path, event, secret, self.now()).await?;
        self.answered(event["type"].as_str().unwrap_or_default(), &answer)?;
        Ok(answer)
    }

    pub(super) fn answered(&mut self, kind: &str, answer: &Answer) -> anyhow::Result<()> {
        self.say(&format!("   delivery  {kind}"))?;
        self.say(&format!("   answered  {} {}", answer.status, answer.message()))
    }

    /// What a delivery led to, up to its conclusion.
    pub(super) async fn concluded(&mut self, before: Position) -> anyhow::Result<Vec<RecordedEvent>> {
        let events = self.until(before, "the conclusion", watch::concludes).await?;
        self.events(&events)?;
        Ok(events)
    }

    pub(super) async fn until(
        &self,
        after: Position,
        what: &str,
        there: impl Fn(&RecordedEvent) -> bool,
    ) -> anyhow::Result<Vec<RecordedEvent>> {
        watch::events_until(self.stage.app, self.shop.team, after, what, there).await
    }

    pub(super) fn events(&mut self, events: &[RecordedEvent]) -> anyhow::Result<()> {
        for (index, event) in events.iter().enumerate() {
            let label = if index == 0 { "ledger" } else { "" };
            let (position, name) = (format!("#{}", event.position), &event.event_type);
            self.say(format!("   {label:<8}  {position:<5} {name:<22}  {}", gloss(name)).trim_end())?;
        }
        Ok(())
    }

    pub(super) async fn unchanged(&mut self, before: Position) -> anyhow::Result<()> {
        tokio::time::sleep(QUIET).await;
        let mut events = self.stage.app.ledger.read(before, 100).await?;
        // A mail on its way and time itself go on meanwhile.
        events.retain(|event| event.event_type.starts_with("Provider") || event.event_type == "LicenseIssued");
        ensure!(events.is_empty(), "the ledger grew by {} events", events.len());
        self.say("   ledger    nothing was added")
    }

    pub(super) async fn describe(&self, license: StreamId) -> anyhow::Result<LicenseJson> {
        let app = self.stage.app;
        let (team, license) = licenses::find(app, Some(self.shop.team), &license.id.to_string()).await?;
        Ok(licenses::describe(app, team, &license, app.clock.now()).await?)
    }

    pub(super) async fn license(&mut self, license: StreamId) -> anyhow::Result<()> {
        let license = self.describe(license).await?;
        let end = match (license.status, license.expires_at) {
            (_, None) => "for ever".to_owned(),
            (LicenseStatus::Expired, Some(at)) => format!("since {}", cell::time(at)),
            (_, Some(at)) => format!("until {}", cell::time(at)),
        };
        let key = license.key.as_deref().unwrap_or_default();
        self.say(&format!("   licence   {key}  {} {end}", license.status_word()))?;
        match license.paid_until {
            Some(at) => self.say(&format!("             paid until {}, and three hours of grace", cell::time(at))),
            None => Ok(()),
        }
    }

    /// The mail that the events asked for, once it is written.
    pub(super) async fn mail(&mut self, events: &[RecordedEvent]) -> anyhow::Result<()> {
        let Some((requested, mail)) = watch::mail(events)? else { return Ok(()) };
        let sent = |event: &RecordedEvent| event.stream == requested.stream && event.event_type == "MailSent";
        self.until(requested.position, "the mail", sent).await?;
        let folder = self.stage.options.database.folder().join("mail");
        let path = FileTransport::new(folder).path_of(&mail.message_id);
        self.say(&format!("   mail      {}", path.display()))
    }
}

/// What an event says, in a few words.
fn gloss(event_type: &str) -> &'static str {
    match event_type {
        "ProviderEventReceived" => "on disk, before the provider hears 200; the body is sealed",
        "ProviderEventAttempted" => "claimed, because Stripe must be asked what was bought",
        "ProviderEventApplied" => "concluded: it had its effect",
        "CustomerRegistered" => "the buyer, sealed under a key of their own",
        "PurchaseRecorded" => "what was bought",
        "PeriodPaid" => "a period of the subscription was paid",
        "PaymentLinked" => "so that a refund finds its purchase",
        "LicenseIssued" => "the licence, with a new key",
        "SubscriptionRenewed" => "the licence lasts longer",
        "LicenseExpired" => "the licence ran out, dated when it was due",
        "PlaceholderAnswered" => "who got a key and when; never the key",
        "MailRequested" => "the mail with the key",
        _ => "",
    }
}
