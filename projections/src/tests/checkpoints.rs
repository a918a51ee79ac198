//! Views that do not fit the ledger are thrown away and computed again.

use keyledger_events::{Clock as _, Position};

use super::facts::{team, team_registered};
use super::home::{Engine, Home, PATIENCE};
use super::{TestResult, stories};
use crate::bookkeeping::{self, Build, BuildStatus};
use crate::db::ViewStore;
use crate::runner::Runner;
use crate::view;

stories!(
    views_of_another_ledger_are_computed_again,
    views_ahead_of_a_restored_ledger_are_computed_again,
    what_views_that_are_no_more_left_goes_at_a_start,
);

/// Views that were computed over `other`'s ledger, run over `home`'s.
async fn run_over_others_views(home: &Home, other: &Home) -> TestResult<ViewStore> {
    home.catch_up(&home.runner()).await?;
    let mixed = Runner::new(home.ledger.clone(), other.views.clone(), home.clock.clone());
    mixed.catch_up(home.ledger.head().await?.position, &[], PATIENCE).await?;
    Ok(other.views.clone())
}

async fn names(views: &ViewStore) -> TestResult<Vec<String>> {
    Ok(views.teams().await?.into_iter().map(|team| team.name).collect())
}

async fn views_of_another_ledger_are_computed_again(home: &Home) -> TestResult {
    let other = Home::open(engine_of(home)).await?;
    for (home, name) in [(home, "ours"), (&other, "theirs")] {
        let team = team();
        home.append(team, vec![team_registered(team, name)]).await?;
        home.catch_up(&home.runner()).await?;
    }
    assert_eq!(names(&other.views).await?, ["theirs"]);
    let views = run_over_others_views(home, &other).await?;
    assert_eq!(names(&views).await?, ["ours"], "the same position, but another leaf");
    Ok(())
}

async fn views_ahead_of_a_restored_ledger_are_computed_again(home: &Home) -> TestResult {
    let other = Home::open(engine_of(home)).await?;
    for name in ["one", "two", "three"] {
        let team = team();
        other.append(team, vec![team_registered(team, name)]).await?;
    }
    other.catch_up(&other.runner()).await?;
    let team = team();
    home.append(team, vec![team_registered(team, "one, restored")]).await?;
    let views = run_over_others_views(home, &other).await?;
    assert_eq!(names(&views).await?, ["one, restored"]);
    let runner = Runner::new(home.ledger.clone(), views, home.clock.clone());
    assert!(runner.list().await?.iter().all(|report| report.position == Position(1)));
    Ok(())
}

async fn what_views_that_are_no_more_left_goes_at_a_start(home: &Home) -> TestResult {
    let mut tx = home.views.begin().await?;
    let build = Build::new(view::GONE[0], 3, 4, BuildStatus::Live);
    let table = tx.table(&build.name, build.version);
    tx.run(&format!("CREATE TABLE {table} (team TEXT)")).await?;
    bookkeeping::save(&mut tx, &[build], home.clock.now()).await?;
    tx.commit().await?;
    let runner = home.runner();
    home.catch_up(&runner).await?;
    assert!(runner.list().await?.iter().all(|report| report.name != view::GONE[0]), "nobody would bring it further");
    assert!(home.views.fetch(format!("SELECT * FROM {table}"), Vec::new()).await.is_err(), "its table is gone");
    Ok(())
}

fn engine_of(home: &Home) -> Engine {
    if home.views.is_postgres() { Engine::Postgres } else { Engine::Sqlite }
}

/// Guards: a server that crashed comes back with rows from before a position that processes have seen passed.
#[tokio::test]
async fn what_postgresql_commits_of_views_survives_its_crash() -> TestResult {
    let home = Home::open(Engine::Postgres).await?;
    let mut tx = home.views.begin().await?;
    let rows = tx.fetch("SHOW synchronous_commit".to_owned(), Vec::new()).await?;
    assert_eq!(rows.first().ok_or("no setting")?.text(0)?, "on");
    Ok(())
}

#[tokio::test]
async fn a_damaged_file_is_deleted_and_computed_again() -> TestResult {
    let home = Home::open(Engine::Sqlite).await?;
    let team = team();
    home.append(team, vec![team_registered(team, "survivor")]).await?;
    home.catch_up(&home.runner()).await?;
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("views.db"), b"this is no database, whatever its name says".repeat(200))?;
    let views = ViewStore::open_sqlite(folder.path()).await?;
    let runner = Runner::new(home.ledger.clone(), views.clone(), home.clock.clone());
    home.catch_up(&runner).await?;
    assert_eq!(names(&views).await?, ["survivor"]);
    Ok(())
}
