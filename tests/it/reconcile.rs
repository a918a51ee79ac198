//! What Stripe could not deliver is asked for and taken in by the same door.

use serde_json::{Value, json};

use crate::support::compose::{Checkout, DAY, Layout, event, id_of};
use crate::support::stripe_api::{LIVE_KEY, TEST_KEY, session_line};
use crate::support::{Backend, TestApp, TestResult, now, on_both_stores};

on_both_stores!(
    a_lost_delivery_is_licensed_after_all_and_nothing_is_doubled,
    all_pages_of_both_modes_are_read_and_old_events_are_not_asked_for,
    what_was_rejected_is_judged_afresh,
    who_may_not_ask_is_told_what_to_do,
);

fn sale(app: &TestApp, layout: Layout) -> Value {
    let checkout = Checkout::paid(layout);
    app.stripe.add_session(&checkout.id, vec![session_line("li_1", "prod_plugin", 1)]);
    checkout.completed()
}

fn counts(report: &Value) -> (u64, u64, u64, u64) {
    let count = |name: &str| report[name].as_u64().unwrap_or(u64::MAX);
    (count("found"), count("takenIn"), count("reopened"), count("known"))
}

async fn a_lost_delivery_is_licensed_after_all_and_nothing_is_doubled(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let (lost, lost_too, delivered) =
        (sale(&app, Layout::Basil), sale(&app, Layout::Acacia), sale(&app, Layout::Basil));
    let foreign = event(Layout::Basil, "customer.created", now() - 50, json!({ "id": "cus_1", "livemode": false }));
    app.deliver(&[&delivered]).await?;
    for event in [&lost, &lost_too, &delivered, &foreign] {
        app.stripe.add_undelivered(event);
    }
    let report = app.server.cli(&["reconcile", "stripe", "--team", &app.team, "--json"]).await?;
    assert_eq!(counts(&report), (4, 3, 0, 1), "{report}");
    assert!(report["events"].to_string().contains(id_of(&lost)), "{report}");
    app.settle().await?;
    assert_eq!(app.licenses().await?.len(), 3);
    assert_eq!(app.mails()?.len(), 3);
    assert_eq!(app.entry(id_of(&foreign)).await?.outcome, "ignored");
    let received = app.events_of("ProviderEventReceived").await?;
    let by = async |event: &Value| {
        let shown = app.server.cli(&["inbox", "show", id_of(event), "--team", &app.team, "--json"]).await;
        shown.map(|shown| shown["history"][0]["actor"].clone())
    };
    assert_eq!((by(&lost).await?, by(&delivered).await?), (json!("reconcile:cli"), json!("stripe")));
    assert_eq!(received.len(), 4);

    let admin = app.admin().await?;
    let before = app.events().await?.len();
    let again = admin.post("/reconcile/stripe", &json!({ "days": 30 })).await?;
    assert_eq!(counts(again.data()?), (4, 0, 0, 4), "{again:?}");
    let answer = app.post_stripe(&lost).await?;
    assert_eq!((answer.status, &answer.body["duplicate"]), (200, &json!(true)), "Stripe gets through at last");
    app.settle().await?;
    assert_eq!(app.events().await?.len(), before, "a second time changes nothing");
    assert_eq!(app.stripe.writes(), []);
    Ok(())
}

async fn all_pages_of_both_modes_are_read_and_old_events_are_not_asked_for(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let made = |created: i64, livemode: bool| {
        event(Layout::Basil, "customer.created", created, json!({ "id": "cus_1", "livemode": livemode }))
    };
    app.stripe.add_undelivered(&made(now() - 3 * DAY, false));
    for _ in 0..230 {
        app.stripe.add_undelivered(&made(now() - 60, false));
    }
    app.stripe.add_undelivered(&made(now() - 60, true));
    let calls = app.stripe.calls().len();
    let recent = app.server.cli(&["reconcile", "stripe", "--team", &app.team, "--days", "2", "--json"]).await?;
    assert_eq!(counts(&recent), (231, 231, 0, 0));
    assert_eq!(recent["modes"], json!(["live", "test"]));
    let calls = app.stripe.calls().split_off(calls);
    let asked = |key: &str| calls.iter().filter(|call| call.key == key && call.path == "/v1/events").count();
    assert_eq!((asked(LIVE_KEY), asked(TEST_KEY)), (1, 3), "three pages of a hundred");
    let all = app.server.cli(&["reconcile", "stripe", "--team", &app.team, "--json"]).await?;
    assert_eq!(counts(&all), (232, 1, 0, 231));
    let live = app.events_of("ProviderEventReceived").await?;
    assert_eq!(live.iter().filter(|event| event["data"]["livemode"] == true).count(), 1);
    Ok(())
}

async fn what_was_rejected_is_judged_afresh(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    app.stripe.add_product("prod_plugin", &[("product_id", "nonsense")]);
    let event = sale(&app, Layout::Basil);
    app.deliver(&[&event]).await?;
    assert_eq!(app.entry(id_of(&event)).await?.outcome, "rejected");
    app.stripe.add_undelivered(&event);
    let before = app.events().await?.len();
    let report = app.server.cli(&["reconcile", "stripe", "--team", &app.team, "--json"]).await?;
    assert_eq!(counts(&report), (1, 0, 0, 1), "still bad: nothing changes");
    assert_eq!(app.events().await?.len(), before);
    app.stripe.add_product("prod_plugin", &[("product_id", &app.product)]);
    let report = app.server.cli(&["reconcile", "stripe", "--team", &app.team, "--json"]).await?;
    assert_eq!(counts(&report), (1, 0, 1, 0), "mended");
    app.settle().await?;
    assert_eq!(app.licenses().await?.len(), 1);
    Ok(())
}

async fn who_may_not_ask_is_told_what_to_do(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let admin = app.admin().await?;
    let reconcile = ["reconcile", "stripe", "--team", &app.team];
    // The live key works, the test key is refused: what the one brings stays.
    let live = event(Layout::Basil, "customer.created", now(), json!({ "id": "cus_1", "livemode": true }));
    app.stripe.add_undelivered(&live);
    app.stripe.revoke_keys();
    app.stripe.accept_key(LIVE_KEY);
    let output = app.server.cli_output(&reconcile, None).await?;
    let said = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["test key", "401", "Events: Read", "integration set stripe --api-key", "1 events were taken in"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains(TEST_KEY), "{said}");
    assert_eq!(app.entry(id_of(&live)).await?.outcome, "ignored");
    let refused = admin.post("/reconcile/stripe", &json!({})).await?;
    assert_eq!((refused.status, refused.code()), (502, "PROVIDER_ERROR"), "{refused:?}");
    assert!(refused.details().contains("Events: Read"), "{refused:?}");

    let bad = admin.post("/reconcile/stripe", &json!({ "days": 31 })).await?;
    assert_eq!((bad.status, bad.code()), (400, "BAD_REQUEST"), "{bad:?}");
    app.integrate("stripe", &["--active", "false"]).await?;
    let off = admin.post("/reconcile/stripe", &json!({})).await?;
    assert_eq!((off.status, off.code()), (409, "CONFLICT"), "{off:?}");
    for scope in ["developer", "auditor"] {
        let refused = app.admin_with(scope).await?.post("/reconcile/stripe", &json!({})).await?;
        assert_eq!((refused.status, refused.code()), (403, "FORBIDDEN"), "{scope}");
    }
    Ok(())
}
