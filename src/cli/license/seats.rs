//! `keyledger license seats` and `keyledger license forget`

use keyledger_events::TeamId;
use uuid::Uuid;

use crate::admin::{ACTOR_CLI, seats};
use crate::app::App;
use crate::cli::cell;
use crate::cli::list::List;
use crate::cli::output::{Output, note};

pub(super) async fn list(app: &App, team: Option<TeamId>, id: Uuid, output: &mut Output) -> anyhow::Result<()> {
    let found = seats::list(app, team, id).await?;
    let mut rows = List::begin(output, ["KIND", "IDENTIFIER", "STATUS", "LAST SEEN", "ID"]);
    for seat in &found {
        rows.push(seat, || {
            [
                seat.kind.as_str().to_owned(),
                cell::text(seat.identifier.as_deref().unwrap_or("(cannot be read any more)")),
                seat.status.as_str().to_owned(),
                cell::time(seat.last_seen_at),
                seat.id.to_string(),
            ]
        })?;
    }
    Ok(rows.finish("nobody was seen with this licence")?)
}

pub(super) async fn forget(
    app: &App,
    team: Option<TeamId>,
    id: Uuid,
    seat: Uuid,
    output: &mut Output,
) -> anyhow::Result<()> {
    let changed = seats::forget(app, ACTOR_CLI, team, id, seat).await?;
    if output.json {
        return Ok(output.document(&serde_json::json!({ "id": seat, "changed": changed }))?);
    }
    note(if changed { "done: the seat is free" } else { "nothing to do: it holds no seat" });
    Ok(())
}
