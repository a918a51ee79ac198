//! Reading: pages by position, and streams of one team.

use std::sync::Arc;

use keyledger_events::store::PAGE_EVENTS_MAX;
use keyledger_events::{AppendOutcome, Position, TeamId, id};

use super::stories;
use crate::support::{Home, TestResult, event, request, stream};

stories!(pages_follow_each_other, many_streams_come_in_order_of_position, an_empty_ledger_reads_as_empty);

async fn pages_follow_each_other(home: Arc<Home>) -> TestResult {
    let (ledger, writer) = home.writer().await?;
    let (team, stream) = (TeamId(id::fresh()), stream());
    let many = (0..1_005).fold(request(team), |request, _| request.event(event(stream, "one")));
    assert_eq!(writer.append(many).await?, AppendOutcome::Appended { last: Position(1_005) });
    let page = async |after, limit| {
        let events = ledger.read(Position(after), limit).await?;
        TestResult::Ok(events.iter().map(|event| event.position.0).collect::<Vec<_>>())
    };
    assert_eq!(page(0, 3).await?, [1, 2, 3]);
    assert_eq!(page(3, 2).await?, [4, 5]);
    assert_eq!(page(1_003, 10).await?, [1_004, 1_005]);
    assert!(page(1_005, 10).await?.is_empty());
    assert!(page(0, 0).await?.is_empty());
    assert_eq!(page(0, u32::MAX).await?.len(), PAGE_EVENTS_MAX as usize, "a page has a limit of its own");
    Ok(())
}

async fn many_streams_come_in_order_of_position(home: Arc<Home>) -> TestResult {
    let (ledger, writer) = home.writer().await?;
    let team = TeamId(id::fresh());
    // More streams than one look-up asks for at once.
    let streams: Vec<_> = (0..1_030).map(|_| stream()).collect();
    let all = streams.iter().rev().fold(request(team), |request, stream| request.event(event(*stream, "one")));
    assert_eq!(writer.append(all).await?, AppendOutcome::Appended { last: Position(1_030) });
    let found = ledger.read_streams(team, &streams).await?;
    assert!(found.iter().map(|event| event.position.0).eq(1..=1_030));
    let ids: Vec<_> = found.iter().map(|event| event.event_id).collect();
    assert_eq!(ledger.positions_of(&ids).await?.len(), 1_030);
    assert!(ledger.read_streams(TeamId(id::fresh()), &streams).await?.is_empty(), "another team sees nothing");
    Ok(())
}

async fn an_empty_ledger_reads_as_empty(home: Arc<Home>) -> TestResult {
    let ledger = home.ledger().await?;
    assert_eq!(ledger.head().await?.position, Position::START);
    assert!(ledger.read(Position::START, 10).await?.is_empty());
    assert!(ledger.read_streams(TeamId(id::fresh()), &[stream()]).await?.is_empty());
    assert!(ledger.read_streams(TeamId(id::fresh()), &[]).await?.is_empty());
    assert!(ledger.positions_of(&[]).await?.is_empty());
    Ok(())
}
