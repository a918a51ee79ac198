//! The promise under violence: killed at random moments, or with the database restarted under its feet, no
//! delivery that was answered 2xx is lost or doubled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rand::RngExt as _;
use serde_json::Value;

use crate::support::app::TestApp;
use crate::support::compose::{Checkout, Layout, id_of, polymart};
use crate::support::postgres::OwnPostgres;
use crate::support::{Backend, Keyledger, Options, TestResult, after_retries, on_both_stores, stripe_api, unique};

on_both_stores!(fifty_kills_under_load_lose_nothing_and_double_nothing);

/// Times the server is killed.
const KILLS: u32 = 50;
/// Purchases under way at the same time.
const BUYERS: usize = 8;
/// The longest that a server lives before it is killed.
const LIFE_MS_MAX: u64 = 250;
/// Units of every purchase through Stripe.
const UNITS: usize = 2;

/// What was answered 2xx: ids of Stripe's events, and Polymart's buyers.
#[derive(Debug, Default)]
struct Acknowledged {
    stripe: Vec<String>,
    polymart: Vec<u64>,
}

/// Posts purchases for as long as it is let. A provider would send what was not answered again; here the question
/// is only what becomes of what was.
async fn buy(app: &TestApp, sales: &[Checkout], acknowledged: &Mutex<Acknowledged>) {
    let query = app.product_query();
    let note =
        |note: &dyn Fn(&mut Acknowledged)| note(&mut acknowledged.lock().unwrap_or_else(PoisonError::into_inner));
    for chunk in sales.chunks(BUYERS) {
        let posts = chunk.iter().map(|sale| async {
            let event = sale.completed();
            let answer = app.post_stripe(&event).await;
            if matches!(answer, Ok(answer) if answer.status == 200) {
                note(&|all| all.stripe.push(id_of(&event).to_owned()));
            }
        });
        let user = polymart::user();
        let purchase = polymart::purchase(user, 7);
        let (_, bought) = tokio::join!(futures::future::join_all(posts), app.post_polymart(&purchase, &query));
        if matches!(bought, Ok(answer) if answer.status == 200) {
            note(&|all| all.polymart.push(user));
        }
    }
}

/// Interleaving: the process ends between any two instructions: after the answer and before the views, between the
/// claim of a mail and its sending, between the sending and its record.
async fn fifty_kills_under_load_lose_nothing_and_double_nothing(backend: Backend) -> TestResult {
    let mut app = TestApp::builder(backend).stripe().polymart().build().await?;
    app.stripe.add_product("prod_1", &[("product_id", &app.product)]);
    let all = Mutex::new(Acknowledged::default());
    for _ in 0..KILLS {
        let sales: Vec<_> = (0..BUYERS * 4).map(|_| Checkout::paid(Layout::Basil)).collect();
        for sale in &sales {
            app.stripe
                .add_session(&sale.id, vec![stripe_api::session_line(&unique("li_"), "prod_1", u64::try_from(UNITS)?)]);
        }
        let life = Duration::from_millis(rand::rng().random_range(0..LIFE_MS_MAX));
        // Out of time or out of sales: either way it is killed now.
        let _ = tokio::time::timeout(life, buy(&app, &sales, &all)).await;
        app.server.kill9()?;
        app.server.restart().await?;
    }
    let all = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    check_everything(&app, &all).await
}

async fn check_everything(app: &TestApp, all: &Acknowledged) -> TestResult {
    assert!(!all.stripe.is_empty() && !all.polymart.is_empty(), "the test must have bought something");
    // Leases of attempts that were under way must end first.
    after_retries("all deliveries are concluded and all mails sent", async || {
        let open = app.inbox().await?.iter().filter(|entry| entry["outcome"] == "pending").count();
        let requested = app.events_of("MailRequested").await?.len();
        let sent = app.events_of("MailSent").await?.len();
        Ok((open == 0 && requested == sent).then_some(()))
    })
    .await?;

    let mut received: BTreeMap<String, u32> = BTreeMap::new();
    for event in app.events_of("ProviderEventReceived").await? {
        let id = event["data"]["provider_event_id"].as_str().unwrap_or_default().to_owned();
        *received.entry(id).or_default() += 1;
    }
    for id in &all.stripe {
        assert_eq!(received.get(id), Some(&1), "{id} was answered 200");
    }
    assert!(received.values().all(|times| *times == 1), "nothing is recorded twice");

    let licenses = app.licenses().await?;
    let of = |name: &str| licenses.iter().filter(|license| license["references"][name].is_string()).count();
    let sessions = received.keys().filter(|id| id.starts_with("evt_")).count();
    assert_eq!(of("stripeCheckoutSession"), sessions * UNITS, "every purchase has exactly the units bought");
    for user in &all.polymart {
        let owner = Value::from(user.to_string());
        let owned = licenses.iter().filter(|license| license["references"]["polymartUser"] == owner);
        assert_eq!(owned.count(), 1, "buyer {user} was answered 200");
    }
    let keys: BTreeSet<_> = licenses.iter().map(|license| license["key"].to_string()).collect();
    assert_eq!(keys.len(), licenses.len(), "no key is given twice");
    let mails = app.mails()?;
    assert_eq!(mails.len(), sessions, "one mail a purchase: a repeat overwrites its own file");
    positions_have_no_gap(&app.events().await?);
    Ok(())
}

fn positions_have_no_gap(events: &[Value]) {
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event["position"].as_u64(), u64::try_from(index + 1).ok());
    }
}

/// Interleaving: PostgreSQL ends every connection between any two statements, the COMMIT included; whether it went
/// through must be found out, not guessed.
#[tokio::test(flavor = "multi_thread")]
async fn postgresql_restarted_under_the_servers_feet_loses_nothing() -> TestResult {
    let database = OwnPostgres::start()?;
    let server = Keyledger::start_at(database.url(), Options::default()).await?;
    let mut app = TestApp::around(server).await?;
    app.connect().await?;
    app.integrate("polymart", &["--webhook-secret", crate::support::app::POLYMART_SECRET]).await?;
    let query = app.product_query();
    let mut bought = Vec::new();
    for round in 0..60_u32 {
        if round % 12 == 6 {
            database.restart_immediately()?;
        }
        let users: Vec<_> = (0..BUYERS).map(|_| polymart::user()).collect();
        let posts = users.iter().map(|user| async {
            let event = polymart::purchase(*user, 7);
            let answer = app.post_polymart(&event, &query).await.ok()?;
            (answer.status == 200).then_some(*user)
        });
        bought.extend(futures::future::join_all(posts).await.into_iter().flatten());
    }
    assert!(bought.len() > BUYERS * 30, "only {} purchases were answered 200", bought.len());
    after_retries("the server is ready again", async || {
        let ready = app.http.get(app.server.url("/readyz")).send().await?.status();
        Ok(ready.is_success().then_some(()))
    })
    .await?;
    let licenses = app.licenses().await?;
    for user in &bought {
        let owner = Value::from(user.to_string());
        let owned = licenses.iter().filter(|license| license["references"]["polymartUser"] == owner);
        assert_eq!(owned.count(), 1, "buyer {user} was answered 200");
    }
    positions_have_no_gap(&app.events().await?);
    Ok(())
}
