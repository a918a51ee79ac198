//! Products: made and listed.

use keyledger_events::event::product::ProductRegistered;
use keyledger_events::{AppendOutcome, AppendRequest, NewEvent, StreamId, StreamKind, TeamId, id};
use keyledger_projections::{Product, view};
use uuid::Uuid;

use super::{AdminError, by, names, teams};
use crate::app::App;

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
/// When there is no such team, or the name cannot be used.
pub async fn create(app: &App, actor: &str, team: TeamId, name: &str) -> Result<NewProduct, AdminError> {
    let name = names::checked("product", name)?;
    teams::find(app, team).await?;
    let stream = StreamId::new(StreamKind::Product, id::fresh());
    let event = NewEvent::new(stream, app.clock.now(), ProductRegistered { name: name.clone() });
    let request = AppendRequest::new(team, by(actor)).expect(stream, 0).event(event);
    match app.writer.append(request).await? {
        AppendOutcome::Appended { .. } => Ok(NewProduct { id: stream.id, name }),
        AppendOutcome::AlreadyApplied { .. } | AppendOutcome::Conflict { .. } => Err(AdminError::Contended),
    }
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
