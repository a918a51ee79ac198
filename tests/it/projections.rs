//! An admin looks after the views: how far they are, computed afresh, compared, switched back.

use std::process::Stdio;
use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::support::app::Answer;
use crate::support::compose::polymart;
use crate::support::{Backend, Error, TestApp, TestResult, after_retries, database, on_both_stores};

on_both_stores!(
    views_are_rebuilt_in_the_background_of_a_server,
    one_at_a_time_works_on_a_view,
    one_goes_back_to_the_build_before_with_all_that_came_since,
    a_row_changed_by_hand_is_found_and_mended,
    a_view_that_nobody_remembers_is_made_again,
    a_rebuild_that_is_killed_leaves_the_serving_build,
    views_are_for_admins,
);

const VIEWS: u64 = 13;

/// A seller with so many sales.
async fn sold(backend: Backend, sales: u32) -> Result<TestApp, Error> {
    let app = TestApp::with_polymart(backend).await?;
    for _ in 0..sales {
        let answer = app.post_polymart(&polymart::purchase(polymart::user(), 7), &app.product_query()).await?;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    Ok(app)
}

/// The build of a view that serves.
async fn serving(app: &TestApp, view: &str) -> Result<i64, Error> {
    let status = app.server.cli(&["projections", "status", view, "--json"]).await?;
    Ok(status["views"][0]["version"].as_i64().ok_or_else(|| format!("{view} does not serve: {status}"))?)
}

async fn verified(app: &TestApp, view: &str) -> Result<Value, Error> {
    Ok(app.server.cli(&["projections", "verify", view, "--json"]).await?[0].take())
}

async fn views_are_rebuilt_in_the_background_of_a_server(backend: Backend) -> TestResult {
    let app = sold(backend, 20).await?;
    let admin = app.admin().await?;
    let status = admin.get("/projections/status").await?;
    let status = status.data()?;
    assert_eq!(status["views"].as_array().map(Vec::len), usize::try_from(VIEWS).ok(), "{status}");
    for view in status["views"].as_array().into_iter().flatten() {
        assert!(view["name"].is_string() && view["version"].is_i64() && view["status"] == "live", "{view}");
        assert!(view["lagEvents"].is_i64() && view["lagSeconds"].is_i64() && view["fault"].is_null(), "{view}");
    }
    assert_eq!((&status["tasks"], &status["building"]), (&json!([]), &json!([])));

    let begun = admin.post("/projections/rebuild", &json!({})).await?;
    assert_eq!(begun.status, 202, "{begun:?}");
    assert_eq!((&begun.data()?["kind"], &begun.data()?["state"]), (&json!("rebuild"), &json!("running")));
    assert_eq!(begun.data()?["actor"], admin.actor);
    let ended = admin.ended(&begun).await?;
    assert_eq!(ended["state"], "done", "{ended}");
    let results = ended["results"].as_array().ok_or("no results")?;
    assert_eq!(results.len(), usize::try_from(VIEWS)?);
    assert!(results.iter().all(|result| result["version"] == 2 && result["seconds"].is_f64()), "{ended}");
    let builds = admin.get("/projections").await?;
    let builds = builds.data()?["builds"].as_array().ok_or("no builds")?;
    let count = |status: &str| builds.iter().filter(|build| build["status"] == status).count();
    assert_eq!((count("live"), count("retired")), (13, 13), "{builds:?}");

    let begun = admin.post("/projections/verify", &json!({ "names": ["licenses", "inbox"] })).await?;
    let ended = admin.ended(&begun).await?;
    assert_eq!(ended["state"], "done", "{ended}");
    assert!(ended["results"].as_array().is_some_and(|all| all.len() == 2), "{ended}");
    assert!(ended["results"].to_string().contains("\"matches\":true"), "{ended}");
    let tasks = admin.get("/projections/status").await?;
    assert_eq!(tasks.data()?["tasks"].as_array().map(Vec::len), Some(2), "both are remembered");

    let log = app.server.log();
    assert!(log.lines().any(|line| line.contains("work on views begins") && line.contains(&admin.actor)), "who did it");
    let unknown = admin.post("/projections/rebuild", &json!({ "names": ["licences"] })).await?;
    assert!(unknown.status == 404 && unknown.details().contains("licences"), "{unknown:?}");
    let missing = admin.get(&format!("/projections/tasks/{}", uuid::Uuid::new_v4())).await?;
    assert_eq!((missing.status, missing.code()), (404, "NOT_FOUND"));
    Ok(())
}

/// Guards: a second rebuild would drop what the first has filled.
async fn one_at_a_time_works_on_a_view(backend: Backend) -> TestResult {
    let app = sold(backend, 60).await?;
    let admin = app.admin().await?;
    let begun = admin.post("/projections/rebuild", &json!({})).await?;
    assert_eq!(begun.status, 202, "{begun:?}");
    for path in ["rebuild", "verify"] {
        let second = admin.post(&format!("/projections/{path}"), &json!({ "names": ["seats"] })).await?;
        assert_eq!((second.status, second.code()), (409, "CONFLICT"), "{second:?}");
        assert!(second.details().contains("seats"), "{second:?}");
    }
    assert_eq!(admin.ended(&begun).await?["state"], "done");
    let again = admin.post("/projections/rebuild", &json!({ "names": ["seats"] })).await?;
    assert_eq!(admin.ended(&again).await?["results"][0]["version"], 3, "when it is over, the next may begin");

    // Two commands at once: one of them is told, or they came one after the other.
    let rebuild = ["projections", "rebuild", "licenses", "--json"];
    let (one, other) = tokio::join!(app.server.cli_output(&rebuild, None), app.server.cli_output(&rebuild, None));
    let (one, other) = (one?, other?);
    let done = [&one, &other].iter().filter(|output| output.status.success()).count();
    assert!(done >= 1);
    for output in [one, other].iter().filter(|output| !output.status.success()) {
        assert!(String::from_utf8_lossy(&output.stderr).contains("view `licenses` is being rebuilt"));
    }
    assert!(verified(&app, "licenses").await?["matches"] == true);
    Ok(())
}

async fn one_goes_back_to_the_build_before_with_all_that_came_since(backend: Backend) -> TestResult {
    let app = sold(backend, 5).await?;
    let admin = app.admin().await?;
    let none = admin.post("/projections/switch-back", &json!({ "names": ["licenses"] })).await?;
    assert_eq!((none.status, none.code()), (409, "CONFLICT"), "{none:?}");
    let before = verified(&app, "licenses").await?;
    app.server.cli(&["projections", "rebuild", "licenses", "--json"]).await?;
    let rebuilt = verified(&app, "licenses").await?;
    assert_eq!(before["digest"], rebuilt["digest"], "the same rows");
    assert_eq!((&before["version"], &rebuilt["version"]), (&json!(1), &json!(2)));

    let developer = app.program("developer").await?;
    let sale = polymart::purchase(polymart::user(), 7);
    assert_eq!(app.post_polymart(&sale, &app.product_query()).await?.status, 200);
    let begun = admin.post("/projections/switch-back", &json!({ "names": ["licenses"] })).await?;
    assert_eq!(admin.ended(&begun).await?["state"], "done");
    let listed = developer.get("/licenses").await?;
    assert_eq!(listed.data()?["totalResults"], 6, "nobody says no from a stale view");
    let back = verified(&app, "licenses").await?;
    assert_eq!((&back["version"], &back["matches"]), (&json!(1), &json!(true)), "{back}");
    let forth = app.server.cli(&["projections", "switch-back", "licenses", "--json"]).await?;
    assert_eq!(forth[0]["version"], 2, "and forth again");
    assert_eq!(verified(&app, "licenses").await?["digest"], back["digest"]);

    let dropped = admin.call(Method::DELETE, "/projections/licenses/retired", None).await?;
    assert_eq!(dropped.data()?, &json!({ "dropped": [1] }), "{dropped:?}");
    let output = app.server.cli_output(&["projections", "switch-back", "licenses"], None).await?;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no earlier build"));
    assert_eq!(serving(&app, "licenses").await?, 2);
    Ok(())
}

async fn a_row_changed_by_hand_is_found_and_mended(backend: Backend) -> TestResult {
    let app = sold(backend, 5).await?;
    assert!(verified(&app, "licenses").await?["matches"] == true);
    database::run(&app.server, "views", "UPDATE {}inbox_v1 SET outcome = 'rejected'").await?;
    let output = app.server.cli_output(&["projections", "verify", "inbox", "teams", "--json"], None).await?;
    assert_eq!(output.status.code(), Some(1), "scripts notice");
    let said: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!((&said[0]["matches"], &said[1]["matches"]), (&json!(false), &json!(true)), "{said}");
    assert_eq!((&said[0]["rows"], &said[0]["freshRows"]), (&json!(5), &json!(5)));
    assert!(String::from_utf8_lossy(&output.stderr).contains("projections rebuild inbox"));
    app.server.cli(&["projections", "rebuild", "inbox", "--json"]).await?;
    assert!(verified(&app, "inbox").await?["matches"] == true);
    Ok(())
}

async fn a_view_that_nobody_remembers_is_made_again(backend: Backend) -> TestResult {
    let app = sold(backend, 5).await?;
    app.settle().await?;
    database::run(&app.server, "views", "DELETE FROM {}projection WHERE name = 'licenses'").await?;
    assert_eq!(app.licenses().await?.len(), 5, "its table is still there, and stands in nobody's way");
    assert!(verified(&app, "licenses").await?["matches"] == true);
    let answer = app.post_polymart(&polymart::purchase(polymart::user(), 7), &app.product_query()).await?;
    assert_eq!(answer.status, 200, "{answer:?}");
    app.settle().await?;
    assert_eq!(app.licenses().await?.len(), 6, "the server goes on with it");
    Ok(())
}

/// Interleaving: the process dies between any two of a rebuild's steps, a hundred of them in ten views.
async fn a_rebuild_that_is_killed_leaves_the_serving_build(backend: Backend) -> TestResult {
    const KILLS: u32 = 12;
    let app = sold(backend, 150).await?;
    let developer = app.program("developer").await?;
    let begun = Instant::now();
    app.server.cli(&["projections", "rebuild", "--json"]).await?;
    let whole = begun.elapsed();
    let mut left_behind = 0;
    for kill in 1..=KILLS {
        let mut child = app.server.command(&["projections", "rebuild"]);
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        tokio::time::sleep(whole * kill / (KILLS + 1)).await;
        child.kill()?;
        child.wait()?;
        let status = app.server.cli(&["projections", "status", "--json"]).await?;
        let live = status["views"].as_array().into_iter().flatten().filter(|view| view["status"] == "live");
        assert_eq!(live.count(), 13, "{status}");
        left_behind += status["building"].as_array().map_or(0, Vec::len);
        let listed = developer.get("/licenses?pageSize=100").await?;
        assert_eq!(listed.data()?["totalResults"], 150, "the old ones serve");
    }
    assert!(left_behind > 0, "no kill met a view that was being filled");
    // The lock went with the process: the next one may begin at once, and tidies up.
    let all = app.server.cli(&["projections", "rebuild", "--json"]).await?;
    assert_eq!(all.as_array().map(Vec::len), Some(13));
    let status = app.server.cli(&["projections", "status", "--json"]).await?;
    assert_eq!(status["building"], json!([]), "{status}");
    let verified = app.server.cli(&["projections", "verify", "--json"]).await?;
    assert!(verified.as_array().is_some_and(|all| all.iter().all(|one| one["matches"] == true)), "{verified}");
    Ok(())
}

async fn views_are_for_admins(backend: Backend) -> TestResult {
    let app = sold(backend, 1).await?;
    for scope in ["developer", "auditor"] {
        let other = app.admin_with(scope).await?;
        for path in ["/projections", "/projections/status", "/projections/tasks"] {
            assert_eq!(other.get(path).await?.code(), "FORBIDDEN", "{scope} {path}");
        }
        for path in ["/projections/rebuild", "/projections/verify", "/projections/switch-back"] {
            assert_eq!(other.post(path, &json!({})).await?.code(), "FORBIDDEN", "{scope} {path}");
        }
        let refused = other.call(Method::DELETE, "/projections/teams/retired", None).await?;
        assert_eq!(refused.code(), "FORBIDDEN", "{scope}");
    }
    assert_eq!(serving(&app, "teams").await?, 1, "nothing was done");
    Ok(())
}

/// Guards: a stranger, or a node of an older release that hangs, holds the rows of all views: every server skips them, and
/// says that it is ready while no sale has any effect.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_views_do_not_move_is_not_ready() -> TestResult {
    let app = sold(Backend::Postgres, 1).await?;
    let ready = async || Answer::of(app.http.get(app.server.url("/readyz")).send().await?).await;
    assert_eq!(ready().await?.status, 200);
    let mut stranger = PgConnection::connect(app.server.database_url()).await?;
    stranger.execute("BEGIN; SELECT * FROM views.projection FOR UPDATE").await?;
    let sale = app.post_polymart(&polymart::purchase(polymart::user(), 7), &app.product_query()).await?;
    assert_eq!(sale.status, 200, "it is in the ledger: {sale:?}");
    let told = after_retries("it is told", async || {
        let answer = ready().await?;
        Ok((answer.status == 503).then(|| answer.message().to_owned()))
    });
    let told = told.await?;
    assert!(told.contains("has not moved for 1") && told.contains("although the ledger has"), "{told}");
    let logged = || app.server.log().contains("views do not move although the ledger does");
    after_retries("the log tells it", async || Ok(logged().then_some(()))).await?;
    stranger.execute("ROLLBACK").await?;
    after_retries("it is ready again", async || Ok((ready().await?.status == 200).then_some(()))).await
}
