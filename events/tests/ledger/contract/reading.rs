//! Reading: pages by position, and streams of one team.

use std::sync::Arc;

use keyledger_events::store::PAGE_EVENTS_MAX;
use keyledger_events::{AppendOutcome, Position, TeamId, Timestamp, id};

use super::stories;
use crate::support::{Home, TestResult, event, noon, request, stream};

stories!(
    pages_follow_each_other,
    many_streams_come_in_order_of_position,
    streams_come_in_pages,
    events_are_read_at_positions,
    a_time_of_record_is_found,
    an_empty_ledger_reads_as_empty,
);

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

async fn streams_come_in_pages(home: Arc<Home>) -> TestResult {
    let (ledger, writer) = home.writer().await?;
    let team = TeamId(id::fresh());
    // More streams than one look-up asks for at once, two events each, and a stream that nobody asks for.
    let (streams, other): (Vec<_>, _) = ((0..1_030).map(|_| stream()).collect(), stream());
    let first = streams.iter().fold(request(team), |request, stream| request.event(event(*stream, "one")));
    let second = streams.iter().rev().fold(request(team), |request, stream| request.event(event(*stream, "two")));
    assert_eq!(
        writer.append(first.event(event(other, "other"))).await?,
        AppendOutcome::Appended { last: Position(1_031) }
    );
    assert_eq!(writer.append(second).await?, AppendOutcome::Appended { last: Position(2_061) });
    let mut found = Vec::new();
    loop {
        let after = found.last().copied().unwrap_or_default();
        let page = ledger.read_streams_after(team, &streams, after, 300).await?;
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 300);
        found.extend(page.iter().map(|event| event.position));
    }
    assert!(found.iter().map(|position| position.0).eq((1..=2_061).filter(|position| *position != 1_031)));
    let all = ledger.read_streams_after(team, &streams, Position::START, u32::MAX).await?;
    assert_eq!(all.len(), PAGE_EVENTS_MAX as usize, "a page has a limit of its own");
    assert!(ledger.read_streams_after(TeamId(id::fresh()), &streams, Position::START, 9).await?.is_empty());
    Ok(())
}

async fn events_are_read_at_positions(home: Arc<Home>) -> TestResult {
    let (ledger, writer) = home.writer().await?;
    let (team, stream) = (TeamId(id::fresh()), stream());
    let nine = (0..9).fold(request(team), |request, _| request.event(event(stream, "one")));
    assert_eq!(writer.append(nine).await?, AppendOutcome::Appended { last: Position(9) });
    let found = ledger.read_at(&[Position(7), Position(2), Position(10), Position(0), Position(3)]).await?;
    assert!(found.iter().map(|event| event.position.0).eq([2, 3, 7]), "in order, without those that are not there");
    assert!(ledger.read_at(&[]).await?.is_empty());
    Ok(())
}

async fn a_time_of_record_is_found(home: Arc<Home>) -> TestResult {
    let (ledger, writer) = home.writer().await?;
    let (team, stream) = (TeamId(id::fresh()), stream());
    assert_eq!(ledger.last_before(noon()).await?, Position::START, "of nothing");
    // Two events at noon, one 10 s later, three another 10 s later.
    for (count, last) in [(2, 2), (1, 3), (3, 6)] {
        let some = (0..count).fold(request(team), |request, _| request.event(event(stream, "one")));
        assert_eq!(writer.append(some).await?, AppendOutcome::Appended { last: Position(last) });
        home.clock.advance_seconds(10);
    }
    for (seconds, last) in [(-1, 0), (0, 0), (1, 2), (10, 2), (11, 3), (20, 3), (21, 6), (1_000, 6)] {
        let time = Timestamp::from_second(noon().as_second() + seconds)?;
        assert_eq!(ledger.last_before(time).await?, Position(last), "{seconds} s after noon");
    }
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
