//! Reading products.

use std::collections::HashSet;

use uuid::Uuid;

use super::{Product, ProductsFold};
use crate::error::QueryError;
use crate::fold::Fold as _;
use crate::team_views::{TeamViews, state};

impl TeamViews<'_> {
    /// A product; `None` when the team has none of this id.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn product(&self, id: Uuid) -> Result<Option<Product>, QueryError> {
        self.document::<ProductsFold>(id).await
    }

    /// All products, oldest first.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn products(&self) -> Result<Vec<Product>, QueryError> {
        let sql = "SELECT doc FROM {table} WHERE team = $1 ORDER BY created_position";
        let rows = self.views.query(ProductsFold::NAME, sql, vec![self.team.into()]).await?;
        rows.iter().map(state::<ProductsFold>).collect()
    }

    /// Those of `ids` that are products of the team.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn existing_products(&self, ids: &[Uuid]) -> Result<HashSet<Uuid>, QueryError> {
        Ok(self.documents::<ProductsFold>(ids).await?.into_iter().map(|product| product.id).collect())
    }
}
