//! Reading endpoints and hooks.

use keyledger_events::Timestamp;
use uuid::Uuid;

use super::rows::Document;
use super::{Endpoint, Hook, HookState, WebhooksProjection};
use crate::db::{Row, ViewStore};
use crate::due::waiting;
use crate::error::QueryError;
use crate::page::{Conditions, Page, list};
use crate::team_views::TeamViews;

const NAME: &str = WebhooksProjection::NAME;

/// Which endpoints have a hook to send, found by jumping from one to the next in the index of work: however many hooks
/// one of them has waiting, the others are seen. No hook waiting is one look into an empty index.
const WAITING: &str = "WITH RECURSIVE waiting(endpoint) AS ( \
    SELECT (SELECT endpoint FROM {table} WHERE ready_at IS NOT NULL AND endpoint > $1 \
            ORDER BY endpoint, ready_at LIMIT 1) \
    UNION ALL \
    SELECT (SELECT further.endpoint FROM {table} AS further \
            WHERE further.ready_at IS NOT NULL AND further.endpoint > waiting.endpoint \
            ORDER BY further.endpoint, further.ready_at LIMIT 1) \
    FROM waiting WHERE waiting.endpoint IS NOT NULL \
) SELECT endpoint FROM waiting WHERE endpoint IS NOT NULL AND ( \
    SELECT first.ready_at FROM {table} AS first \
    WHERE first.endpoint = waiting.endpoint AND first.ready_at IS NOT NULL ORDER BY first.ready_at LIMIT 1 \
) NOT BETWEEN $2 AND $3 LIMIT $4";

fn document(row: &Row) -> Result<Document, QueryError> {
    Document::of(row).map_err(|message| QueryError::Corrupt { view: NAME, message })
}

fn corrupt(what: &str) -> QueryError {
    QueryError::Corrupt { view: NAME, message: format!("the row is no {what}") }
}

fn endpoint(row: &Row) -> Result<Endpoint, QueryError> {
    match document(row)? {
        Document::Endpoint(endpoint) => Ok(*endpoint),
        Document::Hook(_) => Err(corrupt("endpoint")),
    }
}

fn hook(row: &Row) -> Result<Hook, QueryError> {
    match document(row)? {
        Document::Hook(hook) => Ok(*hook),
        Document::Endpoint(_) => Err(corrupt("hook")),
    }
}

impl TeamViews<'_> {
    /// The team's endpoints that there are, oldest first.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn webhooks(&self) -> Result<Vec<Endpoint>, QueryError> {
        let sql = "SELECT doc FROM {table} WHERE team = $1 AND row = 0 AND state = 'known' ORDER BY position";
        self.views.query(NAME, sql, vec![self.team.into()]).await?.iter().map(endpoint).collect()
    }

    /// An endpoint that there is.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn webhook(&self, id: Uuid) -> Result<Option<Endpoint>, QueryError> {
        let sql = "SELECT doc FROM {table} WHERE team = $1 AND row = 0 AND id = $2 AND state = 'known'";
        let rows = self.views.query(NAME, sql, vec![self.team.into(), id.into()]).await?;
        rows.first().map(endpoint).transpose()
    }

    /// A hook.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn hook(&self, id: Uuid) -> Result<Option<Hook>, QueryError> {
        let sql = "SELECT doc FROM {table} WHERE team = $1 AND row = 1 AND id = $2";
        let rows = self.views.query(NAME, sql, vec![self.team.into(), id.into()]).await?;
        rows.first().map(hook).transpose()
    }

    /// An endpoint's hooks, those of the latest events first. No state means all of them.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn hooks(&self, endpoint_id: Uuid, states: &[HookState], page: Page) -> Result<Vec<Hook>, QueryError> {
        let conditions = Conditions::default()
            .equal("team", self.team)
            .equal("endpoint", endpoint_id)
            .one_of("state", states.iter().map(|state| state.as_str()));
        list(self.views, NAME, "position", conditions, page, hook).await
    }
}

impl ViewStore {
    /// The endpoints of all teams to which a hook may be sent at `now`, in order of their ids, those behind `after` (nil
    /// for all of them).
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn endpoints_waiting(&self, now: Timestamp, after: Uuid, limit: u32) -> Result<Vec<Uuid>, QueryError> {
        let (first, last) = waiting(now, Hook::WAIT_MS_MAX);
        let args = vec![after.into(), first.into(), last.into(), i64::from(limit).into()];
        let rows = self.query(NAME, WAITING, args).await?;
        rows.iter().map(|row| Ok(row.uuid(0)?)).collect()
    }

    /// The hooks that may be sent to an endpoint at `now`: those not tried yet in the order of their events, then those
    /// that are to be tried again.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn pending_hooks(&self, endpoint_id: Uuid, now: Timestamp, limit: u32) -> Result<Vec<Hook>, QueryError> {
        let (first, last) = waiting(now, Hook::WAIT_MS_MAX);
        let mut found = Vec::new();
        // Each is one end of the index: what waits in between may be long.
        for (due, bound) in [("<", first), (">", last)] {
            let left = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(found.len());
            if left == 0 {
                break;
            }
            let sql = format!(
                "SELECT doc FROM {{table}} WHERE endpoint = $1 AND ready_at IS NOT NULL AND ready_at {due} $2 \
                 ORDER BY ready_at, position LIMIT $3"
            );
            let args = vec![endpoint_id.into(), bound.into(), i64::try_from(left).unwrap_or(i64::MAX).into()];
            found.extend(self.query(NAME, &sql, args).await?);
        }
        found.iter().map(hook).collect()
    }
}
