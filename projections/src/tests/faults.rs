//! A view that fails stands still at its event and keeps serving; the others go on.

use std::sync::Arc;

use keyledger_events::event::product::ProductRegistered;
use keyledger_events::id::StreamKind;
use keyledger_events::{NewEvent, Position, TeamId};

use super::facts::{event, stream, team, team_registered};
use super::home::{Home, PATIENCE};
use super::test_views::{Fragile, Weakness, counter, teams};
use super::{TestResult, stories};
use crate::bookkeeping::BuildStatus;
use crate::runner::CatchUpError;

stories!(
    a_view_without_an_answer_stands_still_and_the_others_go_on,
    data_that_the_database_refuses_stops_only_its_view,
    a_release_that_knows_better_goes_on_where_the_view_stood_still,
    an_event_of_a_newer_release_stops_only_this_process,
    an_event_that_cannot_be_read_stops_the_views_it_concerns,
);

pub(super) fn product(name: &str) -> NewEvent {
    event(stream(StreamKind::Product), ProductRegistered { name: name.to_owned() })
}

/// Three good events, a bad one at position 4, two good ones.
async fn append_with_poison(home: &Home, team: TeamId) -> TestResult {
    let names = ["one", "two", "three", "poison", "five", "six"];
    home.append(team, names.iter().map(|name| product(name)).collect()).await?;
    Ok(())
}

async fn count(home: &Home, view: &'static str) -> TestResult<i64> {
    let rows = home.views.query(view, "SELECT events FROM {table}", vec![]).await?;
    Ok(rows.first().map(|row| row.int(0)).transpose()?.unwrap_or(0))
}

async fn stands_still(home: &Home, weakness: Weakness) -> TestResult {
    append_with_poison(home, team()).await?;
    let runner = home.runner_elsewhere(vec![Arc::new(Fragile(weakness)), counter()]).await?;
    runner.catch_up(Position(6), &["counter"], PATIENCE).await?;
    assert_eq!(count(home, "counter").await?, 6, "the healthy view has all");
    assert_eq!(count(home, "fragile").await?, 3, "the other one serves what is before the poison");
    let status = runner.status().borrow().clone();
    let fragile = status.views.get("fragile").ok_or("no status")?;
    assert_eq!(fragile.position.0, 3);
    assert_eq!(fragile.changed_position.0, 3);
    assert_eq!(fragile.fault.as_ref().map(|fault| fault.position.0), Some(4));
    assert_eq!(status.fault().map(|(name, _)| name), Some("fragile"));
    let waited = runner.catch_up(Position(6), &["fragile"], PATIENCE).await;
    assert!(matches!(waited, Err(CatchUpError::Faulted { position, .. }) if position.0 == 4));
    let reports = runner.list().await?;
    let report = reports.iter().find(|report| report.name == "fragile").ok_or("no report")?;
    assert_eq!((report.status, report.lag_events, report.lag_seconds), (BuildStatus::Faulted, 3, 0));
    home.clock.advance_seconds(90);
    let reports = runner.list().await?;
    let report = reports.iter().find(|report| report.name == "fragile").ok_or("no report")?;
    assert_eq!(report.lag_seconds, 90, "since the first event that it lacks was recorded");
    let fault = report.fault.as_ref().ok_or("no fault")?;
    let event = fault.event.as_ref().ok_or("the event is not named")?;
    assert_eq!((fault.position.0, event.event_type.as_str()), (4, "ProductRegistered"));
    assert_eq!(event.stream.kind, StreamKind::Product);
    let healthy = reports.iter().find(|report| report.name == "counter").ok_or("no report")?;
    assert_eq!((healthy.lag_events, healthy.lag_seconds, &healthy.fault), (0, 0, &None));
    Ok(())
}

async fn a_view_without_an_answer_stands_still_and_the_others_go_on(home: &Home) -> TestResult {
    stands_still(home, Weakness::NoAnswer).await
}

async fn data_that_the_database_refuses_stops_only_its_view(home: &Home) -> TestResult {
    stands_still(home, Weakness::BadData).await
}

async fn a_release_that_knows_better_goes_on_where_the_view_stood_still(home: &Home) -> TestResult {
    stands_still(home, Weakness::NoAnswer).await?;
    let mended = home.runner_elsewhere(vec![Arc::new(Fragile(Weakness::None)), counter()]).await?;
    home.catch_up(&mended).await?;
    assert_eq!(count(home, "fragile").await?, 6);
    assert_eq!(mended.status().borrow().fault(), None);
    Ok(())
}

async fn an_event_of_a_newer_release_stops_only_this_process(home: &Home) -> TestResult {
    let team = team();
    home.append(team, vec![product("one")]).await?;
    let foreign = home.append_foreign(stream(StreamKind::Product), "ProductFoldedIntoOrigami").await?;
    // More than a page behind it, so that whoever waits at the event does not see the end.
    home.append(team, (0..1_200).map(|_| product("more")).collect()).await?;
    let head = home.append(team, vec![team_registered(team, "last")]).await?;
    let runner = home.runner_elsewhere(vec![counter(), teams()]).await?;
    let waited = runner.catch_up(head, &["counter"], PATIENCE).await;
    assert!(matches!(waited, Err(CatchUpError::Faulted { position, .. }) if position == foreign), "{waited:?}");
    assert_eq!(count(home, "counter").await?, 1);
    runner.catch_up(head, &["teams"], PATIENCE).await?;
    assert_eq!(home.views.teams().await?.len(), 1, "views that the event does not concern go on");
    let reports = runner.list().await?;
    assert!(reports.iter().all(|report| report.status == BuildStatus::Live), "a newer node may go on: {reports:?}");
    Ok(())
}

async fn an_event_that_cannot_be_read_stops_the_views_it_concerns(home: &Home) -> TestResult {
    let team = team();
    home.append(team, vec![product("one")]).await?;
    let unreadable = home.append_foreign(stream(StreamKind::Product), "ProductRegistered").await?;
    let head = home.append(team, vec![product("three"), team_registered(team, "last")]).await?;
    let runner = home.runner_elsewhere(vec![counter(), teams()]).await?;
    let waited = runner.catch_up(head, &["counter"], PATIENCE).await;
    assert!(matches!(waited, Err(CatchUpError::Faulted { position, .. }) if position == unreadable), "{waited:?}");
    runner.catch_up(head, &["teams"], PATIENCE).await?;
    let reports = runner.list().await?;
    let statuses: Vec<_> =
        reports.iter().map(|report| (report.name.as_str(), report.status, report.position)).collect();
    let before = Position(unreadable.0 - 1);
    assert_eq!(statuses, [("counter", BuildStatus::Faulted, before), ("teams", BuildStatus::Live, head)]);
    Ok(())
}
