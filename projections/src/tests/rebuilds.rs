//! Rebuilding beside the serving build, and what may happen meanwhile.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keyledger_events::Position;
use keyledger_events::event::license::{LicenseExpired, LicenseSuspended};
use keyledger_events::id::StreamKind;
use tokio::sync::oneshot;

use super::facts::{event, issued, mail_requested, noon_and, paid_until, received, stream, team, team_registered};
use super::faults::product;
use super::heard::Heard;
use super::home::{Home, PATIENCE};
use super::test_views::{Fragile, Weakness, counter, teams};
use super::{TestResult, stories};
use crate::bookkeeping::{self, BuildStatus};
use crate::rebuild::{RebuildError, Rebuilt, Verified};
use crate::runner::Runner;
use crate::view;

stories!(
    a_rebuild_while_events_come_in_gives_the_same_rows,
    a_rebuild_that_is_killed_leaves_the_serving_build,
    what_a_dead_rebuild_left_goes_at_a_later_start,
    a_rebuild_mends_a_view_that_stood_still,
    what_becomes_of_one_view_is_nothing_to_the_others,
    a_view_that_cannot_be_rebuilt_keeps_serving,
    readers_elsewhere_follow_a_rebuild,
    one_can_go_back_to_the_build_before,
    an_earlier_build_of_another_ledger_is_refused,
    an_earlier_build_that_cannot_be_brought_up_to_date_stays_what_it_was,
    two_at_once_are_refused,
    who_reads_an_earlier_build_for_hours_stops_nothing_else,
    a_quiet_rebuild_has_the_same_digest,
    verifying_holds_nobody_up,
    a_row_changed_by_hand_is_found,
);

/// A little of everything, for one new team.
pub(super) async fn append_some(home: &Home, licenses: usize) -> TestResult {
    let team = team();
    let mut events = vec![team_registered(team, "some"), product("thing")];
    for n in 0..licenses {
        let license = stream(StreamKind::License);
        events.push(received(team, stream(StreamKind::Inbox), &format!("evt_{n}")));
        events.push(issued(team, license, paid_until(60)));
        events.push(event(license, LicenseSuspended { reason: None }));
        events.push(event(license, LicenseExpired { due_at: noon_and(60) }));
        events.push(mail_requested(team, stream(StreamKind::Delivery), stream(StreamKind::Purchase)));
    }
    for chunk in events.chunks(2_000) {
        home.append(team, chunk.to_vec()).await?;
    }
    Ok(())
}

async fn versions(runner: &Runner, name: &str) -> TestResult<Vec<(i64, BuildStatus)>> {
    let reports = runner.list().await?;
    Ok(reports.into_iter().filter(|report| report.name == name).map(|report| (report.version, report.status)).collect())
}

async fn a_rebuild_while_events_come_in_gives_the_same_rows(home: &Home) -> TestResult {
    append_some(home, 1_700).await?;
    let serving = home.runner();
    home.catch_up(&serving).await?;
    let (stop, stopped) = oneshot::channel::<()>();
    let background = tokio::spawn({
        let (runner, wake) = (serving.clone(), home.writer.commits());
        async move { runner.run(wake, async { drop(stopped.await) }).await }
    });
    let rebuilder = Runner::new(home.ledger.clone(), home.views_elsewhere().await?, home.clock.clone());
    let mut heard = Heard::default();
    let rebuilds = async {
        rebuilder.rebuild_together(&view::ALL, &mut heard).await?;
        for name in view::ALL {
            let first = heard.progress.iter().find(|(told, _)| *told == name).ok_or("no progress was told")?.1;
            assert_eq!(first.position, Position(8_000), "the first batch is a large one");
            assert!(first.seconds_left.is_some());
        }
        assert_eq!(heard.done().map(|rebuilt| rebuilt.name.as_str()).collect::<Vec<_>>(), view::ALL);
        TestResult::Ok(())
    };
    let appends = async {
        for _ in 0..20 {
            append_some(home, 3).await?;
        }
        TestResult::Ok(())
    };
    let (rebuilt, appended) = tokio::join!(rebuilds, appends);
    rebuilt?;
    appended?;
    let head = home.ledger.head().await?.position;
    serving.catch_up(head, &[], PATIENCE).await?;
    for name in view::ALL {
        assert_eq!(versions(&serving, name).await?, [(1, BuildStatus::Retired), (2, BuildStatus::Live)], "{name}");
        let verified = rebuilder.verify(name, |_| {}).await?;
        assert!(verified.matches(), "{verified:?}");
        assert_eq!(verified.position, head);
    }
    assert!(rebuilder.digest(view::LICENSES, 2).await?.rows > 1_700);
    drop(stop);
    background.await?;
    Ok(())
}

async fn a_rebuild_that_is_killed_leaves_the_serving_build(home: &Home) -> TestResult {
    append_some(home, 1_700).await?;
    let runner = home.runner();
    home.catch_up(&runner).await?;
    let (reached, killed) = oneshot::channel::<()>();
    let mut reached = Some(reached);
    tokio::select! {
        biased;
        _ = killed => {}
        rebuilt = runner.rebuild(view::LICENSES, move |_| drop(reached.take())) => {
            rebuilt?;
            return Err("the rebuild was not killed in time".into());
        }
    }
    let left = versions(&runner, view::LICENSES).await?;
    assert_eq!(left, [(1, BuildStatus::Live), (2, BuildStatus::Building)]);
    append_some(home, 1).await?;
    home.catch_up(&runner).await?;
    let rebuilt = runner.rebuild(view::LICENSES, |_| {}).await?;
    assert_eq!(rebuilt.version, 3, "numbers are not used twice");
    assert_eq!(
        versions(&runner, view::LICENSES).await?,
        [(1, BuildStatus::Retired), (3, BuildStatus::Live)],
        "the half-built one is gone"
    );
    assert!(runner.verify(view::LICENSES, |_| {}).await?.matches());
    Ok(())
}

async fn what_a_dead_rebuild_left_goes_at_a_later_start(home: &Home) -> TestResult {
    // Guards: making the indexes of a large table takes longer than a build may stand still, and is no death.
    append_some(home, 1).await?;
    let runner = home.runner();
    home.catch_up(&runner).await?;
    let mut tx = home.views.begin().await?;
    let builds = bookkeeping::lock_all(&mut tx).await?;
    runner.inner.begin_build(&mut tx, &teams(), &builds, BuildStatus::Building).await?;
    tx.commit().await?;
    let mut locks = home.views.build_locks().await?;
    assert!(locks.try_take(view::TEAMS).await?);
    home.clock.advance_seconds(601);
    let (both, alone) = ([(1, BuildStatus::Live), (2, BuildStatus::Building)], [(1, BuildStatus::Live)]);
    assert_eq!(versions(&home.runner(), view::TEAMS).await?, both, "somebody is at it");
    locks.release().await;
    assert_eq!(versions(&home.runner(), view::TEAMS).await?, alone);
    assert!(!runner.is_being_built(view::TEAMS).await?, "the lock was given back");
    Ok(())
}

async fn a_rebuild_mends_a_view_that_stood_still(home: &Home) -> TestResult {
    home.append(team(), vec![product("one"), product("poison"), product("three")]).await?;
    let broken = home.runner_elsewhere(vec![Arc::new(Fragile(Weakness::NoAnswer))]).await?;
    assert!(home.catch_up(&broken).await.is_err());
    let mended = home.runner_elsewhere(vec![Arc::new(Fragile(Weakness::None))]).await?;
    let rebuilt = mended.rebuild("fragile", |_| {}).await?;
    assert_eq!((rebuilt.version, rebuilt.position), (2, Position(3)));
    home.catch_up(&mended).await?;
    Ok(())
}

async fn what_becomes_of_one_view_is_nothing_to_the_others(home: &Home) -> TestResult {
    home.append(team(), vec![team_registered(team(), "some"), product("one"), product("poison")]).await?;
    let sound = home.runner_elsewhere(vec![teams(), Arc::new(Fragile(Weakness::None)), counter()]).await?;
    home.catch_up(&sound).await?;
    let broken = home.runner_elsewhere(vec![teams(), Arc::new(Fragile(Weakness::NoAnswer)), counter()]).await?;
    let mut locks = home.views.build_locks().await?;
    assert!(locks.try_take(view::TEAMS).await?);
    let mut heard: Heard<Rebuilt> = Heard::default();
    broken.rebuild_together(&[view::TEAMS, "fragile", "counter", "nothing"], &mut heard).await?;
    locks.release().await;
    let ended: HashMap<_, _> = heard.ended.iter().map(|(name, result)| (*name, result.as_ref())).collect();
    assert_eq!(ended.len(), 4, "{ended:?}");
    assert!(matches!(ended[view::TEAMS], Err(RebuildError::UnderWay(_))), "{ended:?}");
    assert!(matches!(ended["fragile"], Err(RebuildError::Event { position: Position(3), .. })), "{ended:?}");
    assert!(matches!(ended["nothing"], Err(RebuildError::Unknown(_))), "{ended:?}");
    assert!(matches!(ended["counter"], Ok(Rebuilt { version: 2, position: Position(3), .. })), "{ended:?}");
    for name in [view::TEAMS, "fragile"] {
        assert_eq!(versions(&sound, name).await?, [(1, BuildStatus::Live)], "{name}");
    }
    assert_eq!(sound.digest("counter", 1).await?, sound.digest("counter", 2).await?);
    Ok(())
}

async fn a_view_that_cannot_be_rebuilt_keeps_serving(home: &Home) -> TestResult {
    let sound = home.runner_elsewhere(vec![Arc::new(Fragile(Weakness::None))]).await?;
    home.append(team(), vec![product("one"), product("poison")]).await?;
    home.catch_up(&sound).await?;
    let broken = home.runner_elsewhere(vec![Arc::new(Fragile(Weakness::NoAnswer))]).await?;
    let refused = broken.rebuild("fragile", |_| {}).await;
    assert!(matches!(refused, Err(RebuildError::Event { position, .. }) if position == Position(2)), "{refused:?}");
    assert_eq!(versions(&sound, "fragile").await?, [(1, BuildStatus::Live)]);
    let unknown = broken.rebuild("nothing", |_| {}).await;
    assert!(matches!(unknown, Err(RebuildError::Unknown(_))));
    Ok(())
}

async fn readers_elsewhere_follow_a_rebuild(home: &Home) -> TestResult {
    // Guards: a reader knows the table of build 1; two rebuilds later it is gone.
    append_some(home, 1).await?;
    let runner = home.runner();
    home.catch_up(&runner).await?;
    let elsewhere = home.views_elsewhere().await?;
    assert_eq!(elsewhere.teams().await?.len(), 1);
    runner.rebuild(view::TEAMS, |_| {}).await?;
    runner.rebuild(view::TEAMS, |_| {}).await?;
    assert_eq!(versions(&runner, view::TEAMS).await?, [(2, BuildStatus::Retired), (3, BuildStatus::Live)]);
    assert!(runner.digest(view::TEAMS, 1).await.is_err(), "the table of build 1 is gone");
    assert_eq!(elsewhere.teams().await?.len(), 1);
    Ok(())
}

async fn one_can_go_back_to_the_build_before(home: &Home) -> TestResult {
    append_some(home, 2).await?;
    let runner = home.runner();
    home.catch_up(&runner).await?;
    let none = runner.switch_back(view::LICENSES, |_| {}).await;
    assert!(matches!(none, Err(RebuildError::NoEarlierBuild(_))), "{none:?}");
    runner.rebuild(view::LICENSES, |_| {}).await?;
    append_some(home, 2).await?;
    home.catch_up(&runner).await?;
    runner.switch_back(view::LICENSES, |_| {}).await?;
    assert_eq!(versions(&runner, view::LICENSES).await?, [(1, BuildStatus::Live), (2, BuildStatus::Retired)]);
    assert!(runner.verify(view::LICENSES, |_| {}).await?.matches(), "it has what came while it was retired");
    assert_eq!(runner.drop_retired(view::LICENSES).await?, [2]);
    assert!(runner.digest(view::LICENSES, 2).await.is_err(), "its table is gone");
    let none = runner.switch_back(view::LICENSES, |_| {}).await;
    assert!(matches!(none, Err(RebuildError::NoEarlierBuild(_))), "{none:?}");
    assert_eq!(runner.drop_retired(view::LICENSES).await?, Vec::<i64>::new());
    Ok(())
}

async fn an_earlier_build_of_another_ledger_is_refused(home: &Home) -> TestResult {
    // Guards: the ledger is restored to an earlier moment, the serving build is made anew, the retired one is not.
    append_some(home, 2).await?;
    let runner = home.runner();
    home.catch_up(&runner).await?;
    runner.rebuild(view::LICENSES, |_| {}).await?;
    let mut tx = home.views.begin().await?;
    let table = if tx.is_postgres() { "views.projection" } else { "projection" };
    let sql = format!("UPDATE {table} SET position = 999 WHERE name = 'licenses' AND version = 1");
    tx.execute(sql, vec![]).await?;
    tx.commit().await?;
    let refused = runner.switch_back(view::LICENSES, |_| {}).await;
    assert!(matches!(refused, Err(RebuildError::Misfit { version: 1, .. })), "{refused:?}");
    assert_eq!(versions(&runner, view::LICENSES).await?, [(1, BuildStatus::Retired), (2, BuildStatus::Live)]);
    assert_eq!(runner.drop_retired(view::LICENSES).await?, [1]);
    Ok(())
}

async fn an_earlier_build_that_cannot_be_brought_up_to_date_stays_what_it_was(home: &Home) -> TestResult {
    home.append(team(), vec![product("one")]).await?;
    let sound = home.runner_elsewhere(vec![Arc::new(Fragile(Weakness::None))]).await?;
    home.catch_up(&sound).await?;
    sound.rebuild("fragile", |_| {}).await?;
    home.append(team(), vec![product("poison")]).await?;
    home.catch_up(&sound).await?;
    let broken = home.runner_elsewhere(vec![Arc::new(Fragile(Weakness::NoAnswer))]).await?;
    let refused = broken.switch_back("fragile", |_| {}).await;
    assert!(matches!(refused, Err(RebuildError::Event { position, .. }) if position == Position(2)), "{refused:?}");
    assert_eq!(versions(&sound, "fragile").await?, [(1, BuildStatus::Retired), (2, BuildStatus::Live)]);
    let switched = sound.switch_back("fragile", |_| {}).await?;
    assert_eq!((switched.version, switched.position), (1, Position(2)));
    Ok(())
}

async fn two_at_once_are_refused(home: &Home) -> TestResult {
    // Guards: a second rebuild drops what the first has filled, and both go on dropping each other's.
    append_some(home, 2).await?;
    let runner = home.runner();
    home.catch_up(&runner).await?;
    let elsewhere = home.views_elsewhere().await?;
    let mut locks = elsewhere.build_locks().await?;
    assert!(locks.try_take(view::LICENSES).await?, "nobody has it yet");
    assert!(runner.is_being_built(view::LICENSES).await?);
    let refused = runner.rebuild(view::LICENSES, |_| {}).await;
    assert!(matches!(&refused, Err(RebuildError::UnderWay(name)) if name == view::LICENSES), "{refused:?}");
    assert!(matches!(runner.verify(view::LICENSES, |_| {}).await, Err(RebuildError::UnderWay(_))));
    assert!(matches!(runner.switch_back(view::LICENSES, |_| {}).await, Err(RebuildError::UnderWay(_))));
    assert!(!runner.is_being_built(view::TEAMS).await?, "another view is free");
    runner.rebuild(view::TEAMS, |_| {}).await?;
    // The holder is killed: the lock goes with it, though nobody gave it back.
    drop(locks);
    runner.rebuild(view::LICENSES, |_| {}).await?;
    assert!(!runner.is_being_built(view::LICENSES).await?, "given back at the end");
    Ok(())
}

async fn a_quiet_rebuild_has_the_same_digest(home: &Home) -> TestResult {
    append_some(home, 30).await?;
    let runner = home.runner();
    home.catch_up(&runner).await?;
    for name in view::ALL {
        runner.rebuild(name, |_| {}).await?;
        let (old, new) = (runner.digest(name, 1).await?, runner.digest(name, 2).await?);
        assert_eq!(old, new, "{name}");
    }
    Ok(())
}

async fn verifying_holds_nobody_up(home: &Home) -> TestResult {
    // Guards: the serving build moves on while its rows are read; the fresh one must stop where it was read.
    append_some(home, 600).await?;
    let serving = home.runner();
    home.catch_up(&serving).await?;
    let verifier = Runner::new(home.ledger.clone(), home.views_elsewhere().await?, home.clock.clone());
    let done = AtomicBool::new(false);
    let mut heard: Heard<Verified> = Heard::default();
    let verified = async {
        verifier.verify_together(&view::ALL, &mut heard).await?;
        assert_eq!(heard.done().count(), view::ALL.len(), "{:?}", heard.ended);
        for verified in heard.done() {
            assert!(verified.matches(), "{verified:?}");
            assert_eq!(versions(&serving, &verified.name).await?, [(1, BuildStatus::Live)], "the fresh one is gone");
        }
        done.store(true, Ordering::SeqCst);
        TestResult::Ok(())
    };
    let appended = async {
        let mut rounds = 0;
        while !done.load(Ordering::SeqCst) {
            append_some(home, 1).await?;
            home.catch_up(&serving).await?;
            rounds += 1;
        }
        TestResult::Ok(rounds)
    };
    let (verified, rounds) = tokio::join!(verified, appended);
    verified?;
    let rounds: u32 = rounds?;
    assert!(rounds > 3, "events came in meanwhile");
    Ok(())
}

async fn a_row_changed_by_hand_is_found(home: &Home) -> TestResult {
    append_some(home, 2).await?;
    let runner = home.runner();
    home.catch_up(&runner).await?;
    assert!(runner.verify(view::LICENSES, |_| {}).await?.matches());
    let mut tx = home.views.begin().await?;
    let table = tx.table(view::LICENSES, 1);
    tx.execute(format!("UPDATE {table} SET due_at = 5"), vec![]).await?;
    tx.commit().await?;
    let verified = runner.verify(view::LICENSES, |_| {}).await?;
    assert!(!verified.matches());
    assert_eq!((verified.serving.rows, verified.fresh.rows), (2, 2));
    Ok(())
}

/// Guards: a dump of the database reads every table to its end, and dropping one waits for it, with the view's rows locked
/// and all runners skipping them.
async fn who_reads_an_earlier_build_for_hours_stops_nothing_else(home: &Home) -> TestResult {
    append_some(home, 2).await?;
    let runner = home.runner();
    home.catch_up(&runner).await?;
    runner.rebuild(view::LICENSES, |_| {}).await?;
    let mut dump = home.views.snapshot().await?;
    let read = format!("SELECT * FROM {} LIMIT 1", dump.table(view::LICENSES, 1));
    dump.fetch(read, vec![]).await?;
    tokio::time::timeout(PATIENCE, runner.rebuild(view::LICENSES, |_| {})).await??;
    append_some(home, 1).await?;
    home.catch_up(&runner).await?;
    let mut expected = vec![(2, BuildStatus::Retired), (3, BuildStatus::Live)];
    if home.views.is_postgres() {
        expected.insert(0, (1, BuildStatus::Retired));
        let stays = runner.drop_retired(view::LICENSES).await;
        assert!(matches!(stays, Err(RebuildError::Read { version: 1, .. })), "{stays:?}");
    }
    assert_eq!(versions(&runner, view::LICENSES).await?, expected);
    dump.commit().await?;
    runner.rebuild(view::LICENSES, |_| {}).await?;
    assert_eq!(versions(&runner, view::LICENSES).await?, [(3, BuildStatus::Retired), (4, BuildStatus::Live)]);
    Ok(())
}
