//! Reading deliveries.

use keyledger_events::{StreamId, Timestamp};
use uuid::Uuid;

use super::{DeliveriesFold, Delivery, DeliveryState};
use crate::db::{Value, ViewStore};
use crate::due::waiting;
use crate::error::QueryError;
use crate::fold::Fold as _;
use crate::page::{Conditions, Page, list};
use crate::team_views::{TeamViews, state};

impl TeamViews<'_> {
    /// A mail by the id of its stream.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn delivery(&self, id: Uuid) -> Result<Option<Delivery>, QueryError> {
        self.document::<DeliveriesFold>(id).await
    }

    /// Mails, newest first. No state means all of them.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn deliveries(&self, states: &[DeliveryState], page: Page) -> Result<Vec<Delivery>, QueryError> {
        let states: Vec<_> = states.iter().map(|state| state.as_str()).collect();
        let conditions = Conditions::default().equal("team", self.team);
        let conditions = conditions.one_of_rare("state", DeliveryState::Sent.as_str(), &states);
        self.list_deliveries(conditions, page).await
    }

    /// The mails of a purchase, newest first.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn deliveries_of_purchase(&self, purchase: StreamId) -> Result<Vec<Delivery>, QueryError> {
        let conditions =
            Conditions::default().equal("team", self.team).equal("purchase", Value::text(purchase.to_string()));
        self.list_deliveries(conditions, Page::default()).await
    }

    /// The mails to a customer, newest first.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn deliveries_to(&self, customer_id: Uuid) -> Result<Vec<Delivery>, QueryError> {
        let conditions = Conditions::default().equal("team", self.team).equal("customer_id", customer_id);
        self.list_deliveries(conditions, Page::default()).await
    }

    async fn list_deliveries(&self, conditions: Conditions, page: Page) -> Result<Vec<Delivery>, QueryError> {
        let decode = state::<DeliveriesFold>;
        list(self.views, DeliveriesFold::NAME, "requested_position", conditions, page, decode).await
    }
}

impl ViewStore {
    /// The mails of all teams that wait to be sent at `now`, in the order they were requested.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn pending_deliveries(&self, now: Timestamp, limit: u32) -> Result<Vec<Delivery>, QueryError> {
        let (first, last) = waiting(now, Delivery::WAIT_MS_MAX);
        let sql = "SELECT doc FROM {table} WHERE ready_at IS NOT NULL AND ready_at NOT BETWEEN $1 AND $2 \
                   ORDER BY requested_position LIMIT $3";
        let rows =
            self.query(DeliveriesFold::NAME, sql, vec![first.into(), last.into(), i64::from(limit).into()]).await?;
        rows.iter().map(state::<DeliveriesFold>).collect()
    }
}
