//! `/teams/{teamId}/products`: what licences are for, and what a provider must be told about each.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use keyledger_events::TeamId;
use keyledger_projections::Product;
use uuid::Uuid;

use super::change::{Administrator, Change, Confirmed};
use super::fields::Fields;
use super::page::{Answer, page};
use super::problem::Problem;
use super::shell::Shell;
use super::stale::{mark, refuse_stale};
use super::viewer::Viewer;
use super::when::When;
use crate::admin::idempotency::Maker;
use crate::admin::products::{self, Description};
use crate::app::App;
use crate::http::Front;

/// The pages.
pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/products", get(list).post(create))
        .route("/products/{productId}", get(show).post(update))
        .route("/products/{productId}/remove", post(remove))
}

#[derive(Template)]
#[template(path = "dashboard/products.html")]
struct ListPage {
    shell: Shell,
    products: Vec<Row>,
}

struct Row {
    id: Uuid,
    name: String,
    url: Option<String>,
    since: When,
}

#[derive(Template)]
#[template(path = "dashboard/product.html")]
struct ShowPage {
    shell: Shell,
    product: Product,
    mark: String,
    origin: String,
    team: TeamId,
}

async fn list(viewer: Viewer, State(front): State<Front>) -> Answer {
    let mut products: Vec<_> = products::list(&front.app, viewer.team_id()).await?.into_iter().map(row).collect();
    products.reverse();
    page(&ListPage { shell: viewer.shell("Products", "products").await?, products })
}

fn row(product: Product) -> Row {
    Row { id: product.id, name: product.name, url: product.url, since: When(product.created_at) }
}

async fn show(viewer: Viewer, State(front): State<Front>, Path((_, id)): Path<(String, String)>) -> Answer {
    let product = find(&front.app, viewer.team_id(), &id).await?;
    let shell = viewer.shell(product.name.clone(), "products").await?;
    let mark = mark(&(&product.name, &product.url));
    page(&ShowPage { shell, product, mark, origin: viewer.origin.clone(), team: viewer.team_id() })
}

async fn find(app: &App, team: TeamId, id: &str) -> Result<Product, Problem> {
    let id = id.parse().map_err(|_| Problem::not_found(format!("“{id}” is no product's id.")))?;
    Ok(products::find(app, team, id).await?)
}

async fn create(State(front): State<Front>, change: Change<Administrator>) -> Answer {
    let made = async {
        let new = description(&change.fields, Vec::new())?;
        let actor = change.actor();
        let made = products::create(&front.app, Maker::once(&actor), change.viewer.team_id(), &new).await?;
        Ok(made)
    };
    match change.once(&front, made).await {
        Ok(made) => {
            let text = format!("The product “{}” is made. Tell the providers its id.", made.name);
            change.done(Ok(text), &format!("products/{}", made.id), "products").await
        }
        Err(problem) => change.done(Err(problem), "products", "products").await,
    }
}

fn description(
    fields: &Fields,
    metadata: Vec<keyledger_events::event::metadata::MetadataEntry>,
) -> Result<Description, Problem> {
    let name = fields.required("name", "The product's name")?.to_owned();
    Ok(Description { name, url: fields.text("url").map(str::to_owned), metadata })
}

async fn update(
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
    change: Change<Administrator>,
) -> Answer {
    let updated = async {
        let (app, team) = (&front.app, change.viewer.team_id());
        let known = find(app, team, &id).await?;
        refuse_stale(&change.fields, &(&known.name, &known.url))?;
        let new = description(&change.fields, known.metadata.clone())?;
        products::update(app, &change.actor(), team, known.id, &new).await?;
        Ok("Saved.".to_owned())
    };
    let here = format!("products/{id}");
    change.done(updated.await, &here, &here).await
}

async fn remove(
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
    change: Change<Confirmed<Administrator>>,
) -> Answer {
    let removed = async {
        let (app, team) = (&front.app, change.viewer.team_id());
        let known = find(app, team, &id).await?;
        products::remove(app, &change.actor(), team, known.id).await?;
        Ok(format!("“{}” is no longer sold. Licences that were sold stay what they are.", known.name))
    };
    change.done(removed.await, "products", &format!("products/{id}")).await
}
