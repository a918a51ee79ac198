//! `GET /teams/{teamId}/live?after=<position>`: whether anything has happened in the team since an open page was made. A
//! page asks every few seconds while somebody looks at it; if so it asks for its newer self, with its reader's own
//! rights. A stream for each page would be quicker by a second, but a browser keeps six connections to a server at most,
//! so with a few tabs open nothing else would come through.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse as _;
use keyledger_events::{Position, TeamId};
use serde::Serialize;

use super::page::Answer;
use super::paging::position;
use super::viewer::{Viewer, applied};
use crate::app::App;
use crate::http::Front;

/// Events that are looked through for one of the team; behind more, something of it is taken for granted.
const LOOKED_THROUGH_MAX: u32 = 200;

/// What an open page is told.
#[derive(Debug, Serialize)]
struct News {
    /// How far the views are: what to ask from next time.
    position: Position,
    /// Whether something of the team is new.
    changed: bool,
}

/// The answer.
pub(super) async fn news(viewer: Viewer, State(front): State<Front>) -> Answer {
    let head = applied(&front.app);
    let after = position(&viewer.query, "after")?.unwrap_or(head);
    let changed = head > after && concerns_team(&front.app, viewer.team_id(), after, head).await;
    Ok(Json(News { position: head.max(after), changed }).into_response())
}

/// Whether one of the events behind `after` and up to `head` is the team's. What cannot be read counts as one: the page
/// will see.
async fn concerns_team(app: &App, team: TeamId, after: Position, head: Position) -> bool {
    match app.ledger.read(after, LOOKED_THROUGH_MAX).await {
        Ok(events) => {
            let all = events.last().is_some_and(|last| last.position >= head);
            !all || events.iter().any(|event| event.team == team && event.position <= head)
        }
        Err(_) => true,
    }
}
