//! Reading customers.

use uuid::Uuid;

use super::{Customer, CustomersFold};
use crate::error::QueryError;
use crate::team_views::TeamViews;

impl TeamViews<'_> {
    /// A buyer; `None` when the team has none of this id.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn customer(&self, id: Uuid) -> Result<Option<Customer>, QueryError> {
        self.document::<CustomersFold>(id).await
    }

    /// The buyers with these ids, in no particular order.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn customers(&self, ids: &[Uuid]) -> Result<Vec<Customer>, QueryError> {
        self.documents::<CustomersFold>(ids).await
    }
}
