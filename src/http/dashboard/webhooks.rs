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
use super::stale::{mark, refuse_stale};
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
    /// What the form shows.
    mark: String,
    /// The secret that was just made.
    made: Option<String>,
    rows: Vec<Row>,
    first: Option<String>,
    next: Option<String>,
}

impl ShowPage {
    fn wants(&self, kind: &str) -> bool {
        is_ticked(&self.webhook.types, kind)
    }
}

/// Whether the box of a type is ticked: a pattern like `license.*` ticks each that it names. Without patterns none is.
fn is_ticked(patterns: &[String], kind: &str) -> bool {
    !patterns.is_empty() && kind::wanted(patterns, kind)
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

/// The types that a changed form asks for. What was ticked by a pattern stays the pattern, so that it goes on to name
/// types that are yet to come; where one of its boxes was taken away, the others stay by their names.
fn changed_types(known: &[String], ticked: Vec<String>) -> Vec<String> {
    let is_ticked = |kind: &str| ticked.iter().any(|one| one == kind);
    let whole = |pattern: &&String| {
        let named = |kind: &&str| kind::wanted(std::slice::from_ref(*pattern), kind);
        kind::ALL.into_iter().filter(named).all(is_ticked)
    };
    let mut types: Vec<String> = known.iter().filter(whole).cloned().collect();
    let others: Vec<_> = ticked.iter().filter(|kind| !self::is_ticked(&types, kind)).cloned().collect();
    types.extend(others);
    types
}

/// What the form of a webhook shows, for [`refuse_stale`].
fn shown_of(webhook: &WebhookJson) -> impl std::fmt::Debug {
    (webhook.url.clone(), webhook.description.clone(), webhook.types.clone(), webhook.include_keys)
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
    let (mut shell, mark) = (viewer.shell("Webhook", "webhooks").await?, mark(&shown_of(&webhook)));
    shell.path = viewer.at(&format!("webhooks/{id}"));
    page(&ShowPage {
        shell,
        failing: webhook.failing_since.map(When),
        delivered: webhook.last_delivered_at.map(When),
        webhook,
        kinds: &kind::ALL,
        mark,
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
        let (app, fields) = (&front.app, &change.fields);
        let (actor, team, id) = (change.actor(), change.viewer.team_id(), id(&webhook)?);
        let known = webhooks::describe(app, &webhooks::find(app, team, id).await?).await?;
        refuse_stale(fields, &shown_of(&known))?;
        let wanted = WebhookChange {
            url: fields.text("url").map(str::to_owned),
            description: fields.raw("description").map(str::to_owned),
            types: Some(changed_types(&known.types, types(fields))),
            include_keys: Some(fields.ticked("include-keys")),
        };
        webhooks::update(app, &actor, team, id, wanted).await?;
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
    finish(&change, &webhook, change.once(&front, asked).await).await
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
    finish(&change, &webhook, change.once(&front, asked).await).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pattern_ticked_stays_the_pattern_until_one_of_its_boxes_is_taken_away() {
        let names = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let ticked = |patterns: &[String]| {
            kind::ALL.into_iter().filter(|kind| is_ticked(patterns, kind)).map(str::to_owned).collect::<Vec<_>>()
        };
        for known in ["", "license.*", "license.* limit.reached", "limit.reached device.*", "license.issued"] {
            let known = names(known);
            assert_eq!(changed_types(&known, ticked(&known)), known);
        }
        let known = names("device.* limit.reached");
        assert_eq!(changed_types(&known, names("device.bound limit.reached")), names("limit.reached device.bound"));
        assert_eq!(
            changed_types(&known, names("device.bound device.released limit.reached webhook.test")),
            names("device.* limit.reached webhook.test")
        );
        assert_eq!(changed_types(&known, Vec::new()), Vec::<String>::new());
    }
}
