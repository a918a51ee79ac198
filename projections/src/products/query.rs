//! Reading products.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::{Product, ProductsFold};
use crate::error::QueryError;
use crate::fold::Fold as _;
use crate::team_views::{TeamViews, state};

impl TeamViews<'_> {
    /// A product; `None` when the team has none of this id, or sells it no longer.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn product(&self, id: Uuid) -> Result<Option<Product>, QueryError> {
        Ok(self.document::<ProductsFold>(id).await?.filter(|product| !product.removed))
    }

    /// All products that are sold, oldest first.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn products(&self) -> Result<Vec<Product>, QueryError> {
        let mut products = self.products_ever().await?;
        products.retain(|product| !product.removed);
        Ok(products)
    }

    /// All products, those that are no longer sold too, oldest first.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn products_ever(&self) -> Result<Vec<Product>, QueryError> {
        let sql = "SELECT doc FROM {table} WHERE team = $1 ORDER BY created_position";
        let rows = self.views.query(ProductsFold::NAME, sql, vec![self.team.into()]).await?;
        rows.iter().map(state::<ProductsFold>).collect()
    }

    /// Those of `ids` that are products which the team sells.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn existing_products(&self, ids: &[Uuid]) -> Result<HashSet<Uuid>, QueryError> {
        let found = self.documents::<ProductsFold>(ids).await?;
        Ok(found.into_iter().filter(|product| !product.removed).map(|product| product.id).collect())
    }

    /// The names of these products, of those that are no longer sold too.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn product_names(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, String>, QueryError> {
        let found = self.documents::<ProductsFold>(ids).await?;
        Ok(found.into_iter().map(|product| (product.id, product.name)).collect())
    }
}
