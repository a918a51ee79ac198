//! Hooks: listed, sent again, and one to try an endpoint with.

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use keyledger_events::event::webhook::{HookRedeliveryRequested, HookTestRequested};
use keyledger_events::{AppendOutcome, AppendRequest, NewEvent, StreamId, StreamKind, TeamId, Timestamp, id};
use keyledger_projections::{Hook, HookState, Page, view};
use uuid::Uuid;

use super::find;
use crate::admin::{AdminError, CONFLICTS_MAX, append, by};
use crate::app::App;

/// Hooks read at once.
const PAGE: u32 = 500;
/// Hooks asked for again at the same time.
const CONCURRENT_MAX: usize = 32;

/// A page of an endpoint's hooks, those of the latest events first. No state means all of them.
///
/// # Errors
/// When there is no such endpoint.
pub async fn deliveries(
    app: &App,
    team: TeamId,
    webhook_id: Uuid,
    states: &[HookState],
    page: Page,
) -> Result<Vec<Hook>, AdminError> {
    find(app, team, webhook_id).await?;
    Ok(app.views.team(team).hooks(webhook_id, states, page).await?)
}

/// The hook as the ledger has it now.
///
/// # Errors
/// When there is none of this id.
pub async fn find_hook(app: &App, team: TeamId, hook_id: Uuid) -> Result<Hook, AdminError> {
    app.catch_up(&[view::WEBHOOKS]).await?;
    let list = "webhook deliveries ID";
    let missing = || AdminError::NotFound { what: "delivery", id: hook_id.to_string(), list };
    app.views.team(team).hook(hook_id).await?.ok_or_else(missing)
}

/// Asks for a hook to be sent again, whatever became of it, under the same `webhook-id`.
///
/// # Errors
/// When there is none of this id, or its endpoint is switched off or removed.
pub async fn redeliver(app: &App, actor: &str, team: TeamId, hook_id: Uuid) -> Result<Hook, AdminError> {
    for _ in 0..CONFLICTS_MAX {
        let hook = find_hook(app, team, hook_id).await?;
        if !find(app, team, hook.endpoint_id).await?.enabled {
            let message = format!("the webhook {} is switched off; enable it first", hook.endpoint_id);
            return Err(AdminError::Refused(message));
        }
        // It is on its way: nothing is to be asked for.
        if hook.state == HookState::Pending {
            return Ok(hook);
        }
        let stream = StreamId::new(StreamKind::Hook, hook.id);
        let asked = HookRedeliveryRequested { endpoint_id: hook.endpoint_id };
        if append(app, actor, team, hook.version, NewEvent::new(stream, app.clock.now(), asked)).await? {
            return find_hook(app, team, hook_id).await;
        }
    }
    Err(AdminError::Contended)
}

/// Asks for everything that did not get through and was asked for at or after `since`; tells how many that are.
///
/// # Errors
/// As [`redeliver`].
pub async fn redeliver_failed(
    app: &App,
    actor: &str,
    team: TeamId,
    webhook_id: Uuid,
    since: Timestamp,
) -> Result<u64, AdminError> {
    let (mut asked_for, mut before) = (0, None);
    loop {
        let page = Page { before, limit: Some(PAGE) };
        let found = deliveries(app, team, webhook_id, &[HookState::Failed, HookState::Abandoned], page).await?;
        let Some(last) = found.last() else { return Ok(asked_for) };
        before = Some(last.source.position);
        let wanted =
            found.iter().filter(|hook| hook.requested_at >= since).map(|hook| redeliver(app, actor, team, hook.id));
        let wanted: Vec<_> = wanted.collect();
        let done: Vec<Hook> = stream::iter(wanted).buffer_unordered(CONCURRENT_MAX).try_collect().await?;
        asked_for += u64::try_from(done.len()).unwrap_or(u64::MAX);
    }
}

/// Asks for a hook that tells of nothing, to see it arrive.
///
/// # Errors
/// When there is no such endpoint, or it is switched off.
pub async fn test(app: &App, actor: &str, team: TeamId, webhook_id: Uuid) -> Result<Hook, AdminError> {
    if !find(app, team, webhook_id).await?.enabled {
        return Err(AdminError::Refused(format!("the webhook {webhook_id} is switched off; enable it first")));
    }
    let stream = StreamId::new(StreamKind::Hook, id::fresh());
    let event = NewEvent::new(stream, app.clock.now(), HookTestRequested { endpoint_id: webhook_id });
    let request = AppendRequest::new(team, by(actor)).expect(stream, 0).event(event);
    let AppendOutcome::Appended { .. } = app.writer.append(request).await? else { return Err(AdminError::Contended) };
    find_hook(app, team, stream.id).await
}
