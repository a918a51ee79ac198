//! What a Stripe product entitles to: from what the purchase knows already, from the event where Stripe put the
//! product into it, or from Stripe.

use std::collections::BTreeMap;

use keyledger_events::event::license::Offer;
use keyledger_projections::view;
use uuid::Uuid;

use super::{Context, Stop};
use crate::licensing::purchase::Purchase;
use crate::providers::draft::DraftError;
use crate::providers::stripe::api::ApiError;
use crate::providers::stripe::metadata::{SaleKind, read_offer, well_formed_ids};

/// What came of looking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// The product has no `product_id`.
    NotOurs,
    /// An offer, and what the seller should know of it.
    Offer(Offer, Vec<String>),
    /// It is meant to be ours, but its metadata cannot be honoured.
    Bad(Vec<String>),
}

/// What came of asking Stripe.
enum Looked {
    Found(Found),
    /// Stripe does not have the product any more, for this reason.
    Gone(String),
}

impl From<Looked> for Found {
    fn from(looked: Looked) -> Self {
        match looked {
            Looked::Found(found) => found,
            Looked::Gone(reason) => Self::Bad(vec![reason]),
        }
    }
}

impl Context<'_> {
    /// The offer of a product of a subscription, without a call where the purchase has met it before. Stripe is asked again
    /// about what was none of ours, for it may have become ours; where Stripe does not answer or has it no more, it still is
    /// not.
    pub(super) async fn subscription_offer(
        &self,
        purchase: &Purchase,
        product: Option<&str>,
        metadata: Option<&BTreeMap<String, String>>,
    ) -> Result<Found, Stop> {
        if let Some(offer) = product.and_then(|product| purchase.known_offer(product)) {
            return Ok(Found::Offer(offer.clone(), Vec::new()));
        }
        let is_not_ours = product.is_some_and(|product| purchase.is_not_ours(product));
        match self.look(product, metadata, SaleKind::Subscription).await {
            Err(Stop::Later(_)) | Ok(Looked::Gone(_)) if is_not_ours => Ok(Found::NotOurs),
            looked => looked.map(Found::from),
        }
    }

    /// The offer of a product, from its metadata where the event brought it along.
    pub(super) async fn offer(
        &self,
        product: Option<&str>,
        metadata: Option<&BTreeMap<String, String>>,
        kind: SaleKind,
    ) -> Result<Found, Stop> {
        self.look(product, metadata, kind).await.map(Found::from)
    }

    async fn look(
        &self,
        product: Option<&str>,
        metadata: Option<&BTreeMap<String, String>>,
        kind: SaleKind,
    ) -> Result<Looked, Stop> {
        match (metadata, product) {
            (Some(metadata), _) => self.read(product.unwrap_or("without id"), metadata, kind).await.map(Looked::Found),
            (None, Some(product)) => {
                let answer = match self.api()?.product(product).await {
                    Err(error @ ApiError::NotFound { .. }) => return Ok(Looked::Gone(error.to_string())),
                    answer => answer?,
                };
                if answer.deleted {
                    return Ok(Looked::Gone(format!("the Stripe product `{product}` was deleted")));
                }
                self.read(product, &answer.metadata, kind).await.map(Looked::Found)
            }
            (None, None) => Ok(Looked::Found(Found::NotOurs)),
        }
    }

    async fn read(&self, product: &str, metadata: &BTreeMap<String, String>, kind: SaleKind) -> Result<Found, Stop> {
        let of_product = |reason: String| format!("Stripe product `{product}`: {reason}");
        match read_offer(metadata, kind) {
            Ok(None) => Ok(Found::NotOurs),
            Err(reasons) => {
                let unknown = self.unknown_products(&well_formed_ids(metadata)).await?;
                Ok(Found::Bad(reasons.into_iter().chain(unknown).map(of_product).collect()))
            }
            Ok(Some(draft)) => {
                let unknown = self.unknown_products(&draft.offer.product_ids).await?;
                if unknown.is_empty() {
                    return Ok(Found::Offer(draft.offer, draft.warnings.into_iter().map(of_product).collect()));
                }
                Ok(Found::Bad(unknown.into_iter().map(of_product).collect()))
            }
        }
    }

    /// Says which products the team does not have, denied only after catching up with the ledger.
    async fn unknown_products(&self, ids: &[Uuid]) -> Result<Vec<String>, Stop> {
        if ids.iter().all(|id| self.team.products.contains_key(id)) {
            return Ok(Vec::new());
        }
        self.app.catch_up(&[view::PRODUCTS]).await.map_err(DraftError::from)?;
        let existing = self.app.views.team(self.team_id()).existing_products(ids).await;
        let existing = existing.map_err(|error| DraftError::Directory(error.into()))?;
        let unknown = ids.iter().filter(|id| !existing.contains(*id));
        Ok(unknown.map(|id| format!("`product_id` names {id}, which is no product of this team")).collect())
    }
}
