//! Positions, times of record and the Merkle tree, also when several nodes write.

use std::sync::Arc;

use keyledger_events::clock::Clock as _;
use keyledger_events::{AppendOutcome, TeamId, id};

use super::stories;
use crate::support::{Home, TestResult, check_ledger, noon, on_any, queue_up, stream};

stories!(
    recorded_time_never_goes_back,
    positions_have_no_gap_and_the_head_holds_the_tree,
    two_nodes_share_one_ledger,
    a_restart_goes_on_where_the_ledger_ends,
);

async fn recorded_time_never_goes_back(home: Arc<Home>) -> TestResult {
    let (ledger, writer) = home.writer().await?;
    let (team, stream) = (TeamId(id::fresh()), stream());
    for seconds in [0, 60, -3_600, 30, 7_200] {
        home.clock.advance_seconds(seconds);
        assert!(matches!(writer.append(on_any(team, stream, "tick")).await?, AppendOutcome::Appended { .. }));
    }
    let recorded: Vec<_> = check_ledger(&*ledger).await?.iter().map(|event| event.recorded_at.as_second()).collect();
    let start = noon().as_second();
    assert_eq!(recorded, [start, start + 60, start + 60, start + 60, home.clock.now().as_second()]);
    assert_eq!(home.clock.now().as_second(), start + 3_690, "the clock itself had gone back meanwhile");
    Ok(())
}

async fn positions_have_no_gap_and_the_head_holds_the_tree(home: Arc<Home>) -> TestResult {
    let (ledger, writer) = home.writer().await?;
    let team = TeamId(id::fresh());
    assert!(check_ledger(&*ledger).await?.is_empty());
    for size in [1, 2, 4, 9, 33, 100] {
        let (shared, before) = (stream(), check_ledger(&*ledger).await?.len());
        let requests = (0..size).map(|n| {
            let to = if n % 3 == 0 { shared } else { stream() };
            // Every fourth is refused and must leave no gap.
            let request = on_any(team, to, "event");
            if n % 4 == 3 { request.expect(stream(), 1) } else { request }
        });
        for answer in queue_up(&writer, requests.collect()).await {
            let _outcome = answer.await??;
        }
        assert_eq!(check_ledger(&*ledger).await?.len(), before + size - size / 4);
    }
    Ok(())
}

async fn two_nodes_share_one_ledger(home: Arc<Home>) -> TestResult {
    // Guards: both nodes read version n of the same stream, both append on it; the head row lets one be first, and
    // the other must then see what the first one committed.
    let (ledger, one) = home.writer().await?;
    let (_, other) = home.writer().await?;
    let (team, stream) = (TeamId(id::fresh()), stream());
    for version in 0..20 {
        let decide = |note| on_any(team, stream, note).expect(stream, version);
        let (a, b) = tokio::join!(one.append(decide("one")), other.append(decide("other")));
        let outcomes = [a?, b?];
        let won = outcomes.iter().filter(|outcome| matches!(outcome, AppendOutcome::Appended { .. })).count();
        let lost = AppendOutcome::Conflict { stream, actual: version + 1 };
        assert_eq!(won, 1, "{outcomes:?}");
        assert!(outcomes.contains(&lost), "{outcomes:?}");
    }
    assert_eq!(check_ledger(&*ledger).await?.len(), 20);
    Ok(())
}

async fn a_restart_goes_on_where_the_ledger_ends(home: Arc<Home>) -> TestResult {
    let (team, stream) = (TeamId(id::fresh()), stream());
    for version in 0..3 {
        let ledger = home.ledger().await?;
        let (writer, task) = home.writer_on(ledger.clone());
        let next = writer.append(on_any(team, stream, "after a restart").expect(stream, version)).await?;
        assert!(matches!(next, AppendOutcome::Appended { last } if last.0 == version + 1), "{next:?}");
        drop(writer);
        task.await?;
        check_ledger(&*ledger).await?;
    }
    Ok(())
}
