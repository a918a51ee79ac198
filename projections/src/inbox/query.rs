//! Reading the inbox.

use keyledger_events::event::inbox::Provider;
use keyledger_events::{Position, Timestamp};
use uuid::Uuid;

use super::{InboxEntry, InboxFold, Outcome};
use crate::db::{Value, ViewStore};
use crate::due::waiting;
use crate::error::QueryError;
use crate::fold::Fold as _;
use crate::page::{Conditions, Page, list, total};
use crate::team_views::{TeamViews, state};

/// Which provider events are wanted. The default is all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InboxFilter {
    /// From this provider.
    pub provider: Option<Provider>,
    /// Of this type, in the provider's words.
    pub event_type: Option<String>,
    /// With this id of the provider's.
    pub provider_event_id: Option<String>,
    /// That came to one of these; none means any.
    pub outcomes: Vec<Outcome>,
    /// Recorded at this time or later.
    pub received_from: Option<Timestamp>,
    /// Recorded before this time.
    pub received_until: Option<Timestamp>,
    /// Whose reason, or what they did, has this text in it; a letter from A to Z in either case.
    pub reason: Option<String>,
}

impl TeamViews<'_> {
    /// A provider event by the id of its stream.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn inbox_entry(&self, id: Uuid) -> Result<Option<InboxEntry>, QueryError> {
        self.document::<InboxFold>(id).await
    }

    /// A provider event by the provider's id.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn inbox_by_provider_event(
        &self,
        provider: Provider,
        provider_event_id: &str,
    ) -> Result<Option<InboxEntry>, QueryError> {
        let sql = "SELECT doc FROM {table} WHERE team = $1 AND provider = $2 AND provider_event_id = $3";
        let args = vec![self.team.into(), Value::text(provider.as_str()), Value::lookup(provider_event_id)];
        let rows = self.views.query(InboxFold::NAME, sql, args).await?;
        rows.first().map(state::<InboxFold>).transpose()
    }

    /// Provider events, newest first. No outcome means all of them.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn inbox(&self, outcomes: &[Outcome], page: Page) -> Result<Vec<InboxEntry>, QueryError> {
        self.search_inbox(&InboxFilter { outcomes: outcomes.to_vec(), ..InboxFilter::default() }, page).await
    }

    /// The provider events that are wanted, newest first.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn search_inbox(&self, filter: &InboxFilter, page: Page) -> Result<Vec<InboxEntry>, QueryError> {
        let conditions = self.inbox_conditions(filter);
        list(self.views, InboxFold::NAME, "received_position", conditions, page, state::<InboxFold>).await
    }

    /// How many provider events are wanted.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn count_inbox(&self, filter: &InboxFilter) -> Result<u64, QueryError> {
        total(self.views, InboxFold::NAME, self.inbox_conditions(filter)).await
    }

    fn inbox_conditions(&self, filter: &InboxFilter) -> Conditions {
        let providers = filter.provider.map_or(Provider::ALL.to_vec(), |provider| vec![provider]);
        let outcomes: Vec<_> = filter.outcomes.iter().map(|outcome| outcome.as_str()).collect();
        Conditions::default()
            .equal("team", self.team)
            .one_of_each("provider", &providers.iter().map(|provider| provider.as_str()).collect::<Vec<_>>())
            .one_of_rare("outcome", Outcome::Applied.as_str(), &outcomes)
            .equal_if("event_type", filter.event_type.as_deref().map(Value::text))
            .equal_if("provider_event_id", filter.provider_event_id.as_deref().map(Value::lookup))
            .at_least("received_at", filter.received_from)
            .less("received_at", filter.received_until)
            .contains("reason", filter.reason.as_deref())
    }
}

impl ViewStore {
    /// The provider events of all teams that wait to be interpreted at `now`, in the order they came in, behind one that
    /// was recorded at `after`.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn pending_inbox(
        &self,
        now: Timestamp,
        after: Position,
        limit: u32,
    ) -> Result<Vec<InboxEntry>, QueryError> {
        let (first, last) = waiting(now, InboxEntry::WAIT_MS_MAX);
        let sql = "SELECT doc FROM {table} WHERE ready_at IS NOT NULL AND ready_at NOT BETWEEN $1 AND $2 \
                   AND received_position > $3 ORDER BY received_position LIMIT $4";
        let args = vec![first.into(), last.into(), after.into(), i64::from(limit).into()];
        let rows = self.query(InboxFold::NAME, sql, args).await?;
        rows.iter().map(state::<InboxFold>).collect()
    }
}
