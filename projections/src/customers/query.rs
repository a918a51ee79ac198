//! Reading customers.

use uuid::Uuid;

use super::{Customer, CustomersFold};
use crate::db::Value;
use crate::error::QueryError;
use crate::fold::Fold as _;
use crate::page::{Conditions, NumberedPage, Page, list, numbered, total};
use crate::team_views::{TeamViews, state};

impl TeamViews<'_> {
    /// A customer; `None` when the team has none of this id, or took them off the list.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn customer(&self, id: Uuid) -> Result<Option<Customer>, QueryError> {
        Ok(self.document::<CustomersFold>(id).await?.filter(|customer| !customer.removed))
    }

    /// A numbered page of customers; with a mail address's fingerprint, only those who have it.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn customers_page(
        &self,
        email_lookup: Option<&str>,
        page: NumberedPage,
    ) -> Result<Vec<Customer>, QueryError> {
        let conditions = self.listed_customers().equal_if("email_lookup", email_lookup.map(Value::text));
        numbered(self.views, CustomersFold::NAME, conditions, page, state::<CustomersFold>).await
    }

    /// Customers, newest first.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn listed_customers_page(&self, page: Page) -> Result<Vec<Customer>, QueryError> {
        let conditions = self.listed_customers();
        list(self.views, CustomersFold::NAME, "created_position", conditions, page, state::<CustomersFold>).await
    }

    /// How many customers there are; with a mail address's fingerprint, how many have it.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn count_customers(&self, email_lookup: Option<&str>) -> Result<u64, QueryError> {
        let conditions = self.listed_customers().equal_if("email_lookup", email_lookup.map(Value::text));
        total(self.views, CustomersFold::NAME, conditions).await
    }

    /// The customers, those taken off the list among them, who have this mail address's fingerprint, or whom a provider
    /// knows by this id.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn customers_named(
        &self,
        email_lookup: Option<&str>,
        provider_customer: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Customer>, QueryError> {
        let mut found = Vec::new();
        for (column, value) in [("email_lookup", email_lookup), ("provider_customer", provider_customer)] {
            let Some(value) = value else { continue };
            let sql = format!("SELECT doc FROM {{table}} WHERE team = $1 AND {column} = $2 LIMIT $3");
            let args = vec![self.team.into(), Value::lookup(value), i64::from(limit).into()];
            for row in self.views.query(CustomersFold::NAME, &sql, args).await? {
                found.push(state::<CustomersFold>(&row)?);
            }
        }
        Ok(found)
    }

    fn listed_customers(&self) -> Conditions {
        Conditions::default().equal("team", self.team).equal("removed", false)
    }

    /// The customers with these ids, those taken off the list among them, in no particular order.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn customers(&self, ids: &[Uuid]) -> Result<Vec<Customer>, QueryError> {
        self.documents::<CustomersFold>(ids).await
    }
}
