//! The table of streams against the streams that the events make.

use keyledger_events::store::SharedProofStore;
use keyledger_events::store::proofs::{PROOF_ROWS_MAX, StreamRow};
use keyledger_events::{LedgerError, TeamId};

use super::walk::Streams;
use super::{Problem, Stopped};

/// Compares each row; `streams` are those of the events up to `head`. Of several bad rows the one whose stream ends
/// first is told.
pub(super) async fn check(proofs: &SharedProofStore, mut streams: Streams, head: i64) -> Result<(), Stopped> {
    let mut first: Option<Problem> = None;
    let mut note = |problem: Option<Problem>| {
        if let Some(problem) = problem.filter(|new| first.as_ref().is_none_or(|old| new.position < old.position)) {
            first = Some(problem);
        }
    };
    let mut after = None;
    loop {
        let page = proofs.stream_rows(after, PROOF_ROWS_MAX).await?;
        let Some(last) = page.last() else { break };
        after = Some((last.team, last.stream.clone()));
        for row in page {
            note(judge(proofs, &row, &mut streams, head).await?);
        }
    }
    for ((_, stream), (_, position)) in streams {
        note(Some(Problem::new(position, format!("the table of streams does not have {stream}"))));
    }
    first.map_or(Ok(()), |problem| Err(problem.into()))
}

async fn judge(
    proofs: &SharedProofStore,
    row: &StreamRow,
    streams: &mut Streams,
    head: i64,
) -> Result<Option<Problem>, LedgerError> {
    let StreamRow { team, stream, version, position } = row;
    let Ok(id) = stream.parse() else {
        return Ok(Some(Problem::new(*position, format!("the table of streams has `{stream}`, which is no stream"))));
    };
    let made = streams.remove(&(TeamId(*team), id));
    // A stream that has moved on since the verification began ends with an event that is there.
    let moved_on = *position > head && made.is_none_or(|(events, _)| *version > events);
    if moved_on && proofs.position_in_stream(*team, stream, *version).await? == Some(*position) {
        return Ok(None);
    }
    Ok(match made {
        Some((events, last)) if (events, last) == (*version, *position) => None,
        Some((events, last)) => {
            let what = format!(
                "the table of streams has {stream} at version {version}, position {position}; its events end with \
                 version {events}, position {last}"
            );
            Some(Problem::new(last, what))
        }
        None => Some(Problem::new(*position, format!("the table of streams has {stream}, which has no events"))),
    })
}
