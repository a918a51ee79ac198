//! Reading licences.

use keyledger_events::StreamId;
use keyledger_events::event::inbox::Origin;
use uuid::Uuid;

use super::{License, LicensesFold};
use crate::db::Value;
use crate::error::QueryError;
use crate::fold::Fold as _;
use crate::page::{Conditions, NumberedPage, Page, list, numbered, total};
use crate::team_views::{TeamViews, state};

/// Which licences are wanted. The default is all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LicenseFilter {
    /// Those of one purchase.
    pub purchase: Option<StreamId>,
    /// Those that one of these customers holds; an empty list is no condition.
    pub customer_ids: Vec<Uuid>,
    /// Those that open one of these products; an empty list is no condition.
    pub product_ids: Vec<Uuid>,
    /// Those sold through one provider.
    pub provider: Option<Origin>,
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
        let conditions = self.conditions(filter);
        list(self.views, LicensesFold::NAME, "created_position", conditions, page, state::<LicensesFold>).await
    }

    /// A numbered page of licences.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn licenses_page(&self, filter: &LicenseFilter, page: NumberedPage) -> Result<Vec<License>, QueryError> {
        numbered(self.views, LicensesFold::NAME, self.conditions(filter), page, state::<LicensesFold>).await
    }

    /// How many licences there are.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn count_licenses(&self, filter: &LicenseFilter) -> Result<u64, QueryError> {
        total(self.views, LicensesFold::NAME, self.conditions(filter)).await
    }

    fn conditions(&self, filter: &LicenseFilter) -> Conditions {
        Conditions::default()
            .equal("team", self.team)
            .equal_if("purchase", filter.purchase.map(|purchase| Value::text(purchase.to_string())))
            .equal_if("provider", filter.provider.map(|provider| Value::text(provider.as_str())))
            .names_one_of("customers", &filter.customer_ids)
            .names_one_of("products", &filter.product_ids)
    }
}
