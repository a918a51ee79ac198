//! The story, step by step, with a few lines about each.

use anyhow::{Context as _, ensure};
use keyledger_events::{Position, RecordedEvent, StreamId};
use secrecy::SecretString;

use super::bodies::{self, Subscription, unique};
use super::post::Door;
use super::shop::{self, PRODUCT, SHOP, Shop};
use super::stripe_api::{DAY, MONTHLY, StripeApi};
use super::watch;
use crate::admin::members;
use crate::app::App;
use crate::cli::global::Global;
use crate::cli::output::Output;
use crate::serve_options::ServeOptions;

const SECONDS_PER_DAY: i64 = 86_400;
/// How long after its purchase is posted the licence for one day runs out: long enough to be seen alive.
const DAY_LEFT_SECONDS: i64 = 6;
/// Polymart's id of the product.
const POLYMART_PRODUCT: u32 = 323;

/// Where the story plays.
pub(super) struct Stage<'a> {
    pub(super) app: &'a App,
    pub(super) base: &'a str,
    pub(super) options: &'a ServeOptions,
    pub(super) global: &'a Global,
}

/// Tells the story to whoever reads standard output.
pub(super) struct Story<'a> {
    pub(super) stage: &'a Stage<'a>,
    pub(super) shop: Shop,
    pub(super) door: Door,
    pub(super) output: &'a mut Output,
}

/// Tells it, and at last what to try. It does not return before Ctrl-C, which the caller waits for as well.
pub(super) async fn tell(stage: &Stage<'_>, output: &mut Output) -> anyhow::Result<()> {
    let api = StripeApi::start().await?;
    let shop = shop::open(stage.app, api.base()).await?;
    api.sell(shop.product);
    let mut story = Story { stage, shop, door: Door::new(stage.base)?, output };
    story.introduction()?;
    let (day, first) = story.one_day(&api).await?;
    story.monthly().await?;
    story.polymart().await?;
    story.expiration(&day, first).await?;
    story.summary(&day, first)?;
    story.dashboard().await?;
    // Its API stays there for what people try: a retry, say.
    std::future::pending().await
}

impl Story<'_> {
    pub(super) fn now(&self) -> i64 {
        self.stage.app.clock.now().as_second()
    }

    fn introduction(&mut self) -> anyhow::Result<()> {
        let again = if self.shop.known { ", from an earlier start" } else { "" };
        let (team, product) = (self.shop.team, self.shop.product);
        self.say("")?;
        self.say(&format!("The team \"{SHOP}\" ({team}{again})"))?;
        self.say(&format!("sells \"{PRODUCT}\" ({product}) through Stripe and Polymart."))?;
        self.say("What follows is posted to this server over HTTP, signed as the providers sign.")
    }

    /// A purchase, the same delivery again, and a forged one. Answers the licence and where the ledger stood when
    /// it was new.
    async fn one_day(&mut self, api: &StripeApi) -> anyhow::Result<(StreamId, Position)> {
        self.heading("1. Stripe: Ada buys the plugin for one day.")?;
        let session = unique("cs");
        api.sold(&session, DAY);
        // She paid almost a day ago, so the licence is about to run out.
        let event = bodies::checkout(&session, self.now() - SECONDS_PER_DAY + DAY_LEFT_SECONDS);
        let events = self.deliver_stripe(&event).await?;
        let license = watch::issued(&events).next().context("the purchase made no licence")?;
        self.license(license).await?;
        self.mail(&events).await?;
        let then = watch::head(self.stage.app).await?;

        self.heading("2. Stripe delivers the same event again, as it does when an answer got lost.")?;
        let answer = self.post_stripe(&event, None).await?;
        ensure!(answer.body["duplicate"] == true, "a second delivery was not recognised: {}", answer.message());
        self.unchanged(then).await?;

        self.heading("3. Somebody posts a purchase without knowing the signing secret.")?;
        let forged = SecretString::from("whsec_guessed");
        let answer = self.post_stripe(&bodies::checkout(&unique("cs"), self.now()), Some(&forged)).await?;
        ensure!(answer.status == 400, "a forged delivery was answered {}", answer.status);
        self.unchanged(then).await?;
        Ok((license, then))
    }

    /// A subscription and its renewal.
    async fn monthly(&mut self) -> anyhow::Result<()> {
        self.heading("4. Stripe: Grace has subscribed a month ago; the first invoice is delivered late.")?;
        let subscription = Subscription::of(MONTHLY);
        let turn = self.now() - 2 * 3_600;
        let month = 30 * SECONDS_PER_DAY;
        let first = subscription.invoice_paid("subscription_create", (turn - month, turn), turn - month);
        let events = self.deliver_stripe(&first).await?;
        let license = watch::issued(&events).next().context("the subscription made no licence")?;
        self.license(license).await?;
        self.mail(&events).await?;

        self.heading("5. Stripe: her renewal was paid an hour ago. The key stays the same.")?;
        let renewal = subscription.invoice_paid("subscription_cycle", (turn, turn + month), turn + 3_600);
        self.deliver_stripe(&renewal).await?;
        self.license(license).await
    }

    /// A purchase on Polymart, and the key in the download.
    async fn polymart(&mut self) -> anyhow::Result<()> {
        self.heading(
            "6. Polymart: a user buys the plugin. Polymart tells no mail address: the key goes into the download.",
        )?;
        let user = rand::random::<u32>();
        let purchase = bodies::polymart_purchase(user, POLYMART_PRODUCT, self.now());
        let path = format!(
            "/api/v1/integrations/polymart?teamId={}&productId={}&hwidLimit=2",
            self.shop.team, self.shop.product
        );
        let before = watch::head(self.stage.app).await?;
        let answer = self.door.polymart(&path, &purchase, &self.shop.polymart_webhook).await?;
        self.answered("product.user.purchase", &answer)?;
        let events = self.concluded(before).await?;
        let license = watch::issued(&events).next().context("the purchase made no licence")?;
        self.license(license).await?;

        self.heading("7. Polymart prepares that user's download and asks for the placeholder.")?;
        let before = watch::head(self.stage.app).await?;
        let request = bodies::placeholder(user, POLYMART_PRODUCT, self.now());
        let path = format!("/api/v1/integrations/polymart/placeholder?teamId={}", self.shop.team);
        let answer = self.door.polymart(&path, &request, &self.shop.polymart_signing).await?;
        let value = answer.body["value"].as_str().unwrap_or_default().to_owned();
        let shown = self.describe(license).await?;
        ensure!(shown.key.as_deref() == Some(value.as_str()), "the placeholder was answered {}", answer.status);
        self.say("   request   a placeholder")?;
        self.say(&format!("   answered  {} {value}", answer.status))?;
        let told = |event: &RecordedEvent| event.stream == license && event.event_type == "PlaceholderAnswered";
        let events = self.until(before, "the record of the answer", told).await?;
        self.events(events.last().map(std::slice::from_ref).unwrap_or_default())
    }

    /// Time passing is an event, too.
    async fn expiration(&mut self, license: &StreamId, after: Position) -> anyhow::Result<()> {
        self.heading("8. Ada's day is over. Nobody posts anything: the scheduler sees that it is time.")?;
        let expired = |event: &RecordedEvent| event.stream == *license && event.event_type == "LicenseExpired";
        let events = self.until(after, "the expiration", expired).await?;
        self.events(events.last().map(std::slice::from_ref).unwrap_or_default())?;
        self.license(*license).await
    }

    fn summary(&mut self, license: &StreamId, then: Position) -> anyhow::Result<()> {
        let keyledger = self.stage.global.same_ledger();
        self.heading(
            "That is the whole way of a purchase. The server stays up until Ctrl-C. In another terminal, try:",
        )?;
        self.say("")?;
        for (command, what) in [
            ("license list".to_owned(), "the licences"),
            (format!("license list --as-of {then}"), "the same as it was after step 1"),
            (format!("events list --license {}", license.id), "why a licence is what it is"),
            ("inbox list".to_owned(), "every delivery, and what became of it"),
            ("mail list".to_owned(), "every mail"),
            ("projections rebuild".to_owned(), "compute all of these lists afresh from the ledger"),
        ] {
            self.say(&format!("   {keyledger} {command}"))?;
            self.say(&format!("       {what}"))?;
        }
        self.say(&format!("   curl {}/readyz", self.stage.base))?;
        self.say("       whether the database is reachable and the lists are up to date")
    }

    async fn dashboard(&mut self) -> anyhow::Result<()> {
        let path = members::first_start_path(self.stage.app).await?;
        self.say(&format!("\nSee it in a browser: {}{}", self.stage.base, path.as_deref().unwrap_or("/")))
    }
}
