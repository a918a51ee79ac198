//! What Stripe is answered: every row of the contract's table.

use serde_json::Value;
use sqlx::{Connection as _, SqliteConnection};
use uuid::Uuid;

use crate::support::app::{Answer, STRIPE_SECRET, id};
use crate::support::compose::{Checkout, Layout, id_of, polymart};
use crate::support::postgres::OwnPostgres;
use crate::support::stripe_api::session_line;
use crate::support::{
    Backend, Error, Keyledger, Options, TestApp, TestResult, after_retries, now, on_both_stores, sign,
};

on_both_stores!(
    a_delivery_is_kept_and_its_repetition_changes_nothing,
    a_wrong_address_is_told_apart,
    a_delivery_that_proves_nothing_is_refused,
    a_signed_body_that_says_nothing_is_refused_but_kept,
    a_switched_off_integration_keeps_what_it_refuses,
    a_body_has_a_limit,
    names_of_any_length_hold_nobody_up,
    unsigned_deliveries_are_limited_and_signed_ones_are_not,
);

const MIB: usize = 1024 * 1024;

/// A delivery that is not answered 200 says why, for people.
fn assert_refused(answer: &Answer, status: u16, case: &str) {
    assert_eq!(answer.status, status, "{case}: {answer:?}");
    assert!(answer.message().len() > 10, "{case}: {answer:?}");
}

/// A purchase that can be applied.
fn purchase(app: &TestApp) -> Value {
    let checkout = Checkout::paid(Layout::Basil);
    app.stripe.add_session(&checkout.id, vec![session_line("li_1", "prod_plugin", 1)]);
    checkout.completed()
}

async fn post_signed(app: &TestApp, body: Vec<u8>, time: i64) -> Result<Answer, Error> {
    let signature = sign::stripe(&[STRIPE_SECRET], time, &body)?;
    app.post(&app.stripe_path(), &[("stripe-signature", &signature)], body).await
}

async fn a_delivery_is_kept_and_its_repetition_changes_nothing(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let applied = purchase(&app);
    let mut ignored = purchase(&app);
    ignored["type"] = "some.new_thing".into();
    for event in [&applied, &ignored] {
        let answer = app.post_stripe(event).await?;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!((&answer.body["received"], &answer.body["duplicate"]), (&true.into(), &false.into()));
        assert_eq!(answer.body["eventId"], id_of(event));
        assert!(!answer.message().is_empty(), "{answer:?}");
        app.settle().await?;
    }
    let before = app.events().await?.len();
    for event in [&applied, &ignored] {
        let answer = app.post_stripe(event).await?;
        assert_eq!((answer.status, &answer.body["duplicate"]), (200, &true.into()), "{answer:?}");
        assert_eq!(answer.body["eventId"], id_of(event));
    }
    assert_eq!(app.events().await?.len(), before, "the ledger does not grow");
    assert_eq!(app.entry(id_of(&ignored)).await?.outcome, "ignored");

    // Pending counts as known, too.
    app.stripe.revoke_keys();
    let pending = purchase(&app);
    for duplicate in [false, true] {
        let answer = app.post_stripe(&pending).await?;
        assert_eq!((answer.status, &answer.body["duplicate"]), (200, &duplicate.into()), "{answer:?}");
    }
    Ok(())
}

async fn a_wrong_address_is_told_apart(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let other = id(&app.server.cli(&["team", "create", "Without Stripe", "--json"]).await?)?;
    let body = serde_json::to_vec(&purchase(&app))?;
    let signature = sign::stripe(&[STRIPE_SECRET], now(), &body)?;
    for (query, status) in [
        (String::new(), 400),
        ("?teamId=".to_owned(), 400),
        ("?teamId=7".to_owned(), 400),
        (format!("?teamId={}", Uuid::new_v4()), 404),
        (format!("?teamId={other}"), 404),
    ] {
        let path = format!("/api/v1/integrations/stripe{query}");
        let answer = app.post(&path, &[("stripe-signature", &signature)], body.clone()).await?;
        assert_refused(&answer, status, &query);
    }
    Ok(())
}

async fn a_delivery_that_proves_nothing_is_refused(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let body = serde_json::to_vec(&purchase(&app))?;
    let before = app.events().await?.len();
    let good = sign::stripe(&[STRIPE_SECRET], now(), &body)?;
    let cases = [
        ("no header", None),
        ("an empty header", Some(String::new())),
        ("another secret", Some(sign::stripe(&["whsec_other"], now(), &body)?)),
        ("another body", Some(sign::stripe(&[STRIPE_SECRET], now(), b"{}")?)),
        ("too old", Some(sign::stripe(&[STRIPE_SECRET], now() - 310, &body)?)),
        ("from the future", Some(sign::stripe(&[STRIPE_SECRET], now() + 310, &body)?)),
        ("another time", Some(good.replacen("t=", "t=1", 1))),
        ("only v0", Some(good.replace("v1=", "v0="))),
        ("no time", Some(good.split_once(',').map_or(String::new(), |(_, rest)| rest.to_owned()))),
        ("not hexadecimal", Some(format!("t={},v1=zz", now()))),
    ];
    for (case, header) in &cases {
        let headers: Vec<_> = header.iter().map(|value| ("stripe-signature", value.as_str())).collect();
        assert_refused(&app.post(&app.stripe_path(), &headers, body.clone()).await?, 400, case);
    }
    assert_eq!(app.events().await?.len(), before, "nobody who merely knows a team's id can grow the ledger");
    assert_eq!(post_signed(&app, body.clone(), now() - 290).await?.status, 200);
    Ok(())
}

async fn a_signed_body_that_says_nothing_is_refused_but_kept(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let bodies = ["", "no JSON", "[]", "7", r#"{"object":"event","type":"invoice.paid"}"#, r#"{"id":7}"#];
    for body in bodies {
        assert_refused(&post_signed(&app, body.into(), now()).await?, 400, body);
    }
    app.settle().await?;
    let inbox = app.inbox().await?;
    assert_eq!(inbox.len(), bodies.len(), "a verified delivery is never dropped: {inbox:?}");
    for entry in &inbox {
        assert_eq!(entry["outcome"], "rejected");
        assert!(entry["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{entry}");
    }
    Ok(())
}

async fn a_switched_off_integration_keeps_what_it_refuses(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    app.integrate("stripe", &["--active", "false"]).await?;
    let event = purchase(&app);
    let body = serde_json::to_vec(&event)?;
    let unsigned = app.post(&app.stripe_path(), &[("stripe-signature", "t=1,v1=00")], body).await?;
    assert_refused(&unsigned, 400, "switched off, and not signed");
    assert_refused(&app.post_stripe(&event).await?, 409, "switched off");
    app.settle().await?;
    assert_eq!(app.entry(id_of(&event)).await?.outcome, "rejected");

    let before = app.events().await?.len();
    assert_refused(&app.post_stripe(&event).await?, 409, "still switched off");
    assert_eq!(app.events().await?.len(), before, "the ledger does not grow");

    app.integrate("stripe", &["--active", "true"]).await?;
    let answer = app.post_stripe(&event).await?;
    assert_eq!((answer.status, &answer.body["duplicate"]), (200, &false.into()), "{answer:?}");
    app.settle().await?;
    assert_eq!(app.entry(id_of(&event)).await?.outcome, "applied");
    assert_eq!(app.events_of("ProviderEventReopened").await?.len(), 1);
    assert_eq!(app.licenses().await?.len(), 1);
    Ok(())
}

/// An event whose body has exactly this many bytes.
fn padded(event: &Value, bytes: usize) -> Result<Vec<u8>, Error> {
    let mut event = event.clone();
    event["padding"] = "".into();
    let short = serde_json::to_vec(&event)?.len();
    event["padding"] = "x".repeat(bytes - short).into();
    Ok(serde_json::to_vec(&event)?)
}

async fn a_body_has_a_limit(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let event = purchase(&app);
    for bytes in [MIB + 1, 7 * MIB] {
        assert_refused(&post_signed(&app, padded(&event, bytes)?, now()).await?, 413, &format!("{bytes} bytes"));
    }
    let answer = post_signed(&app, padded(&event, MIB)?, now()).await?;
    assert_eq!((answer.status, &answer.body["duplicate"]), (200, &false.into()), "{answer:?}");
    Ok(())
}

async fn unsigned_deliveries_are_limited_and_signed_ones_are_not(backend: Backend) -> TestResult {
    let options = Options::default().env("KEYLEDGER_UNSIGNED_LIMIT_PER_MINUTE", "5");
    let app = TestApp::builder(backend).stripe().options(options).build().await?;
    app.stripe.add_product("prod_plugin", &[("product_id", &app.product)]);
    let body = serde_json::to_vec(&purchase(&app))?;
    let mut refused = None;
    for _ in 0..20 {
        let answer = app.post(&app.stripe_path(), &[("stripe-signature", "t=1,v1=00")], body.clone()).await?;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
        assert_refused(&answer, 400, "within the limit");
    }
    let refused = refused.ok_or("20 unsigned deliveries in a row were not limited to 5")?;
    assert_refused(&refused, 429, "over the limit");
    let wait = refused.headers.get("retry-after").ok_or("no Retry-After")?.to_str()?.parse::<u64>()?;
    assert!((1..=60).contains(&wait), "{wait}");

    for _ in 0..10 {
        let answer = app.post_stripe(&purchase(&app)).await?;
        assert_eq!(answer.status, 200, "a correctly signed delivery is never answered 429: {answer:?}");
    }
    Ok(())
}

/// Asserts a 503 with a hint when to come back.
fn assert_unavailable(answer: &Answer) -> TestResult {
    assert_refused(answer, 503, "the ledger cannot store it");
    answer.headers.get("retry-after").ok_or("no Retry-After")?.to_str()?.parse::<u64>()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_is_locked_turns_deliveries_away_until_it_is_free() -> TestResult {
    let app = TestApp::with_stripe(Backend::Sqlite).await?;
    let file = app.server.folder().join("data/ledger.db");
    let mut other = SqliteConnection::connect(&format!("sqlite:{}", file.display())).await?;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await?;
    let event = purchase(&app);
    assert_unavailable(&app.post_stripe(&event).await?)?;
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await?;
    accepted_again(&app, &event).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_whose_database_is_gone_turns_deliveries_away_until_it_is_back() -> TestResult {
    let postgres = OwnPostgres::start()?;
    let mut app = TestApp::builder(Backend::Sqlite).stripe().build().await?;
    // The same seller, but on a database that can be crashed.
    app.server = Keyledger::start_at(postgres.url(), Options::default()).await?;
    app.connect().await?;
    app.stripe.add_product("prod_plugin", &[("product_id", &app.product)]);
    postgres.crash()?;
    let event = purchase(&app);
    assert_unavailable(&app.post_stripe(&event).await?)?;
    postgres.restart_immediately()?;
    accepted_again(&app, &event).await
}

/// Stripe delivers again until it is accepted; however often that was, it is one licence.
async fn accepted_again(app: &TestApp, event: &Value) -> TestResult {
    after_retries("the delivery is accepted", async || Ok((app.post_stripe(event).await?.status == 200).then_some(())))
        .await?;
    app.settle().await?;
    assert_eq!(app.entry(id_of(event)).await?.outcome, "applied");
    assert_eq!(app.licenses().await?.len(), 1);
    Ok(())
}

/// Guards: an id that is longer than an index of PostgreSQL takes, which stopped every view of every team.
async fn names_of_any_length_hold_nobody_up(backend: Backend) -> TestResult {
    let app = TestApp::builder(backend).stripe().polymart().build().await?;
    app.stripe.add_product("prod_plugin", &[("product_id", &app.product)]);
    // Hexadecimal digits of nothing in particular: what repeats itself is stored in little room.
    let long: String = (0..200).map(|_| Uuid::new_v4().simple().to_string()).collect();
    let mut unknown = purchase(&app);
    unknown["type"] = "some.new_thing".into();
    unknown["id"] = format!("evt_{long}").into();
    let checkout = Checkout { customer: Some(format!("cus_{long}")), ..Checkout::paid(Layout::Basil) };
    app.stripe.add_session(&checkout.id, vec![session_line("li_1", "prod_plugin", 1)]);
    for (event, outcome) in [(&unknown, "ignored"), (&checkout.completed(), "applied")] {
        app.deliver(&[event]).await?;
        assert_eq!(app.entry(id_of(event)).await?.outcome, outcome);
        assert_eq!(app.post_stripe(event).await?.body["duplicate"], true);
    }
    let mut bought = polymart::purchase(polymart::user(), 1);
    bought["payload"]["user"]["id"] = long.clone().into();
    bought["payload"]["product"]["id"] = long.clone().into();
    bought["nonce"] = long.clone().into();
    app.deliver_polymart(&bought).await?;
    let mut asked = polymart::placeholder(1, 1);
    (asked["user"], asked["product"]) = (long.clone().into(), long.into());
    let placeholder = app.placeholder(&asked).await?;
    assert_eq!(placeholder.status, 200, "{placeholder:?}");
    let keys: Vec<_> = app.licenses().await?.into_iter().map(|license| license["key"].clone()).collect();
    assert!(keys.len() == 2 && keys.contains(&placeholder.body["value"]), "{keys:?}");
    let answer = Answer::of(app.http.get(app.server.url("/readyz")).send().await?).await?;
    assert_eq!(answer.status, 200, "{answer:?}");
    Ok(())
}
