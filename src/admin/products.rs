//! Products: made, described, listed, taken off the shelf.

use keyledger_events::event::metadata::MetadataEntry;
use keyledger_events::event::product::{ProductRegistered, ProductRemoved, ProductUpdated};
use keyledger_events::{Event, NewEvent, StreamId, StreamKind, TeamId};
use keyledger_projections::{Product, view};
use uuid::Uuid;

use super::idempotency::Maker;
use super::{AdminError, CONFLICTS_MAX, append, metadata, names, teams};
use crate::app::App;

/// The longest address on the web, in characters.
const URL_CHARS_MAX: usize = 2_000;

/// What a seller says of a product.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description {
    /// What buyers see in mails.
    pub name: String,
    /// Its address on the web.
    pub url: Option<String>,
    /// The seller's notes.
    pub metadata: Vec<MetadataEntry>,
}

impl Description {
    /// A product of which only the name is told.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    fn checked(&self) -> Result<Self, AdminError> {
        let bad = |url: &&String| {
            let web = url.starts_with("https://") || url.starts_with("http://");
            !web || url.chars().count() > URL_CHARS_MAX || url.chars().any(|it| it.is_control() || it.is_whitespace())
        };
        if let Some(url) = self.url.as_ref().filter(bad) {
            let message = format!("url: `{url}` is not an address like https://example.com/product");
            return Err(AdminError::Invalid(message));
        }
        metadata::check(&self.metadata)?;
        Ok(Self { name: names::checked("product", &self.name)?, ..self.clone() })
    }
}

/// A product that was just made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProduct {
    /// Its id: what `product_id` and `productId` name at the providers.
    pub id: Uuid,
    /// Its name.
    pub name: String,
}

/// Makes a product.
///
/// # Errors
/// When there is no such team, what is said of it cannot be used, or the maker's key was used for something else.
pub async fn create(app: &App, maker: Maker<'_>, team: TeamId, new: &Description) -> Result<NewProduct, AdminError> {
    let Description { name, url, metadata } = new.checked()?;
    teams::find(app, team).await?;
    let stream = StreamId::new(StreamKind::Product, maker.id(team, "product"));
    let now = app.clock.now();
    let mut request = maker.request(app, team);
    request = request.event(NewEvent::new(stream, now, ProductRegistered { name: name.clone() }));
    if url.is_some() || !metadata.is_empty() {
        let more = ProductUpdated { name: None, url, metadata: Some(metadata) };
        request = request.event(NewEvent::new(stream, now, more));
    }
    maker.append(app, request, stream).await?;
    Ok(NewProduct { id: stream.id, name })
}

/// The product as the ledger has it now.
///
/// # Errors
/// When there is none of this id, or it is no longer sold.
pub async fn find(app: &App, team: TeamId, product_id: Uuid) -> Result<Product, AdminError> {
    app.catch_up(&[view::PRODUCTS]).await?;
    let found = app.views.team(team).product(product_id).await?;
    found.ok_or_else(|| AdminError::NotFound { what: "product", id: product_id.to_string(), list: "product list" })
}

/// Says anew what a product is. What is so already is not recorded again.
///
/// # Errors
/// When there is no such product, or what is said of it cannot be used.
pub async fn update(
    app: &App,
    actor: &str,
    team: TeamId,
    product_id: Uuid,
    new: &Description,
) -> Result<(), AdminError> {
    let new = new.checked()?;
    change(app, actor, team, product_id, |product| {
        let update = ProductUpdated {
            name: (new.name != product.name).then(|| new.name.clone()),
            url: (new.url != product.url).then(|| new.url.clone().unwrap_or_default()),
            metadata: (new.metadata != product.metadata).then(|| new.metadata.clone()),
        };
        (update != ProductUpdated::default()).then(|| update.into())
    })
    .await
}

/// Takes a product off the shelf. Licences that were sold stay what they are.
///
/// # Errors
/// When there is no such product.
pub async fn remove(app: &App, actor: &str, team: TeamId, product_id: Uuid) -> Result<(), AdminError> {
    change(app, actor, team, product_id, |_| Some(ProductRemoved {}.into())).await
}

async fn change(
    app: &App,
    actor: &str,
    team: TeamId,
    product_id: Uuid,
    decide: impl Fn(&Product) -> Option<Event>,
) -> Result<(), AdminError> {
    let stream = StreamId::new(StreamKind::Product, product_id);
    for _ in 0..CONFLICTS_MAX {
        let product = find(app, team, product_id).await?;
        let Some(event) = decide(&product) else { return Ok(()) };
        let event = NewEvent::new(stream, app.clock.now(), event);
        if append(app, actor, team, product.version, event).await? {
            return Ok(());
        }
    }
    Err(AdminError::Contended)
}

/// A team's products, those that it sells no longer too, oldest first: licences of them are still there.
///
/// # Errors
/// When the views do not answer.
pub async fn ever(app: &App, team: TeamId) -> Result<Vec<Product>, AdminError> {
    app.catch_up(&[view::PRODUCTS]).await?;
    Ok(app.views.team(team).products_ever().await?)
}

/// A team's products, oldest first.
///
/// # Errors
/// When there is no such team.
pub async fn list(app: &App, team: TeamId) -> Result<Vec<Product>, AdminError> {
    teams::find(app, team).await?;
    app.catch_up(&[view::PRODUCTS]).await?;
    Ok(app.views.team(team).products().await?)
}
