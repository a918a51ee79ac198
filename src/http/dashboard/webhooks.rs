//! `/teams/{teamId}/webhooks`: programs of the seller's that are told of what happens, and whether they heard it.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use keyledger_projections::webhooks::kind;
use keyledger_projections::{Hook, HookState};
use secrecy::ExposeSecret as _;
use uuid::Uuid;

use super::change::{Administrator, Change, Confirmed};
use super::fields::Fields;
use super::licenses::Tag;
use super::page::{Answer, page};
use super::paging;
use super::problem::Problem;
use super::shell::Shell;
use super::viewer::Viewer;
use super::when::When;
use crate::admin::webhooks::{self, HookJson, NewWebhook, OVERLAP_HOURS, WebhookChange, WebhookJson};
use crate::http::Front;

/// The pages.
pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/webhooks", get(list).post(create))
        .route("/webhooks/{webhookId}", get(show).post(update))
        .route("/webhooks/{webhookId}/active", post(switch))
        .route("/webhooks/{webhookId}/secret", post(rotate))
        .route("/webhooks/{webhookId}/test", post(test))
        .route("/webhooks/{webhookId}/remove", post(remove))
        .route("/webhooks/{webhookId}/deliveries/{deliveryId}/redeliver", post(redeliver))
}

#[derive(Template)]
#[template(path = "dashboard/webhooks/list.html")]
struct ListPage {
    shell: Shell,
    webhooks: Vec<WebhookJson>,
    kinds: &'static [&'static str],
    /// The secret of the one that was just made.
    made: Option<String>,
}

#[derive(Template)]
#[template(path = "dashboard/webhooks/show.html")]
struct ShowPage {
    shell: Shell,
    webhook: WebhookJson,
    kinds: &'static [&'static str],
    failing: Option<When>,
    delivered: Option<When>,
    /// The secret that was just made.
    made: Option<String>,
    rows: Vec<Row>,
    first: Option<String>,
    next: Option<String>,
}

impl ShowPage {
    fn wants(&self, kind: &str) -> bool {
        self.webhook.types.iter().any(|known| known == kind)
    }
}

struct Row {
    id: Uuid,
    kind: String,
    position: i64,
    tag: Tag,
    said: String,
    attempts: u32,
    requested: When,
}

async fn list(viewer: Viewer, State(front): State<Front>) -> Answer {
    listed(&front, &viewer, None).await
}

async fn listed(front: &Front, viewer: &Viewer, made: Option<String>) -> Answer {
    let webhooks = webhooks::list(&front.app, viewer.team_id()).await?;
    let mut shell = viewer.shell("Webhooks", "webhooks").await?;
    shell.path = viewer.at("webhooks");
    page(&ListPage { shell, webhooks, kinds: &kind::ALL, made })
}

fn types(fields: &Fields) -> Vec<String> {
    fields.all("type").map(str::to_owned).collect()
}

async fn create(State(front): State<Front>, change: Change<Confirmed<Administrator>>) -> Answer {
    let made = async {
        let fields = &change.fields;
        let new = NewWebhook {
            url: fields.required("url", "The address")?.to_owned(),
            description: fields.text("description").map(str::to_owned),
            types: types(fields),
            include_keys: fields.ticked("include-keys"),
            secret: None,
        };
        Ok(webhooks::create(&front.app, &change.actor(), change.viewer.team_id(), new).await?)
    };
    match change.once(&front, made).await {
        Ok(made) => listed(&front, &change.viewer, Some(made.secret.expose_secret().to_owned())).await,
        Err(problem) => change.done(Err(problem), "webhooks", "webhooks").await,
    }
}

fn id(text: &str) -> Result<Uuid, Problem> {
    text.parse().map_err(|_| Problem::not_found(format!("“{text}” is no webhook's id.")))
}

async fn show(viewer: Viewer, State(front): State<Front>, Path((_, webhook)): Path<(String, String)>) -> Answer {
    shown(&front, &viewer, &webhook, None).await
}

async fn shown(front: &Front, viewer: &Viewer, webhook: &str, made: Option<String>) -> Answer {
    let (app, team, id) = (&front.app, viewer.team_id(), id(webhook)?);
    let endpoint = webhooks::find(app, team, id).await?;
    let webhook = webhooks::describe(app, &endpoint).await?;
    let mut found = webhooks::deliveries(app, team, id, &[], paging::wanted(&viewer.query)?).await?;
    let next = paging::next(&mut found, &viewer.query, &viewer.path, |hook| hook.source.position);
    let mut rows = Vec::with_capacity(found.len());
    for hook in &found {
        rows.push(row(hook, webhooks::describe_hook(app, hook).await?));
    }
    let mut shell = viewer.shell("Webhook", "webhooks").await?;
    shell.path = viewer.at(&format!("webhooks/{id}"));
    page(&ShowPage {
        shell,
        failing: webhook.failing_since.map(When),
        delivered: webhook.last_delivered_at.map(When),
        webhook,
        kinds: &kind::ALL,
        made,
        rows,
        first: paging::first(viewer),
        next,
    })
}

fn row(hook: &Hook, described: HookJson) -> Row {
    let (word, colour) = match hook.state {
        HookState::Pending => ("Waiting", "warn"),
        HookState::Delivered => ("Delivered", "good"),
        HookState::Failed => ("Failed, tried again", "warn"),
        HookState::Abandoned => ("Given up", "bad"),
    };
    let status = described.status.map(|status| format!("{status}"));
    let said = [status, described.reason, described.response];
    Row {
        id: described.id,
        kind: described.kind,
        position: described.position.0,
        tag: Tag { word, colour },
        said: said.into_iter().flatten().collect::<Vec<_>>().join(": "),
        attempts: described.attempts,
        requested: When(described.requested_at),
    }
}

type OfWebhook = Path<(String, String)>;

async fn update(
    State(front): State<Front>,
    Path((_, webhook)): OfWebhook,
    change: Change<Confirmed<Administrator>>,
) -> Answer {
    let updated = async {
        let fields = &change.fields;
        let wanted = WebhookChange {
            url: fields.text("url").map(str::to_owned),
            description: fields.raw("description").map(str::to_owned),
            types: Some(types(fields)),
            include_keys: Some(fields.ticked("include-keys")),
        };
        let (actor, team) = (change.actor(), change.viewer.team_id());
        webhooks::update(&front.app, &actor, team, id(&webhook)?, wanted).await?;
        Ok("Saved.".to_owned())
    };
    finish(&change, &webhook, updated.await).await
}

async fn finish<S>(change: &Change<S>, webhook: &str, done: Result<String, Problem>) -> Answer {
    let here = format!("webhooks/{webhook}");
    change.done(done, &here, &here).await
}

async fn switch(State(front): State<Front>, Path((_, webhook)): OfWebhook, change: Change<Administrator>) -> Answer {
    let switched = async {
        let active = change.fields.ticked("active");
        let (actor, team) = (change.actor(), change.viewer.team_id());
        webhooks::set_enabled(&front.app, &actor, team, id(&webhook)?, active).await?;
        Ok(if active { "It is told of what happens from now on." } else { "It is told of nothing any more." }
            .to_owned())
    };
    finish(&change, &webhook, switched.await).await
}

async fn rotate(
    State(front): State<Front>,
    Path((_, webhook)): OfWebhook,
    change: Change<Confirmed<Administrator>>,
) -> Answer {
    let rotated = async {
        let (actor, team) = (change.actor(), change.viewer.team_id());
        let (_, secret) = webhooks::rotate(&front.app, &actor, team, id(&webhook)?, None, OVERLAP_HOURS).await?;
        Ok(secret)
    };
    match change.once(&front, rotated).await {
        Ok(secret) => shown(&front, &change.viewer, &webhook, Some(secret.expose_secret().to_owned())).await,
        Err(problem) => finish(&change, &webhook, Err(problem)).await,
    }
}

async fn test(State(front): State<Front>, Path((_, webhook)): OfWebhook, change: Change<Administrator>) -> Answer {
    let asked = async {
        webhooks::test(&front.app, &change.actor(), change.viewer.team_id(), id(&webhook)?).await?;
        Ok("A test is on its way; what came of it shows below.".to_owned())
    };
    finish(&change, &webhook, asked.await).await
}

async fn remove(
    State(front): State<Front>,
    Path((_, webhook)): OfWebhook,
    change: Change<Confirmed<Administrator>>,
) -> Answer {
    let removed = async {
        webhooks::remove(&front.app, &change.actor(), change.viewer.team_id(), id(&webhook)?).await?;
        Ok("The webhook is removed; what became of its hooks stays in the ledger.".to_owned())
    };
    change.done(removed.await, "webhooks", "webhooks").await
}

async fn redeliver(
    State(front): State<Front>,
    Path((_, webhook, hook)): Path<(String, String, String)>,
    change: Change<Administrator>,
) -> Answer {
    let asked = async {
        let hook = hook.parse().map_err(|_| Problem::not_found(format!("“{hook}” is no delivery's id.")))?;
        webhooks::redeliver(&front.app, &change.actor(), change.viewer.team_id(), hook).await?;
        Ok("It is sent again, under the same webhook-id.".to_owned())
    };
    finish(&change, &webhook, asked.await).await
}
