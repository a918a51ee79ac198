//! Reading licences.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use keyledger_events::StreamId;
use keyledger_events::event::inbox::Origin;
use uuid::Uuid;

use super::{License, LicensesFold};
use crate::db::Value;
use crate::error::QueryError;
use crate::fold::Fold as _;
use crate::page::{Conditions, NumberedPage, Order, Page, list, numbered, total};
use crate::team_views::{TeamViews, state};

/// Licences of customers that are looked up by their ids; whoever holds more is met soon on a walk through the list.
const LOOKED_UP_MAX: usize = 1_000;

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

impl LicenseFilter {
    /// Whether a licence is one of them.
    pub fn wants(&self, license: &License) -> bool {
        let one_of = |wanted: &[Uuid], ids: &[Uuid]| wanted.is_empty() || ids.iter().any(|id| wanted.contains(id));
        self.purchase.is_none_or(|purchase| license.purchase == purchase)
            && self.provider.is_none_or(|provider| license.provider == provider)
            && one_of(&self.customer_ids, license.customer_ids())
            && one_of(&self.product_ids, license.product_ids())
    }
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

    /// Licences, newest first. Where customers are named, `timeline` is read beside `licenses`.
    ///
    /// # Errors
    /// When a view cannot be read.
    pub async fn licenses(&self, filter: &LicenseFilter, page: Page) -> Result<Vec<License>, QueryError> {
        if let Some(mut held) = self.held(filter).await? {
            held.retain(|license| page.before.is_none_or(|before| license.created_position < before));
            held.sort_by_key(|license| Reverse(license.created_position));
            held.truncate(page.limit.map_or(usize::MAX, size));
            return Ok(held);
        }
        let conditions = self.conditions(filter);
        list(self.views, LicensesFold::NAME, "created_position", conditions, page, state::<LicensesFold>).await
    }

    /// A numbered page of licences. Where customers are named, `timeline` is read beside `licenses`.
    ///
    /// # Errors
    /// When a view cannot be read.
    pub async fn licenses_page(&self, filter: &LicenseFilter, page: NumberedPage) -> Result<Vec<License>, QueryError> {
        if let Some(mut held) = self.held(filter).await? {
            held.sort_by_key(|license| match page.order {
                Order::Created => license.created_position,
                Order::Updated => license.updated_position,
            });
            if !page.ascending {
                held.reverse();
            }
            return Ok(held.into_iter().skip(size(page.offset)).take(size(page.limit)).collect());
        }
        numbered(self.views, LicensesFold::NAME, self.conditions(filter), page, state::<LicensesFold>).await
    }

    /// How many licences there are. Where customers are named, `timeline` is read beside `licenses`.
    ///
    /// # Errors
    /// When a view cannot be read.
    pub async fn count_licenses(&self, filter: &LicenseFilter) -> Result<u64, QueryError> {
        if let Some(held) = self.held(filter).await? {
            return Ok(u64::try_from(held.len()).unwrap_or(u64::MAX));
        }
        total(self.views, LicensesFold::NAME, self.conditions(filter)).await
    }

    /// All that a filter wants, in no particular order, when it names customers who never held more than a few: what each
    /// holds is known without a look at what all others do.
    async fn held(&self, filter: &LicenseFilter) -> Result<Option<Vec<License>>, QueryError> {
        if filter.customer_ids.is_empty() {
            return Ok(None);
        }
        let mut ids = BTreeSet::new();
        for customer_id in &filter.customer_ids {
            ids.extend(self.licenses_ever_of(*customer_id, LOOKED_UP_MAX + 1).await?);
            if ids.len() > LOOKED_UP_MAX {
                return Ok(None);
            }
        }
        let mut held = self.licenses_by_ids(&ids.into_iter().collect::<Vec<_>>()).await?;
        held.retain(|license| filter.wants(license));
        Ok(Some(held))
    }

    fn conditions(&self, filter: &LicenseFilter) -> Conditions {
        Conditions::default()
            .equal("team", self.team)
            .equal_if("purchase", filter.purchase.map(|purchase| Value::text(purchase.to_string())))
            .equal_if("provider", filter.provider.map(|provider| Value::text(provider.as_str())))
            .names_one_of("customers", &filter.customer_ids)
            .names_one_of_indexed("products", "bundle", &filter.product_ids)
    }
}

fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
