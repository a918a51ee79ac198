//! What history shows: licences as they were, events in order, sealed values opened on request.

use keyledger_events::event::license::{ExpirationStart, LicenseRevoked};
use keyledger_events::{
    AppendRequest, Event, LedgerError, NewEvent, Position, Provenance, StreamId, TeamId, Timestamp,
};
use keyledger_projections::LicenseStatus;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::admin::AdminError;
use crate::admin::as_of::AsOf;
use crate::admin::events::{EventFilter, Reader, describe};
use crate::admin::licenses::{describe_as_of, describe_sealed, list_as_of, show_as_of};
use crate::admin::timeline::{About, Causes, page};
use crate::app::App;
use crate::test_support::{DAY, Home, TestResult, noon_and, stories};

stories!(
    licences_are_shown_as_they_were,
    a_licence_that_was_used_later_is_not_called_inactive,
    what_somebody_changed_is_not_shown,
    sealed_values_are_opened_only_on_request,
    history_is_read_in_order_of_position,
);

async fn statuses(app: &App, as_of: AsOf) -> TestResult<Vec<LicenseStatus>> {
    let past = list_as_of(app, None, as_of, None).await?;
    Ok(past.licenses.iter().map(|(_, license)| license.status(past.time, None)).collect())
}

async fn licences_are_shown_as_they_were(home: Home) -> TestResult {
    use LicenseStatus::{Active, Expired, Expiring, Revoked};
    let first = home.issue(&[home.one_off(Some(40), ExpirationStart::Creation)]).await?[0];
    home.clock.advance_seconds(DAY);
    let second = home.issue(&[home.one_off(None, ExpirationStart::Creation)]).await?[0];
    home.clock.advance_seconds(DAY);
    home.happen(first, LicenseRevoked { reason: None, terms: None }).await?;
    let head = home.app.ledger.head().await?.position;
    let back = |events: i64| AsOf::Position(Position(head.0 - events));
    assert_eq!(statuses(&home.app, back(0)).await?, [Active, Revoked], "newest first");
    assert_eq!(statuses(&home.app, back(1)).await?, [Active, Active]);
    assert_eq!(statuses(&home.app, back(2)).await?, [Active]);
    assert_eq!(statuses(&home.app, AsOf::Position(Position::START)).await?, []);
    assert_eq!(statuses(&home.app, AsOf::Time(noon_and(DAY - 1))).await?, [Active]);
    assert_eq!(statuses(&home.app, AsOf::Time(noon_and(2 * DAY - 1))).await?, [Active, Active]);
    assert!(list_as_of(&home.app, None, back(-1), None).await.is_err(), "beyond the ledger's end");

    let id = first.id.to_string();
    let shown = async |time| -> TestResult<LicenseStatus> {
        let (_, license, now) = show_as_of(&home.app, Some(home.team), &id, AsOf::Time(time)).await?;
        Ok(license.status(now, None))
    };
    assert_eq!(shown(noon_and(DAY)).await?, Active);
    assert_eq!(shown(noon_and(2 * DAY)).await?, Revoked);
    let early = show_as_of(&home.app, None, &second.id.to_string(), AsOf::Time(noon_and(0))).await;
    assert!(matches!(early, Err(AdminError::Refused(_))));
    // What time alone has done counts at the moment asked about, too.
    let third = home.issue(&[home.one_off(Some(20), ExpirationStart::Creation)]).await?[0].id.to_string();
    for (days, expected) in [(3, Expiring), (21, Expired)] {
        let (_, license, now) = show_as_of(&home.app, None, &third, AsOf::Time(noon_and(days * DAY))).await?;
        assert_eq!(license.status(now, None), expected);
    }
    Ok(())
}

async fn a_licence_that_was_used_later_is_not_called_inactive(home: Home) -> TestResult {
    use LicenseStatus::{Active, Inactive};
    let used = home.issue(&[home.one_off(None, ExpirationStart::Creation)]).await?[0].id;
    let unused = home.issue(&[home.one_off(None, ExpirationStart::Creation)]).await?[0].id;
    let at = |days: i64| noon_and(days * DAY);
    // What was noted of earlier uses is gone: only the latest is kept.
    home.app.activity.used(home.team, used, at(10));
    home.app.activity.used(home.team, used, at(50));
    let shown = async |id: Uuid, day: i64| -> TestResult<(LicenseStatus, Option<Timestamp>)> {
        let (team, license, now) = show_as_of(&home.app, None, &id.to_string(), AsOf::Time(at(day))).await?;
        let shown = describe_as_of(&home.app, team, &license, now).await?;
        let sealed = describe_sealed(&home.app, team, &license, now).await?;
        assert_eq!(sealed["status"], serde_json::to_value(shown.status)?, "an auditor is told the same");
        assert_eq!(sealed["lastUsedAt"], serde_json::to_value(shown.last_used_at)?);
        Ok((shown.status, shown.last_used_at))
    };
    assert_eq!(shown(used, 20).await?, (Active, None), "nobody knows when");
    assert_eq!(shown(used, 45).await?, (Active, None));
    assert_eq!(shown(used, 60).await?, (Active, Some(at(50))));
    assert_eq!(shown(used, 81).await?, (Inactive, Some(at(50))));
    assert_eq!(shown(unused, 20).await?, (Active, None));
    assert_eq!(shown(unused, 45).await?, (Inactive, None));
    Ok(())
}

async fn what_somebody_changed_is_not_shown(home: Home) -> TestResult {
    let stream = home.issue(&[home.one_off(None, ExpirationStart::Creation)]).await?[0];
    let head = home.app.ledger.head().await?.position;
    let attacker = home.attacker().await?;
    attacker.change(&format!("UPDATE @event SET actor = 'nobody' WHERE stream = '{stream}'")).await?;
    let changed = |error: AdminError| matches!(error, AdminError::Ledger(LedgerError::Hash(_)));
    let past = list_as_of(&home.app, None, AsOf::Position(head), None).await;
    assert!(past.err().is_some_and(changed), "the list as it was");
    let mut reader = Reader::new(home.app.ledger.clone(), EventFilter::default(), Position(1));
    assert!(reader.next(head).await.err().is_some_and(|error| changed(error.into())), "events one by one");
    let day = noon_and(0).to_string()[..10].parse()?;
    let about = About::Day(day);
    let told = page(&home.app, &mut Causes::of(home.team), home.team, about, Position::START, 10).await;
    assert!(told.err().is_some_and(changed), "the day's timeline");
    Ok(())
}

async fn sealed_values_are_opened_only_on_request(home: Home) -> TestResult {
    let stream = home.issue(&[home.one_off(None, ExpirationStart::Creation)]).await?[0];
    let forgotten = home.request_mail("grace@example.com", &[stream], true).await?;
    let read = async |stream, open| -> TestResult<Value> {
        let recorded = home.history(stream).await?.remove(0).0;
        Ok(serde_json::to_value(describe(&home.app, &recorded, open).await?)?)
    };
    let sealed = read(stream, false).await?;
    assert!(sealed["data"]["key"]["sealed"].is_string(), "{sealed}");
    assert_eq!(read(stream, true).await?["data"]["key"], "KEY-0");
    let gone = read(forgotten, true).await?;
    assert_eq!((&gone["data"]["to"]["gone"], gone["data"]["to"]["sealed"].is_string()), (&json!(true), true));
    assert_eq!(gone["data"]["license_ids"][0], stream.id.to_string());

    // A value that was moved to another event does not open there, and nothing else suffers.
    let mut moved = home.history(stream).await?.remove(0).1;
    if let Event::LicenseIssued(issued) = &mut moved {
        issued.unit = 9;
    }
    let elsewhere = StreamId::new(stream.kind, home.product);
    let event = NewEvent::new(elsewhere, noon_and(0), moved);
    let request = AppendRequest::new(home.team, Provenance::of("test")).event(event);
    let _ = home.app.writer.append(request).await?;
    assert_eq!(read(elsewhere, true).await?["data"]["key"]["unreadable"], true);
    Ok(())
}

async fn history_is_read_in_order_of_position(home: Home) -> TestResult {
    let licenses = home.issue(&[home.one_off(None, ExpirationStart::Creation)]).await?;
    home.request_mail("ada@example.com", &licenses, false).await?;
    home.happen(licenses[0], LicenseRevoked { reason: None, terms: None }).await?;
    let head = home.app.ledger.head().await?.position;
    let read = async |team, stream, from, to| -> TestResult<Vec<i64>> {
        let filter = EventFilter { team, stream, ..EventFilter::default() };
        let mut found = Vec::new();
        let mut reader = Reader::up_to_now(&home.app, filter.clone(), Position(from)).await?;
        while let Some(event) = reader.next(Position(to)).await? {
            found.push(event.position.0);
        }
        let mut follower = Reader::new(home.app.ledger.clone(), filter, Position(from));
        for position in &found {
            let event = follower.next(Position(to)).await?.ok_or("a follower sees less")?;
            assert_eq!(event.position.0, *position);
        }
        assert!(follower.next(Position(to)).await?.is_none());
        Ok(found)
    };
    assert_eq!(head, Position(5));
    assert_eq!(read(None, None, 1, 5).await?, [1, 2, 3, 4, 5]);
    assert_eq!(read(Some(home.team), None, 2, 4).await?, [2, 3, 4]);
    let license = Some(licenses[0]);
    assert_eq!(read(None, license, 1, 5).await?, [3, 5]);
    assert_eq!(read(Some(home.team), license, 4, 5).await?, [5]);
    assert_eq!(read(Some(home.team), license, 1, 4).await?, [3]);
    assert_eq!(read(Some(TeamId(home.product)), license, 1, 5).await?, [0_i64; 0], "another team's");
    Ok(())
}
