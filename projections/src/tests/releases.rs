//! Builds of two releases side by side, as during an upgrade and after it.

use keyledger_events::Position;

use super::home::Home;
use super::rebuilds::append_some;
use super::{TestResult, stories};
use crate::bookkeeping::{self, Build};
use crate::runner::Runner;
use crate::view;

stories!(
    what_an_upgrade_left_behind_is_not_counted_and_goes_after_a_day,
    a_rebuild_leaves_the_build_of_another_release_alone,
    a_view_that_is_dropped_under_a_server_is_missed_and_made_again,
    a_view_that_is_computed_anew_keeps_no_other_waiting,
);

/// The builds of a view.
async fn builds(home: &Home, name: &str) -> TestResult<Vec<Build>> {
    let mut builds = bookkeeping::read(&home.views).await?;
    builds.retain(|build| build.name == name);
    Ok(builds)
}

/// The serving build of a view becomes one that another release reads.
async fn hand_over(home: &Home, name: &str) -> TestResult {
    let table = if home.views.is_postgres() { "views.projection" } else { "projection" };
    let mut tx = home.views.begin().await?;
    tx.execute(format!("UPDATE {table} SET code_version = code_version + 1000 WHERE name = '{name}'"), vec![]).await?;
    Ok(tx.commit().await?)
}

/// A ledger whose view of teams another release reads, and the process of ours that was started then.
async fn upgraded(home: &Home) -> TestResult<Runner> {
    append_some(home, 3).await?;
    home.catch_up(&home.runner()).await?;
    hand_over(home, view::TEAMS).await?;
    append_some(home, 3).await?;
    let ours = home.runner();
    home.catch_up(&ours).await?;
    Ok(ours)
}

async fn what_an_upgrade_left_behind_is_not_counted_and_goes_after_a_day(home: &Home) -> TestResult {
    let ours = upgraded(home).await?;
    let listed = ours.list().await?;
    let teams: Vec<_> = listed.iter().filter(|build| build.name == view::TEAMS).collect();
    assert_eq!(teams.iter().map(|build| (build.version, build.ours)).collect::<Vec<_>>(), [(1, false), (2, true)]);
    assert!(listed.iter().filter(|build| build.ours).all(|build| build.lag_events == 0), "{listed:?}");

    home.clock.advance_seconds(86_000);
    home.catch_up(&home.runner()).await?;
    assert_eq!(builds(home, view::TEAMS).await?.len(), 2, "a node of the other release may only be slow");
    home.clock.advance_seconds(1_000);
    home.catch_up(&home.runner()).await?;
    assert_eq!(builds(home, view::TEAMS).await?.len(), 1);
    Ok(())
}

async fn a_rebuild_leaves_the_build_of_another_release_alone(home: &Home) -> TestResult {
    let ours = upgraded(home).await?;
    ours.rebuild(view::TEAMS, |_| {}).await?;
    ours.rebuild(view::TEAMS, |_| {}).await?;
    let versions: Vec<_> = builds(home, view::TEAMS).await?.iter().map(|build| build.version).collect();
    assert_eq!(versions, [1, 3, 4], "of ours, the one before is kept for going back");
    Ok(())
}

async fn a_view_that_is_dropped_under_a_server_is_missed_and_made_again(home: &Home) -> TestResult {
    append_some(home, 3).await?;
    let runner = home.runner();
    home.catch_up(&runner).await?;
    let mut tx = home.views.begin().await?;
    for build in builds(home, view::TEAMS).await? {
        bookkeeping::drop_build(&mut tx, &build).await?;
    }
    tx.commit().await?;
    append_some(home, 1).await?;
    runner.pass_once().await?;
    assert_eq!(runner.status().borrow().missing, [view::TEAMS]);
    home.catch_up(&runner).await?;
    assert!(runner.status().borrow().missing.is_empty());
    assert_eq!(home.views.teams().await?.len(), 2);
    Ok(())
}

async fn a_view_that_is_computed_anew_keeps_no_other_waiting(home: &Home) -> TestResult {
    append_some(home, 700).await?;
    home.catch_up(&home.runner()).await?;
    hand_over(home, view::STATISTICS).await?;
    let ours = home.runner();
    ours.pass_once().await?;
    append_some(home, 1).await?;
    let head = ours.pass_once().await?.head;
    assert!(head > Position(2_000), "the story is about several pages: {head}");
    let status = ours.status().borrow().clone();
    let place = |name: &str| status.views.get(name).map(|view| view.position);
    assert_eq!(place(view::LICENSES), Some(head));
    assert!(place(view::STATISTICS) < Some(head) && place(view::STATISTICS) > Some(Position(1_000)), "{status:?}");
    home.catch_up(&ours).await
}
