//! A buyer pays once, through Stripe's checkout.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::app::id;
use crate::support::compose::{Checkout, DAY, Layout, event, id_of};
use crate::support::stripe_api::{LIVE_KEY, TEST_KEY, session_line};
use crate::support::{Backend, TestApp, TestResult, after_retries, eventually, now, on_both_stores, unique, unix};

on_both_stores!(
    a_paid_checkout_issues_a_licence_for_each_unit,
    line_items_come_in_pages,
    an_unpaid_checkout_waits_for_its_money,
    a_free_checkout_is_a_purchase_too,
    one_purchase_told_in_many_ways_is_one_purchase,
    the_days_of_a_licence_count_from_the_purchase,
    the_earliest_paid_event_dates_the_purchase,
    live_and_test_purchases_are_asked_for_with_their_own_key,
    what_is_not_ours_is_passed_over,
    a_purchase_outlives_stripe_being_away,
    a_refused_key_is_shown_and_mended,
    too_many_units_are_rejected,
    what_was_taken_in_waits_while_the_integration_is_off,
);

/// Puts one line of `prod_plugin` into the session.
fn fill(app: &TestApp, checkout: &Checkout, quantity: u64) {
    app.stripe.add_session(&checkout.id, vec![session_line(&unique("li"), "prod_plugin", quantity)]);
}

async fn a_paid_checkout_issues_a_licence_for_each_unit(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let other = id(&app.server.cli(&["product", "create", "--team", &app.team, "Other", "--json"]).await?)?;
    app.stripe.add_product("prod_other", &[("product_id", &other), ("ip_limit", "3"), ("hwid_limit", "2")]);
    for layout in Layout::BOTH {
        let before = app.licenses().await?.len();
        let checkout = Checkout::paid(layout);
        let lines = vec![session_line("li_1", "prod_plugin", 2), session_line("li_2", "prod_other", 1)];
        app.stripe.add_session(&checkout.id, lines);
        let event = checkout.completed();
        app.deliver(&[&event]).await?;

        assert_eq!(app.entry(id_of(&event)).await?.outcome, "applied");
        let licenses = app.licenses().await?;
        assert_eq!(licenses.len(), before + 3);
        let ours: Vec<_> =
            licenses.iter().filter(|license| license["references"]["stripeCheckoutSession"] == checkout.id).collect();
        assert_eq!(ours.len(), 3, "{licenses:?}");
        for license in &ours {
            assert_eq!(license["status"], "ACTIVE");
            assert_eq!(license["provider"], "stripe");
            assert_eq!(license["livemode"], false);
            assert_eq!(license["references"]["stripePaymentIntent"], checkout.payment());
            assert!(license["expiresAt"].is_null(), "{license}");
        }
        let limited = ours.iter().find(|license| license["productIds"] == json!([other])).ok_or("no other")?;
        assert_eq!((&limited["ipLimit"], &limited["hwidLimit"]), (&json!(3), &json!(2)));
        let keys: BTreeSet<_> = ours.iter().filter_map(|license| license["key"].as_str()).collect();
        assert_eq!(keys.len(), 3, "each unit has a key of its own");
    }
    assert_eq!(app.stripe.writes(), []);
    Ok(())
}

async fn line_items_come_in_pages(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let checkout = Checkout::paid(Layout::Basil);
    let lines = (0..120).map(|line| session_line(&format!("li_{line}"), "prod_plugin", 1)).collect();
    app.stripe.add_session(&checkout.id, lines);
    app.deliver(&[checkout.completed()]).await?;
    assert_eq!(app.licenses().await?.len(), 120);
    assert_eq!(app.mails()?.len(), 1, "all keys of a purchase go out in one mail");
    Ok(())
}

async fn an_unpaid_checkout_waits_for_its_money(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let (paid, failed) = (Checkout::unpaid(Layout::Basil), Checkout::unpaid(Layout::Acacia));
    for checkout in [&paid, &failed] {
        fill(&app, checkout, 1);
        app.deliver(&[checkout.completed()]).await?;
    }
    assert_eq!(app.licenses().await?, Vec::<serde_json::Value>::new());

    app.deliver(&[paid.async_payment_succeeded(now()), failed.async_payment_failed(now())]).await?;
    assert_eq!(app.license().await?["references"]["stripeCheckoutSession"], paid.id);
    Ok(())
}

async fn a_free_checkout_is_a_purchase_too(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let paid = Checkout::paid(Layout::Basil);
    let checkout = Checkout { payment_status: "no_payment_required", payment_intent: None, amount: 0, ..paid };
    fill(&app, &checkout, 1);
    app.deliver(&[checkout.completed()]).await?;
    assert_eq!(app.license().await?["status"], "ACTIVE");
    Ok(())
}

/// Guards: Stripe delivers the same sale as several events, at once and again, and two workers meet in one stream.
async fn one_purchase_told_in_many_ways_is_one_purchase(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let checkout = Checkout::paid(Layout::Acacia);
    fill(&app, &checkout, 2);
    let events =
        [checkout.completed(), checkout.completed(), checkout.async_payment_succeeded(now()), checkout.completed()];
    let answers = futures::future::try_join_all(events.iter().map(|event| app.post_stripe(event))).await?;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    app.settle().await?;
    app.deliver(&events).await?;
    assert_eq!(app.licenses().await?.len(), 2);
    assert_eq!(app.mails()?.len(), 1);
    Ok(())
}

async fn the_days_of_a_licence_count_from_the_purchase(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let days = ("expiration_days", "10");
    app.stripe.add_product("prod_creation", &[("product_id", &app.product), days]);
    let starting = ("expiration_start", "activation");
    app.stripe.add_product("prod_activation", &[("product_id", &app.product), days, starting]);
    // Five days late, as after a long outage.
    let checkout = Checkout { created: now() - 5 * DAY, ..Checkout::paid(Layout::Basil) };
    let lines = vec![session_line("li_1", "prod_creation", 1), session_line("li_2", "prod_activation", 1)];
    app.stripe.add_session(&checkout.id, lines);
    app.deliver(&[checkout.completed()]).await?;

    let licenses = app.licenses().await?;
    let of = |start: &str| licenses.iter().find(|license| license["expirationStart"] == start).ok_or("missing");
    let creation = of("CREATION")?;
    assert_eq!(unix(&creation["expiresAt"])?, checkout.created + 10 * DAY);
    assert_eq!((&creation["status"], &creation["expirationDays"]), (&json!("EXPIRING"), &json!(10)));
    let activation = of("ACTIVATION")?;
    assert_eq!(activation["status"], "UPCOMING");
    assert!(activation["expiresAt"].is_null() && activation["activatedAt"].is_null(), "{activation}");
    Ok(())
}

async fn the_earliest_paid_event_dates_the_purchase(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    app.stripe.add_product("prod_plugin", &[("product_id", &app.product), ("expiration_days", "10")]);
    let begun = now() - 3 * DAY;
    // Delivered in the order of time, and the other way round: the same licence either way.
    for late_first in [false, true] {
        let checkout = Checkout { created: begun, ..Checkout::paid(Layout::Basil) };
        fill(&app, &checkout, 1);
        let mut events = [checkout.completed(), checkout.async_payment_succeeded(begun + DAY)];
        if late_first {
            events.reverse();
        }
        app.deliver(&events).await?;
        let licenses = app.licenses().await?;
        let ours = licenses.iter().find(|license| license["references"]["stripeCheckoutSession"] == checkout.id);
        assert_eq!(unix(&ours.ok_or("no licence")?["expiresAt"])?, begun + 10 * DAY, "late first: {late_first}");
    }
    Ok(())
}

async fn live_and_test_purchases_are_asked_for_with_their_own_key(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    for (livemode, key) in [(false, TEST_KEY), (true, LIVE_KEY)] {
        let checkout = Checkout { livemode, ..Checkout::paid(Layout::Basil) };
        fill(&app, &checkout, 1);
        let before = app.stripe.calls().len();
        app.deliver(&[checkout.completed()]).await?;
        let calls = app.stripe.calls().split_off(before);
        assert!(!calls.is_empty() && calls.iter().all(|call| call.key == key), "{calls:?}");
        assert_eq!(app.licenses().await?.iter().filter(|license| license["livemode"] == livemode).count(), 1);
    }
    Ok(())
}

async fn what_is_not_ours_is_passed_over(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    app.stripe.add_product("prod_mug", &[("colour", "blue")]);
    let mixed = Checkout::paid(Layout::Basil);
    let lines = vec![session_line("li_1", "prod_mug", 4), session_line("li_2", "prod_plugin", 1)];
    app.stripe.add_session(&mixed.id, lines);
    let foreign = Checkout::paid(Layout::Basil);
    app.stripe.add_session(&foreign.id, vec![session_line("li_1", "prod_mug", 1)]);
    let card_only = Checkout { mode: "setup", payment_status: "no_payment_required", ..Checkout::paid(Layout::Basil) };
    let (mixed, foreign, card_only) = (mixed.completed(), foreign.completed(), card_only.completed());
    app.deliver(&[&mixed, &foreign, &card_only]).await?;

    assert_eq!(app.entry(id_of(&mixed)).await?.outcome, "applied");
    for event in [&foreign, &card_only] {
        let entry = app.entry(id_of(event)).await?;
        assert_eq!(entry.outcome, "ignored");
        assert!(!entry.reason.is_empty());
    }
    assert_eq!(app.licenses().await?.len(), 1);
    Ok(())
}

async fn a_purchase_outlives_stripe_being_away(backend: Backend) -> TestResult {
    let mut app = TestApp::with_stripe(backend).await?;
    let checkout = Checkout::paid(Layout::Basil);
    fill(&app, &checkout, 1);
    app.stripe.set_down(true).await?;
    let event = checkout.completed();
    assert_eq!(
        app.post_stripe(&event).await?.status,
        200,
        "what is verified is kept, whether Stripe's API is there or not"
    );
    // It is taken up again after a power cut, too.
    app.server.restart().await?;
    assert_eq!(app.entry(id_of(&event)).await?.outcome, "pending");

    app.stripe.fail_next(1, 429);
    app.stripe.fail_next(1, 503);
    app.stripe.set_down(false).await?;
    after_retries("the licence is issued", async || Ok(app.licenses().await?.pop())).await?;
    app.settle().await?;
    assert_eq!(app.mails()?.len(), 1);
    Ok(())
}

async fn a_refused_key_is_shown_and_mended(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    app.stripe.revoke_keys();
    let checkout = Checkout::paid(Layout::Basil);
    fill(&app, &checkout, 1);
    let event = checkout.completed();
    assert_eq!(app.post_stripe(&event).await?.status, 200);
    let shown = eventually("the key problem is shown", async || {
        let entry = app.entry(id_of(&event)).await?;
        Ok((entry.outcome == "pending" && entry.reason.to_lowercase().contains("key")).then_some(entry))
    })
    .await?;

    let key = "rk_test_rolled";
    app.stripe.accept_key(key);
    app.integrate("stripe", &["--api-key", key]).await?;
    // Refused where the server's own next attempt was faster than the admin.
    app.server.cli_output(&["inbox", "retry", &shown.id, "--team", &app.team], None).await?;
    app.settle().await?;
    assert_eq!(app.entry(id_of(&event)).await?.outcome, "applied");
    assert_eq!(app.licenses().await?.len(), 1);
    Ok(())
}

async fn too_many_units_are_rejected(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let checkout = Checkout::paid(Layout::Basil);
    fill(&app, &checkout, 1001);
    let event = checkout.completed();
    app.deliver(&[&event]).await?;
    let entry = app.entry(id_of(&event)).await?;
    assert_eq!(entry.outcome, "rejected");
    assert!(entry.reason.contains("1001") || entry.reason.contains("1,001"), "{}", entry.reason);
    assert_eq!(app.licenses().await?.len(), 0);

    // Those of products that are not ours do not count.
    app.stripe.add_product("prod_shirt", &[]);
    let beside = Checkout::paid(Layout::Basil);
    let lines = vec![session_line(&unique("li"), "prod_plugin", 1), session_line(&unique("li"), "prod_shirt", 1000)];
    app.stripe.add_session(&beside.id, lines);
    app.deliver(&[beside.completed()]).await?;
    assert_eq!(app.licenses().await?.len(), 1);
    Ok(())
}

async fn what_was_taken_in_waits_while_the_integration_is_off(backend: Backend) -> TestResult {
    let mut app = TestApp::with_stripe(backend).await?;
    let checkout = Checkout::paid(Layout::Basil);
    fill(&app, &checkout, 1);
    app.stripe.set_down(true).await?;
    let sale = checkout.completed();
    assert_eq!(app.post_stripe(&sale).await?.status, 200, "Stripe will not send it again");
    app.integrate("stripe", &["--active", "false"]).await?;
    eventually("the server knows", async || {
        let other = event(Layout::Basil, "customer.created", now(), json!({}));
        Ok((app.post_stripe(&other).await?.status == 409).then_some(()))
    })
    .await?;
    app.stripe.set_down(false).await?;
    after_retries("it waits for the switch", async || {
        let entry = app.entry(id_of(&sale)).await?;
        assert_eq!(entry.outcome, "pending", "{}", entry.reason);
        Ok(entry.reason.contains("switched off").then_some(()))
    })
    .await?;
    app.integrate("stripe", &["--active", "true"]).await?;
    after_retries("the licence is issued", async || Ok(app.licenses().await?.pop())).await?;
    Ok(())
}
