//! `events list` and `events tail`: filters, the last events, and what happens next.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

use crate::support::app::id;
use crate::support::compose::{Checkout, Layout, polymart};
use crate::support::stripe_api::session_line;
use crate::support::{Backend, Error, PATIENCE, TestApp, TestResult, now, on_both_stores, unique};

on_both_stores!(
    events_are_filtered,
    the_last_events_are_shown,
    new_events_are_followed,
    a_customer_is_followed_to_what_they_buy_next,
);

async fn listed(app: &TestApp, args: &[&str]) -> Result<Vec<Value>, Error> {
    let told = app.server.cli(&[&["events"], args, &["--json"]].concat()).await?;
    told.as_array().cloned().ok_or_else(|| format!("no array: {told}").into())
}

async fn events_are_filtered(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let user = polymart::user();
    app.deliver_polymart(&polymart::purchase_at(user, 1, now() - 60)).await?;
    app.deliver_polymart(&polymart::removal_at(user, 1, now())).await?;
    app.server.cli(&["team", "create", "Somebody Else", "--json"]).await?;
    let all = app.events().await?;
    let of = |wanted: &dyn Fn(&Value) -> bool| all.iter().filter(|event| wanted(event)).cloned().collect::<Vec<_>>();
    let license = id(&app.license().await?)?;
    let stream = format!("license-{license}");
    let middle = &all[all.len() / 2];
    let time = middle["recordedAt"].as_str().ok_or("no time")?;
    let day = time.get(..10).ok_or("no day")?;
    let tomorrow = "2099-01-01";
    let since = |event: &Value| event["recordedAt"].as_str() >= Some(time);
    let cases: [(&[&str], Vec<Value>); 10] = [
        (&["list"], all.clone()),
        (&["list", "--team", &app.team], of(&|event| event["teamId"] == app.team)),
        (&["list", "--stream", &stream], of(&|event| event["stream"] == stream)),
        (&["list", "--license", &license], of(&|event| event["stream"] == stream)),
        (&["list", "--license", &license, "--type", "LicenseRevoked"], of(&|event| event["type"] == "LicenseRevoked")),
        (
            &["list", "--type", "LicenseRevoked", "--type", "LicenseIssued"],
            of(&|event| event["type"] == "LicenseRevoked" || event["type"] == "LicenseIssued"),
        ),
        (&["list", "--since", time], of(&since)),
        (&["list", "--until", time], of(&|event| !since(event))),
        (&["list", "--day", day], of(&|event| event["recordedAt"].as_str().is_some_and(|at| at.starts_with(day)))),
        (&["list", "--day", tomorrow], Vec::new()),
    ];
    for (args, expected) in cases {
        assert_eq!(listed(&app, args).await?, expected, "{args:?}");
    }
    let from = middle["position"].to_string();
    assert_eq!(listed(&app, &["list", "--from", &from]).await?, all[all.len() / 2..]);
    assert_eq!(listed(&app, &["list", "--from", &from, "--to", &from]).await?, std::slice::from_ref(middle));
    Ok(())
}

async fn the_last_events_are_shown(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    for buyer in 0..4 {
        app.deliver_polymart(&polymart::purchase(polymart::user(), buyer)).await?;
    }
    let all = app.events().await?;
    assert!(all.len() > 12);
    assert_eq!(listed(&app, &["tail"]).await?, all[all.len() - 10..]);
    assert_eq!(listed(&app, &["tail", "--limit", "3"]).await?, all[all.len() - 3..]);
    assert_eq!(listed(&app, &["tail", "--limit", "1000"]).await?, all);
    assert_eq!(listed(&app, &["tail", "--limit", "0"]).await?, [Value::Null; 0]);
    assert_eq!(listed(&app, &["tail", "--from", "2"]).await?, all[1..], "from a place on, all of it");
    let issued: Vec<Value> = all.iter().filter(|event| event["type"] == "LicenseIssued").cloned().collect();
    assert_eq!(listed(&app, &["tail", "--type", "LicenseIssued"]).await?, issued, "the filter comes first");
    assert_eq!(listed(&app, &["tail", "--type", "LicenseIssued", "--limit", "2"]).await?, issued[2..]);
    Ok(())
}

/// `events tail --follow` with a line a document.
struct Followed {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Followed {
    fn start(app: &TestApp, args: &[&str]) -> Result<Self, Error> {
        let args = [&["events", "tail", "--follow", "--json", "--team", &app.team], args].concat();
        let mut command = tokio::process::Command::from(app.server.command(&args));
        command.stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn()?;
        let lines = BufReader::new(child.stdout.take().ok_or("no pipe")?).lines();
        Ok(Self { child, lines })
    }

    async fn next(&mut self) -> Result<Value, Error> {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await??.ok_or("the command has ended")?;
        Ok(serde_json::from_str(&line)?)
    }
}

/// What they buy begins streams of its own, which were not there when the following began.
async fn a_customer_is_followed_to_what_they_buy_next(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let buy = async || -> Result<Value, Error> {
        let checkout = Checkout { email: "ada@example.test".to_owned(), ..Checkout::paid(Layout::Basil) };
        app.stripe.add_session(&checkout.id, vec![session_line(&unique("li"), "prod_plugin", 1)]);
        app.deliver(&[&checkout.completed()]).await?;
        Ok(app.licenses().await?.remove(0))
    };
    let customer = buy().await?["customerId"].as_str().ok_or("no customer")?.to_owned();
    let mut followed = Followed::start(&app, &["--customer", &customer, "--limit", "1"])?;
    followed.next().await?;
    let second = buy().await?;
    let stream = format!("license-{}", id(&second)?);
    loop {
        let event = followed.next().await?;
        if event["type"] == "LicenseIssued" {
            assert_eq!(event["stream"], stream);
            return Ok(());
        }
    }
}

async fn new_events_are_followed(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let before = app.events().await?.len();
    let mut followed = Followed::start(&app, &["--limit", "2"])?;
    assert_eq!(followed.next().await?["position"], before - 1);
    assert_eq!(followed.next().await?["position"], before);
    for buyer in 0..3 {
        app.deliver_polymart(&polymart::purchase(polymart::user(), buyer)).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let expected = app.events().await?;
    for event in &expected[before..] {
        assert_eq!(followed.next().await?, *event, "a document a line, nothing lost, nothing twice");
    }
    let child = &mut followed.child;
    assert!(child.try_wait()?.is_none(), "it goes on");
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(i32::try_from(child.id().ok_or("no id")?)?),
        nix::sys::signal::SIGINT,
    )?;
    let status = tokio::time::timeout(PATIENCE, child.wait()).await??;
    assert!(status.success(), "Ctrl-C is its end: {status}");
    assert_eq!(expected.last().map(|event| &event["teamId"]), Some(&json!(app.team)));
    Ok(())
}
