//! Every queue, batch and request has a limit.

use std::sync::Arc;

use keyledger_events::keys::WrappedKey;
use keyledger_events::writer::REQUEST_EVENTS_MAX;
use keyledger_events::{AppendOutcome, AppendRequest, Position, TeamId, Writer, WriterError, id};

use super::stories;
use crate::support::{
    CountingLedger, Engine, GatedKeys, Home, TestResult, check_ledger, event, on_any, queue_up, request, run, stream,
};

stories!(a_request_has_at_least_one_event_and_at_most_its_limit, one_large_request_passes);

/// Requests that wait in the queue, and of one batch, at most (named the same in the Writer).
const QUEUE_REQUESTS_MAX: usize = 1_024;
const BATCH_REQUESTS_MAX: usize = 256;

fn events(team: TeamId, count: usize) -> AppendRequest {
    let stream = stream();
    (0..count).fold(request(team), |request, _| request.event(event(stream, "one of many")))
}

async fn a_request_has_at_least_one_event_and_at_most_its_limit(home: Arc<Home>) -> TestResult {
    let (ledger, writer) = home.writer().await?;
    let team = TeamId(id::fresh());
    assert!(matches!(writer.append(request(team)).await, Err(WriterError::Size(0))));
    let too_many = writer.append(events(team, REQUEST_EVENTS_MAX + 1)).await;
    assert!(matches!(too_many, Err(WriterError::Size(2_049))), "{too_many:?}");
    let most = writer.append(events(team, REQUEST_EVENTS_MAX)).await?;
    assert_eq!(most, AppendOutcome::Appended { last: Position(2_048) });
    assert_eq!(check_ledger(&*ledger).await?.len(), 2_048);
    Ok(())
}

async fn one_large_request_passes(home: Arc<Home>) -> TestResult {
    let (ledger, writer) = home.writer().await?;
    let large = on_any(TeamId(id::fresh()), stream(), &"x".repeat(3 << 20));
    assert_eq!(writer.append(large).await?, AppendOutcome::Appended { last: Position(1) });
    check_ledger(&*ledger).await?;
    Ok(())
}

/// Holds a Writer in the batch of one request, queues the others behind it, and counts the transactions.
async fn transactions(home: Arc<Home>, requests: Vec<AppendRequest>) -> TestResult<usize> {
    let counting = Arc::new(CountingLedger::new(home.ledger().await?));
    let keys = Arc::new(GatedKeys::shut(home.keys.clone()));
    let (writer, _) = Writer::start(counting.clone(), keys.clone(), home.clock.clone());
    let team = TeamId(id::fresh());
    let mut first = on_any(team, stream(), "holds the Writer");
    first.keys.push(WrappedKey { id: id::fresh(), wrapped: vec![1] });
    let mut waiting = queue_up(&writer, vec![first]).await;
    keys.until_reached().await;
    let full = requests.len() == QUEUE_REQUESTS_MAX;
    waiting.extend(queue_up(&writer, requests).await);
    if full {
        let one_more = writer.append(on_any(team, stream(), "one too many")).await;
        assert!(matches!(one_more, Err(WriterError::Busy)), "{one_more:?}");
    }
    keys.open();
    for answer in waiting {
        assert!(matches!(answer.await??, AppendOutcome::Appended { .. }));
    }
    check_ledger(&*counting).await?;
    Ok(counting.begun() - 1)
}

#[tokio::test]
async fn a_full_queue_is_busy_and_loses_nothing() -> TestResult {
    run(Engine::Memory, |home| async {
        let team = TeamId(id::fresh());
        let queued = (0..QUEUE_REQUESTS_MAX).map(|_| on_any(team, stream(), "queued")).collect();
        assert_eq!(transactions(home, queued).await?, QUEUE_REQUESTS_MAX / BATCH_REQUESTS_MAX);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_batch_ends_before_the_request_that_does_not_fit() -> TestResult {
    run(Engine::Memory, |home| async {
        let team = TeamId(id::fresh());
        let many = vec![events(team, 1_500), events(team, 500), events(team, 1_500), events(team, 1)];
        assert_eq!(transactions(home, many).await?, 2, "events: 2,000 and 1,501");
        Ok(())
    })
    .await?;
    run(Engine::Memory, |home| async {
        let (team, long) = (TeamId(id::fresh()), "x".repeat(600 << 10));
        let large = (0..3).map(|_| on_any(team, stream(), &long)).collect();
        assert_eq!(transactions(home, large).await?, 3, "no two of 600 KiB fit into 1 MiB");
        Ok(())
    })
    .await
}
