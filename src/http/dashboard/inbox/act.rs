//! What is done with a delivery.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use keyledger_events::event::member::RevealedKind;

use super::super::change::{Administrator, Change, Confirmed, Supporter};
use super::super::page::Answer;
use super::super::problem::Problem;
use super::show::{find, shown};
use crate::admin::{inbox, members};
use crate::http::Front;

type OfEntry = Path<(String, String)>;

/// `POST …/payload`: shows what the provider sent, and records that it was looked at.
pub(super) async fn payload(
    State(front): State<Front>,
    Path((_, id)): OfEntry,
    change: Change<Confirmed<Supporter>>,
) -> Answer {
    let (app, viewer, actor) = (&front.app, &change.viewer, change.actor());
    let entry = find(app, viewer.team_id(), &id).await?;
    let body = inbox::payload(app, &actor, &entry).await?;
    members::reveal(app, &actor, viewer.team_id(), viewer.member.id, RevealedKind::Payload, entry.id).await?;
    let text = serde_json::to_string_pretty(&body.payload).map_err(|error| Problem::internal(&error))?;
    shown(&front, viewer, &id, Some(text)).await
}

/// `POST …/retry`
pub(super) async fn retry(State(front): State<Front>, Path((_, id)): OfEntry, change: Change<Administrator>) -> Answer {
    let retried = async {
        let entry = find(&front.app, change.viewer.team_id(), &id).await?;
        let query = change.fields.raw("query").map(str::trim).map(|query| {
            url::form_urlencoded::parse(query.as_bytes()).into_owned().collect::<BTreeMap<String, String>>()
        });
        let query = query.filter(|query| *query != entry.query);
        let entry = inbox::retry(&front.app, &change.actor(), &entry, query.as_ref()).await?;
        let reason = entry.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        Ok(format!("It is {} now{reason}.", entry.outcome.as_str()))
    };
    finish(&change, &id, change.once(&front, retried).await).await
}

/// `POST …/ignore`
pub(super) async fn ignore(
    State(front): State<Front>,
    Path((_, id)): OfEntry,
    change: Change<Administrator>,
) -> Answer {
    let ignored = async {
        let reason = change.fields.required("reason", "The reason")?;
        let entry = find(&front.app, change.viewer.team_id(), &id).await?;
        inbox::ignore(&front.app, &change.actor(), &entry, reason).await?;
        Ok("The delivery is set aside.".to_owned())
    };
    finish(&change, &id, ignored.await).await
}

async fn finish<S>(change: &Change<S>, id: &str, done: Result<String, Problem>) -> Answer {
    let page = format!("inbox/{id}");
    change.done(done, &page, &page).await
}
