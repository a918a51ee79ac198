//! Reading licences.

use keyledger_events::StreamId;
use keyledger_events::event::inbox::Provider;
use uuid::Uuid;

use super::{License, LicensesFold};
use crate::db::Value;
use crate::error::QueryError;
use crate::fold::Fold as _;
use crate::page::{Conditions, Page, list};
use crate::team_views::{TeamViews, state};

/// Which licences are wanted. The default is all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LicenseFilter {
    /// Those of one purchase.
    pub purchase: Option<StreamId>,
    /// Those of one buyer.
    pub customer_id: Option<Uuid>,
    /// Those sold through one provider.
    pub provider: Option<Provider>,
}

impl TeamViews<'_> {
    /// A licence; `None` when the team has none of this id.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn license(&self, id: Uuid) -> Result<Option<License>, QueryError> {
        self.document::<LicensesFold>(id).await
    }

    /// The licences with these ids, in no particular order.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn licenses_by_ids(&self, ids: &[Uuid]) -> Result<Vec<License>, QueryError> {
        self.documents::<LicensesFold>(ids).await
    }

    /// Licences, newest first.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn licenses(&self, filter: &LicenseFilter, page: Page) -> Result<Vec<License>, QueryError> {
        let conditions = Conditions::default()
            .equal("team", self.team)
            .equal_if("purchase", filter.purchase.map(|purchase| Value::text(purchase.to_string())))
            .equal_if("customer_id", filter.customer_id)
            .equal_if("provider", filter.provider.map(|provider| Value::text(provider.as_str())));
        list(self.views, LicensesFold::NAME, "created_position", conditions, page, state::<LicensesFold>).await
    }
}
