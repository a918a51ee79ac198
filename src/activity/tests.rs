//! Activity on both engines.

use std::borrow::Cow;

use keyledger_events::{Timestamp, id};
use keyledger_projections::SeatKind;
use uuid::Uuid;

use super::{Activity, LoggedRequest, RequestFilter, RequestKind, Seen};
use crate::test_support::{DAY, Home, TestResult, noon_and, stories};

stories!(
    what_was_seen_last_stands_whoever_writes_it,
    a_seat_that_is_forgotten_was_never_seen,
    who_is_forgotten_is_in_no_file,
    uses_are_remembered_by_licence_and_by_key,
    the_log_is_searched_and_read_in_pages,
    what_happened_with_a_licence_is_found_in_a_long_log,
    the_log_is_kept_as_long_as_the_retention_says,
    figures_count_what_was_asked,
    who_holds_rows_and_stops_holds_nobody_up_for_long,
);

fn see(activity: &Activity, home: &Home, license_id: Uuid, seat_id: Uuid, seconds: i64) {
    let (team, kind, at) = (home.team, SeatKind::Device, noon_and(seconds));
    let identifier = &format!("device {seat_id}");
    activity.seen(Seen { team, license_id, kind, seat_id, identifier, country: None, at, exact: false });
}

fn asked(home: &Home, code: &'static str, license_id: Option<Uuid>, at: Timestamp) -> LoggedRequest<&'static str> {
    LoggedRequest {
        at,
        team: home.team,
        kind: RequestKind::Verify,
        code: Cow::Borrowed(code),
        license_id,
        product_id: Some(home.product),
        customer_id: None,
        device: Some("device-of-a-tester"),
        address: Some("203.0.113.9"),
        country: Some("DE"),
        version: Some("1.0.0"),
        branch: None,
        latency_us: 250,
    }
}

/// Guards: one process writes an old time after another wrote a newer one.
async fn what_was_seen_last_stands_whoever_writes_it(home: Home) -> TestResult {
    let (ours, (other, _)) = (home.app.activity.clone(), home.another().await?);
    let theirs = other.activity;
    let (license, one, two) = (id::fresh(), id::fresh(), id::fresh());
    let last = async |activity: &Activity| -> TestResult<Vec<(Uuid, Timestamp, Timestamp)>> {
        let seats = activity.last_seen(home.team, license, SeatKind::Device).await?;
        Ok(seats.into_iter().map(|seat| (seat.seat_id, seat.first_seen, seat.last_seen)).collect())
    };
    see(&ours, &home, license, one, 10);
    see(&ours, &home, license, one, 5);
    assert_eq!(last(&ours).await?, [(one, noon_and(10), noon_and(10))]);
    assert_eq!(last(&theirs).await?, []);
    ours.flush().await?;
    assert_eq!(last(&theirs).await?, [(one, noon_and(10), noon_and(10))]);
    see(&theirs, &home, license, two, 30);
    see(&theirs, &home, license, one, 20);
    see(&ours, &home, license, one, 15);
    theirs.flush().await?;
    ours.flush().await?;
    let expected = [(two, noon_and(30), noon_and(30)), (one, noon_and(10), noon_and(20))];
    assert_eq!(last(&ours).await?, expected);
    assert_eq!(last(&theirs).await?, expected);
    assert!(ours.last_seen(home.team, license, SeatKind::Address).await?.is_empty());
    Ok(())
}

async fn a_seat_that_is_forgotten_was_never_seen(home: Home) -> TestResult {
    let activity = home.app.activity.clone();
    let (license, one, two) = (id::fresh(), id::fresh(), id::fresh());
    see(&activity, &home, license, one, 0);
    activity.flush().await?;
    see(&activity, &home, license, one, 1);
    see(&activity, &home, license, two, 1);
    activity.forget_seat(home.team, license, one).await?;
    activity.flush().await?;
    let left = activity.last_seen(home.team, license, SeatKind::Device).await?;
    assert_eq!(left.iter().map(|seat| seat.seat_id).collect::<Vec<_>>(), [two]);
    Ok(())
}

/// Guards: what another process has noted and not written down, and copies of rows that pages keep when they are split.
async fn who_is_forgotten_is_in_no_file(home: Home) -> TestResult {
    let activity = home.app.activity.clone();
    let (theirs, others) = (id::fresh(), id::fresh());
    for number in 0..3_000_u32 {
        let license = if number % 50 == 7 { theirs } else { Uuid::new_v4() };
        see(&activity, &home, license, Uuid::new_v4(), 0);
        if number % 100 == 0 {
            activity.flush().await?;
        }
    }
    let (seat, kept) = (Uuid::new_v4(), Uuid::new_v4());
    see(&activity, &home, theirs, seat, 0);
    see(&activity, &home, others, kept, 0);
    activity.log(asked(&home, "VALID", Some(theirs), noon_and(1)));
    activity.log(asked(&home, "VALID", Some(others), noon_and(2)));
    let before = activity.last_seen(home.team, theirs, SeatKind::Device).await?;
    assert_eq!(before.len(), 61);
    assert!(activity.forget_people(home.team, &[theirs], &[]).await? >= 62);
    assert!(activity.last_seen(home.team, theirs, SeatKind::Device).await?.is_empty());
    assert_eq!(activity.last_seen(home.team, others, SeatKind::Device).await?.len(), 1);
    let log = activity.requests(home.team, &RequestFilter::default(), None, 10).await?;
    assert_eq!(log.iter().map(|entry| entry.request.device.is_some()).collect::<Vec<_>>(), [true, false]);
    assert_eq!((&log[1].request.address, &log[1].request.code), (&None, &Cow::Borrowed("VALID")));
    let data = home.folder.path().join("data");
    if data.exists() {
        let mut bytes = Vec::new();
        for ending in ["", "-wal"] {
            bytes.extend(std::fs::read(data.join(format!("activity.db{ending}"))).unwrap_or_default());
        }
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains(&format!("device {kept}")), "what is there is found");
        let left = before.iter().filter(|seat| text.contains(&seat.identifier)).count();
        assert_eq!(left, 0, "of {} devices", before.len());
    }
    Ok(())
}

async fn uses_are_remembered_by_licence_and_by_key(home: Home) -> TestResult {
    let activity = home.app.activity.clone();
    let (license, key) = (id::fresh(), id::fresh());
    activity.used(home.team, license, noon_and(1));
    activity.flush().await?;
    activity.used(home.team, license, noon_and(7));
    activity.key_used(home.team, key, noon_and(3));
    let used = activity.last_used(home.team, Some(&[license, id::fresh()])).await?;
    assert_eq!(used, [(license, noon_and(7))].into());
    assert_eq!(activity.keys_last_used(home.team).await?, [(key, noon_and(3))].into());
    Ok(())
}

async fn the_log_is_searched_and_read_in_pages(home: Home) -> TestResult {
    let activity = home.app.activity.clone();
    let license = id::fresh();
    for n in 0..300 {
        let code = if n % 3 == 0 { "LICENSE_EXPIRED" } else { "VALID" };
        activity.log(asked(&home, code, (n % 2 == 0).then_some(license), noon_and(n)));
    }
    let all = RequestFilter::default();
    let first = activity.requests(home.team, &all, None, 200).await?;
    assert_eq!((first.len(), first[0].request.at), (200, noon_and(299)));
    // What comes in meanwhile shifts nothing.
    activity.log(asked(&home, "VALID", None, noon_and(300)));
    let rest = activity.requests(home.team, &all, Some(first[199].id), 200).await?;
    assert_eq!((rest.len(), rest[0].request.at, rest[99].request.at), (100, noon_and(99), noon_and(0)));
    let expired = RequestFilter {
        license_id: Some(license),
        code: Some("LICENSE_EXPIRED".to_owned()),
        from: Some(noon_and(60)),
        until: Some(noon_and(120)),
        ..all.clone()
    };
    let found = activity.requests(home.team, &expired, None, 1_000).await?;
    assert_eq!(found.len(), 10);
    let newest = asked(&home, "LICENSE_EXPIRED", Some(license), noon_and(114));
    assert_eq!(found[0].request, newest.map(str::to_owned));
    let elsewhere = RequestFilter { address: Some("198.51.100.1".to_owned()), ..all };
    assert!(activity.requests(home.team, &elsewhere, None, 10).await?.is_empty());
    Ok(())
}

/// Guards: what an index that is cut into blocks loses at their edges.
async fn what_happened_with_a_licence_is_found_in_a_long_log(home: Home) -> TestResult {
    const ENTRIES: i64 = 30_000;
    let activity = home.app.activity.clone();
    let (rare, common, never) = (id::fresh(), id::fresh(), id::fresh());
    let is_rare = |n: i64| n % 4_999 == 1;
    for n in 0..ENTRIES {
        let license = if is_rare(n) { rare } else { common };
        activity.log(asked(&home, "VALID", Some(license), noon_and(n)));
        if n % 10_000 == 0 {
            activity.flush().await?;
        }
    }
    let of = |license| RequestFilter { license_id: Some(license), ..RequestFilter::default() };
    let mut pages = Vec::new();
    let mut before = None;
    loop {
        let page = activity.requests(home.team, &of(rare), before, 2).await?;
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        pages.extend(page.into_iter().map(|entry| entry.request.at));
    }
    let expected: Vec<_> = (0..ENTRIES).rev().filter(|n| is_rare(*n)).map(noon_and).collect();
    assert_eq!(pages, expected);
    let newest = activity.requests(home.team, &of(common), None, 9_000).await?;
    assert_eq!((newest.len(), newest[0].request.at), (9_000, noon_and(ENTRIES - 1)));
    assert!(newest.is_sorted_by(|one, next| one.id > next.id));
    assert!(activity.requests(home.team, &of(never), None, 10).await?.is_empty());
    if !activity.database.is_postgres() {
        let sql = "EXPLAIN QUERY PLAN SELECT at FROM request WHERE license_id = $1 AND id >> 13 IN ($2, $3)".to_owned();
        let plan = activity.database.fetch(sql, vec![rare.into(), 1.into(), 2.into()]).await?;
        assert!(format!("{plan:?}").contains("request_license"), "{plan:?}");
    }
    Ok(())
}

async fn the_log_is_kept_as_long_as_the_retention_says(home: Home) -> TestResult {
    let activity = home.app.activity.clone();
    for day in 0..40 {
        activity.log(asked(&home, "VALID", None, noon_and(day * DAY)));
    }
    activity.flush().await?;
    assert_eq!(activity.purge(noon_and(10 * DAY)).await?, 10);
    assert_eq!(activity.requests(home.team, &RequestFilter::default(), None, 100).await?.len(), 30);
    Ok(())
}

async fn figures_count_what_was_asked(home: Home) -> TestResult {
    let activity = home.app.activity.clone();
    let now = noon_and(31 * DAY);
    for (day, code) in [(0, "VALID"), (2, "VALID"), (27, "VALID"), (28, "LICENSE_EXPIRED"), (31, "VALID")] {
        activity.log(asked(&home, code, None, noon_and(day * DAY)));
    }
    activity.used(home.team, id::fresh(), now);
    activity.used(home.team, id::fresh(), noon_and(30 * DAY));
    let figures = activity.statistics(home.team, now).await?;
    assert_eq!((figures.total, figures.successful), (4, 3));
    assert_eq!((figures.last_7_days, figures.last_24_hours, figures.licenses_used_last_hour), (3, 1, 1));
    assert_eq!(figures.by_kind, [("VERIFY", 4)].into());
    assert_eq!(figures.by_country, [("DE".to_owned(), 4)]);
    Ok(())
}

/// Guards: a node that is stopped in the middle of writing holds rows that another one writes next, with all who ask when a
/// device was last seen waiting behind.
async fn who_holds_rows_and_stops_holds_nobody_up_for_long(home: Home) -> TestResult {
    let activity = home.app.activity.clone();
    let (license, seat) = (id::fresh(), id::fresh());
    see(&activity, &home, license, seat, 0);
    activity.flush().await?;
    if !activity.database.is_postgres() {
        return Ok(());
    }
    let (other, _) = home.another().await?;
    let mut stopped = other.activity.database.begin().await?;
    stopped.fetch("SELECT 1 FROM activity.seen FOR UPDATE".to_owned(), vec![]).await?;
    see(&activity, &home, license, seat, 3_600);
    let begun = std::time::Instant::now();
    let writing = tokio::spawn({
        let activity = activity.clone();
        async move { activity.flush().await }
    });
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let _ = activity.last_seen(home.team, license, SeatKind::Device).await;
    assert!(writing.await?.is_err() && begun.elapsed().as_secs() < 8, "{:?}", begun.elapsed());
    let seats = activity.last_seen(home.team, license, SeatKind::Device).await?;
    assert_eq!(seats[0].last_seen, noon_and(3_600), "it stays noted");
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    activity.flush().await?;
    Ok(())
}
