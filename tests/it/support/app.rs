//! A seller's whole set-up: a served ledger with a team, a product and its connections, and the peers to drive it.

use std::borrow::Borrow;

use serde_json::Value;

use super::process::{Backend, Keyledger, Options};
use super::stripe_api::{FakeStripe, LIVE_KEY, TEST_KEY};
use super::{Error, TestResult, eventually, now, sign};

pub(crate) const STRIPE_SECRET: &str = "whsec_of_the_stripe_endpoint";
pub(crate) const POLYMART_SECRET: &str = "polymart-webhook-secret";
pub(crate) const SIGNING_SECRET: &str = "polymart-signing-secret";

/// What a request was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    /// The body; `null` when it is no JSON.
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) async fn of(response: reqwest::Response) -> Result<Self, Error> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = serde_json::from_slice(&response.bytes().await?).unwrap_or_default();
        Ok(Self { status, headers, body })
    }

    /// The sentence for people, which every answer of the provider endpoints has.
    pub(crate) fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }
}

/// A mail that went out.
#[derive(Debug)]
pub(crate) struct Mail {
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) message_id: String,
}

/// How a provider event stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The id that `inbox retry` takes.
    pub(crate) id: String,
    pub(crate) outcome: String,
    pub(crate) reason: String,
}

/// Says what a seller has connected.
#[derive(Debug)]
pub(crate) struct Builder {
    backend: Backend,
    options: Options,
    stripe: bool,
    polymart: bool,
}

impl Builder {
    /// Stripe's webhooks and API, test and live key.
    pub(crate) fn stripe(mut self) -> Self {
        self.stripe = true;
        self
    }

    /// Polymart's webhooks and placeholder.
    pub(crate) fn polymart(mut self) -> Self {
        self.polymart = true;
        self
    }

    /// How the server is started.
    pub(crate) fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    pub(crate) async fn build(self) -> Result<TestApp, Error> {
        let stripe = FakeStripe::start().await?;
        let server = Keyledger::start(self.backend, self.options).await?;
        let Self { stripe: with_stripe, polymart: with_polymart, .. } = self;
        let http = reqwest::Client::new();
        let (team, product) = (String::new(), String::new());
        let mut app = TestApp { server, stripe, team, product, http, with_stripe, with_polymart };
        app.connect().await?;
        Ok(app)
    }
}

/// The `id` of what a command made.
pub(crate) fn id(made: &Value) -> Result<String, Error> {
    Ok(made["id"].as_str().ok_or_else(|| format!("no id in {made}"))?.to_owned())
}

/// A seller's set-up.
#[derive(Debug)]
pub(crate) struct TestApp {
    pub(crate) server: Keyledger,
    pub(crate) stripe: FakeStripe,
    pub(crate) team: String,
    pub(crate) product: String,
    pub(crate) http: reqwest::Client,
    with_stripe: bool,
    with_polymart: bool,
}

impl TestApp {
    pub(crate) fn builder(backend: Backend) -> Builder {
        Builder { backend, options: Options::default(), stripe: false, polymart: false }
    }

    /// A seller with Stripe, whose Stripe product `prod_plugin` stands for the product.
    pub(crate) async fn with_stripe(backend: Backend) -> Result<Self, Error> {
        let app = Self::builder(backend).stripe().build().await?;
        app.stripe.add_product("prod_plugin", &[("product_id", &app.product)]);
        Ok(app)
    }

    /// A seller on a server that the test looks after itself, with nothing connected yet.
    pub(crate) async fn around(server: Keyledger) -> Result<Self, Error> {
        let (stripe, http) = (FakeStripe::start().await?, reqwest::Client::new());
        let (team, product) = (String::new(), String::new());
        Ok(Self { server, stripe, team, product, http, with_stripe: false, with_polymart: false })
    }

    /// A seller with Polymart.
    pub(crate) async fn with_polymart(backend: Backend) -> Result<Self, Error> {
        Self::builder(backend).polymart().build().await
    }

    /// Makes the team, its product and its connections, on a server that has none of them yet.
    pub(crate) async fn connect(&mut self) -> TestResult {
        self.team = id(&self.server.cli(&["team", "create", "Example Software", "--json"]).await?)?;
        self.product = id(&self.server.cli(&["product", "create", "--team", &self.team, "Plugin", "--json"]).await?)?;
        if self.with_stripe {
            let base = self.stripe.url();
            let keys = ["--api-key", TEST_KEY, "--api-key", LIVE_KEY, "--api-base", &base];
            self.integrate("stripe", &[&["--webhook-secret", STRIPE_SECRET], keys.as_slice()].concat()).await?;
        }
        if self.with_polymart {
            let secrets = ["--webhook-secret", POLYMART_SECRET, "--signing-secret", SIGNING_SECRET];
            self.integrate("polymart", &secrets).await?;
        }
        Ok(())
    }

    /// `integration set` for this team.
    pub(crate) async fn integrate(&self, provider: &str, options: &[&str]) -> TestResult {
        let args = [&["integration", "set", provider, "--team", &self.team], options].concat();
        self.server.cli(&args).await.map(drop)
    }

    /// Posts bytes to a path of the server.
    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Result<Answer, Error> {
        let mut request = self.http.post(self.server.url(path)).body(body).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request.send().await?).await
    }

    pub(crate) fn stripe_path(&self) -> String {
        format!("/api/v1/integrations/stripe?teamId={}", self.team)
    }

    /// Delivers an event as Stripe does: pretty-printed, signed now.
    pub(crate) async fn post_stripe(&self, event: &Value) -> Result<Answer, Error> {
        let body = serde_json::to_vec_pretty(event)?;
        let signature = sign::stripe(&[STRIPE_SECRET], now(), &body)?;
        self.post(&self.stripe_path(), &[("stripe-signature", &signature)], body).await
    }

    /// Delivers a Polymart webhook. `query` follows the team's id: `productId=…&ipLimit=3`.
    pub(crate) async fn post_polymart(&self, event: &Value, query: &str) -> Result<Answer, Error> {
        let body = serde_json::to_vec(event)?;
        let signature = sign::polymart(POLYMART_SECRET, &body)?;
        let path = format!("/api/v1/integrations/polymart?teamId={}&{query}", self.team);
        self.post(&path, &[("x-polymart-signature", &signature)], body).await
    }

    /// Asks for a placeholder as Polymart does.
    pub(crate) async fn placeholder(&self, request: &Value) -> Result<Answer, Error> {
        let body = serde_json::to_vec(request)?;
        let signature = sign::polymart(SIGNING_SECRET, &body)?;
        let path = format!("/api/v1/integrations/polymart/placeholder?teamId={}", self.team);
        self.post(&path, &[("x-polymart-signature", &signature)], body).await
    }

    /// The query that names the product.
    pub(crate) fn product_query(&self) -> String {
        format!("productId={}", self.product)
    }

    /// Delivers Stripe events in this order, each answered 200, and waits until all their work is done.
    pub(crate) async fn deliver<E: Borrow<Value>>(&self, events: &[E]) -> TestResult {
        for event in events {
            let event = event.borrow();
            let answer = self.post_stripe(event).await?;
            assert_eq!(answer.status, 200, "{}: {answer:?}", event["type"]);
        }
        self.settle().await
    }

    /// Delivers a Polymart webhook for the product, answered 200, and waits until all its work is done.
    pub(crate) async fn deliver_polymart(&self, event: &Value) -> TestResult {
        let answer = self.post_polymart(event, &self.product_query()).await?;
        assert_eq!(answer.status, 200, "{answer:?}");
        self.settle().await
    }

    async fn array(&self, args: &[&str]) -> Result<Vec<Value>, Error> {
        match self.server.cli(args).await? {
            Value::Array(entries) => Ok(entries),
            other => Err(format!("`keyledger {}` did not answer an array: {other}", args.join(" ")).into()),
        }
    }

    /// The team's licences, newest first.
    pub(crate) async fn licenses(&self) -> Result<Vec<Value>, Error> {
        self.array(&["license", "list", "--team", &self.team, "--json"]).await
    }

    /// The team's only licence.
    pub(crate) async fn license(&self) -> Result<Value, Error> {
        let mut licenses = self.licenses().await?;
        match (licenses.pop(), licenses.len()) {
            (Some(license), 0) => Ok(license),
            (_, more) => Err(format!("there is not one licence but {}", if more == 0 { 0 } else { more + 1 }).into()),
        }
    }

    /// The team's provider events.
    pub(crate) async fn inbox(&self) -> Result<Vec<Value>, Error> {
        self.array(&["inbox", "list", "--team", &self.team, "--json"]).await
    }

    /// The whole ledger.
    pub(crate) async fn events(&self) -> Result<Vec<Value>, Error> {
        self.array(&["events", "list", "--json"]).await
    }

    /// The ledger's events of one type.
    pub(crate) async fn events_of(&self, kind: &str) -> Result<Vec<Value>, Error> {
        Ok(self.events().await?.into_iter().filter(|event| event["type"] == kind).collect())
    }

    /// How the provider's event with this id stands.
    pub(crate) async fn entry(&self, provider_event_id: &str) -> Result<Entry, Error> {
        let inbox = self.inbox().await?;
        let found = inbox.iter().find(|entry| entry["providerEventId"] == provider_event_id);
        let found = found.ok_or_else(|| format!("{provider_event_id} is not in the inbox: {inbox:?}"))?;
        let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
        Ok(Entry { id: text("id"), outcome: text("outcome"), reason: text("reason") })
    }

    /// Every mail that went out, in no order.
    pub(crate) fn mails(&self) -> Result<Vec<Mail>, Error> {
        mails_in(&self.server.mail_folder())
    }

    /// Waits until no provider event is pending and every mail that was asked for is sent or given up.
    pub(crate) async fn settle(&self) -> TestResult {
        let mut left = Vec::new();
        let settled = eventually("all work is done", async || {
            left = self.work_left().await?;
            Ok(left.is_empty().then_some(()))
        });
        settled.await.map_err(|error| format!("{error}; left: {left:?}").into())
    }

    async fn work_left(&self) -> Result<Vec<Value>, Error> {
        let mut left = self.inbox().await?;
        left.retain(|entry| entry["outcome"] == "pending");
        let events = self.events().await?;
        let done = |stream: &Value| {
            let ends = |event: &&Value| event["type"] == "MailSent" || event["type"] == "MailAbandoned";
            events.iter().filter(ends).any(|event| &event["stream"] == stream)
        };
        let asked = events.iter().filter(|event| event["type"] == "MailRequested");
        left.extend(asked.filter(|event| !done(&event["stream"])).cloned());
        Ok(left)
    }
}

/// Every mail in a folder, in no order.
pub(crate) fn mails_in(folder: &std::path::Path) -> Result<Vec<Mail>, Error> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut mails = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        if path.extension().is_some_and(|ending| ending == "eml") {
            mails.push(parse(&std::fs::read(path)?)?);
        }
    }
    Ok(mails)
}

fn parse(raw: &[u8]) -> Result<Mail, Error> {
    let message = mail_parser::MessageParser::default().parse(raw).ok_or("an .eml file is not a mail")?;
    let to = message.to().and_then(|to| to.first()).and_then(|to| to.address()).unwrap_or_default();
    Ok(Mail {
        to: to.to_owned(),
        subject: message.subject().unwrap_or_default().to_owned(),
        text: message.body_text(0).unwrap_or_default().into_owned(),
        message_id: message.message_id().unwrap_or_default().to_owned(),
    })
}
