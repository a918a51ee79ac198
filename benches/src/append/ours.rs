//! Our side: requests to the Writer.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;
use keyledger_events::{AppendOutcome, AppendRequest, NewEvent, Provenance, SharedLedger, TeamId, Writer};

use crate::measure::Measure;

/// One caller, a request of `batch` events after the other.
pub(super) async fn batches(
    ledger: SharedLedger,
    folder: &Path,
    team: TeamId,
    events: Vec<NewEvent>,
    batch: usize,
    limit: Duration,
) -> anyhow::Result<Measure> {
    let (writer, task) = crate::ours::writer(ledger, folder).await?;
    let requests: Vec<_> = events.chunks(batch).map(|chunk| request(team, chunk.to_vec())).collect();
    let start = Instant::now();
    let count = append_all(&writer, requests, start + limit).await?;
    let measure = Measure::of(count, start.elapsed());
    drop(writer);
    task.await?;
    Ok(measure)
}

/// `callers` tasks, a request of one event after the other each.
pub(super) async fn singles(
    ledger: SharedLedger,
    folder: &Path,
    team: TeamId,
    events: Vec<NewEvent>,
    callers: usize,
    limit: Duration,
) -> anyhow::Result<Measure> {
    let (writer, task) = crate::ours::writer(ledger, folder).await?;
    let mut shares: Vec<Vec<AppendRequest>> = vec![Vec::new(); callers];
    for (index, event) in events.into_iter().enumerate() {
        shares[index % callers].push(request(team, vec![event]));
    }
    let start = Instant::now();
    let tasks: Vec<_> = shares
        .into_iter()
        .map(|share| {
            let writer = writer.clone();
            tokio::spawn(async move { append_all(&writer, share, start + limit).await })
        })
        .collect();
    let mut count = 0;
    for caller in tasks {
        count += caller.await??;
    }
    let measure = Measure::of(count, start.elapsed());
    drop(writer);
    task.await?;
    Ok(measure)
}

fn request(team: TeamId, events: Vec<NewEvent>) -> AppendRequest {
    AppendRequest { events, ..AppendRequest::new(team, Provenance::of("bench")) }
}

/// The number of events appended before the deadline.
async fn append_all(writer: &Writer, requests: Vec<AppendRequest>, deadline: Instant) -> anyhow::Result<u64> {
    let mut count = 0;
    for request in requests {
        if Instant::now() >= deadline {
            break;
        }
        let events = u64::try_from(request.events.len())?;
        match writer.append(request).await? {
            AppendOutcome::Appended { .. } => count += events,
            other => bail!("an append was answered {other:?}"),
        }
    }
    Ok(count)
}
