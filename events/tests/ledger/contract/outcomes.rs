//! Appended, already applied, conflict; atomic over all streams of a request.

use std::sync::Arc;

use keyledger_events::{AppendOutcome, Position, TeamId, id};

use super::stories;
use crate::support::{Home, TestResult, check_ledger, event, on_any, on_version, request, stream};

stories!(
    an_append_is_told_apart_from_a_repeat_and_a_conflict,
    a_repeat_names_the_last_position_of_the_request,
    a_request_that_shares_one_event_is_applied_already,
    a_request_is_atomic_over_its_streams,
    a_stream_that_was_only_read_is_expected_too,
    streams_of_two_teams_never_meet,
    an_event_comes_back_as_it_was_appended,
);

async fn an_append_is_told_apart_from_a_repeat_and_a_conflict(home: Arc<Home>) -> TestResult {
    let (ledger, writer) = home.writer().await?;
    let (team, stream) = (TeamId(id::fresh()), stream());
    let first = on_version(team, stream, 0, "first");
    assert_eq!(writer.append(first.clone()).await?, AppendOutcome::Appended { last: Position(1) });
    // A repeat is recognised before its expectation, which cannot hold any more.
    assert_eq!(writer.append(first).await?, AppendOutcome::AlreadyApplied { position: Position(1) });
    let stale = writer.append(on_version(team, stream, 0, "stale")).await?;
    assert_eq!(stale, AppendOutcome::Conflict { stream, actual: 1 });
    let ahead = writer.append(on_version(team, stream, 2, "ahead")).await?;
    assert_eq!(ahead, AppendOutcome::Conflict { stream, actual: 1 });
    assert_eq!(
        writer.append(on_version(team, stream, 1, "second")).await?,
        AppendOutcome::Appended { last: Position(2) }
    );
    assert_eq!(check_ledger(&*ledger).await?.len(), 2);
    Ok(())
}

async fn a_repeat_names_the_last_position_of_the_request(home: Arc<Home>) -> TestResult {
    let (_ledger, writer) = home.writer().await?;
    let (team, stream) = (TeamId(id::fresh()), stream());
    let three = request(team).event(event(stream, "a")).event(event(stream, "b")).event(event(stream, "c"));
    assert_eq!(writer.append(three.clone()).await?, AppendOutcome::Appended { last: Position(3) });
    assert_eq!(writer.append(three).await?, AppendOutcome::AlreadyApplied { position: Position(3) });
    Ok(())
}

async fn a_request_that_shares_one_event_is_applied_already(home: Arc<Home>) -> TestResult {
    let (ledger, writer) = home.writer().await?;
    let (team, shared) = (TeamId(id::fresh()), event(stream(), "shared"));
    let first = request(team).event(shared.clone());
    assert_eq!(writer.append(first).await?, AppendOutcome::Appended { last: Position(1) });
    let second = request(team).event(event(stream(), "new")).event(shared);
    assert_eq!(writer.append(second).await?, AppendOutcome::AlreadyApplied { position: Position(1) });
    assert_eq!(check_ledger(&*ledger).await?.len(), 1, "nothing of a repeated request is appended");
    Ok(())
}

async fn a_request_is_atomic_over_its_streams(home: Arc<Home>) -> TestResult {
    let (ledger, writer) = home.writer().await?;
    let (team, purchase, license) = (TeamId(id::fresh()), stream(), stream());
    assert_eq!(writer.append(on_any(team, license, "issued")).await?, AppendOutcome::Appended { last: Position(1) });
    let both = request(team).event(event(purchase, "paid")).event(event(license, "renewed")).expect(purchase, 0);
    let refused = writer.append(both.clone().expect(license, 0)).await?;
    assert_eq!(refused, AppendOutcome::Conflict { stream: license, actual: 1 });
    assert!(ledger.read_streams(team, &[purchase]).await?.is_empty(), "no stream took its part");
    assert_eq!(writer.append(both.expect(license, 1)).await?, AppendOutcome::Appended { last: Position(3) });
    let events = check_ledger(&*ledger).await?;
    let placed: Vec<_> = events.iter().map(|event| (event.stream, event.stream_version)).collect();
    assert_eq!(placed, [(license, 1), (purchase, 1), (license, 2)]);
    Ok(())
}

async fn a_stream_that_was_only_read_is_expected_too(home: Arc<Home>) -> TestResult {
    let (ledger, writer) = home.writer().await?;
    let (team, read, written) = (TeamId(id::fresh()), stream(), stream());
    let first = writer.append(on_any(team, written, "first").expect(read, 0)).await?;
    assert_eq!(first, AppendOutcome::Appended { last: Position(1) });
    assert_eq!(writer.append(on_any(team, read, "moved")).await?, AppendOutcome::Appended { last: Position(2) });
    let stale = writer.append(on_any(team, written, "stale").expect(read, 0)).await?;
    assert_eq!(stale, AppendOutcome::Conflict { stream: read, actual: 1 });
    let fresh = writer.append(on_any(team, written, "fresh").expect(read, 1)).await?;
    assert_eq!(fresh, AppendOutcome::Appended { last: Position(3) });
    check_ledger(&*ledger).await?;
    Ok(())
}

async fn streams_of_two_teams_never_meet(home: Arc<Home>) -> TestResult {
    let (ledger, writer) = home.writer().await?;
    let (one, other, stream) = (TeamId(id::fresh()), TeamId(id::fresh()), stream());
    assert_eq!(writer.append(on_version(one, stream, 0, "a")).await?, AppendOutcome::Appended { last: Position(1) });
    assert_eq!(writer.append(on_version(other, stream, 0, "b")).await?, AppendOutcome::Appended { last: Position(2) });
    let theirs = ledger.read_streams(other, &[stream]).await?;
    assert_eq!(theirs.iter().map(|event| (event.team, event.position.0)).collect::<Vec<_>>(), [(other, 2)]);
    Ok(())
}

async fn an_event_comes_back_as_it_was_appended(home: Arc<Home>) -> TestResult {
    let (ledger, writer) = home.writer().await?;
    let (team, stream) = (TeamId(id::fresh()), stream());
    let new = event(stream, "ünïcode \u{1f511} and \"quotes\"\n");
    let mut asked = request(team).event(new.clone());
    asked.provenance = keyledger_events::Provenance::caused_by("stripe", id::fresh());
    let provenance = asked.provenance.clone();
    assert_eq!(writer.append(asked).await?, AppendOutcome::Appended { last: Position(1) });
    let stored = ledger.read_streams(team, &[stream]).await?.remove(0);
    assert_eq!((stored.event_id, stored.occurred_at), (new.event_id, new.occurred_at));
    assert_eq!((&stored.provenance, stored.recorded_at), (&provenance, crate::support::noon()));
    assert_eq!(stored.decode()?, new.event);
    assert_eq!(stored.payload, new.event.encode()?);
    assert_eq!(ledger.positions_of(&[new.event_id, id::fresh()]).await?, [(new.event_id, Position(1))].into());
    Ok(())
}
