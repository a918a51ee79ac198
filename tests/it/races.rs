//! Many at once: copies of one delivery, copies of one sale, two servers on one ledger.

use futures::future::try_join_all;
use serde_json::Value;

use crate::support::compose::{Checkout, Invoice, InvoiceLine, Layout, polymart};
use crate::support::{Backend, TestApp, TestResult, eventually, now, on_both_stores, stripe_api, unique};

on_both_stores!(
    two_hundred_copies_of_one_delivery_are_one_licence_and_one_mail,
    two_hundred_purchases_by_one_buyer_are_one_licence,
    two_servers_on_one_ledger_issue_once_and_mail_once,
    the_first_invoices_of_a_subscription_racing_each_other_issue_once,
);

const COPIES: usize = 200;

/// Interleaving: every copy finds no such event stored and appends it; without the event's own id as the arbiter
/// each of them would be recorded, interpreted and mailed.
async fn two_hundred_copies_of_one_delivery_are_one_licence_and_one_mail(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    app.stripe.add_product("prod_1", &[("product_id", &app.product)]);
    let sale = Checkout::paid(Layout::Basil);
    app.stripe.add_session(&sale.id, vec![stripe_api::session_line(&unique("li_"), "prod_1", 1)]);
    let event = sale.completed();
    let answers = try_join_all((0..COPIES).map(|_| app.post_stripe(&event))).await?;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let first = answers.iter().filter(|answer| answer.body["duplicate"] == false).count();
    assert_eq!(first, 1, "one of them was the first");
    app.settle().await?;
    assert_eq!(app.licenses().await?.len(), 1);
    assert_eq!(app.mails()?.len(), 1);
    assert_eq!(app.events_of("ProviderEventReceived").await?.len(), 1);
    Ok(())
}

/// Interleaving: each delivery has a nonce of its own and finds no licence for the buyer; without the expected
/// version of the purchase's stream each of them would issue one.
async fn two_hundred_purchases_by_one_buyer_are_one_licence(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let (user, query) = (polymart::user(), app.product_query());
    let events: Vec<_> = (0..COPIES).map(|_| polymart::purchase_at(user, 7, now())).collect();
    let answers = try_join_all(events.iter().map(|event| app.post_polymart(event, &query))).await?;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    assert_eq!(app.licenses().await?.len(), 1);
    Ok(())
}

/// Interleaving: both nodes see the delivery pending, both ask Stripe and both decide; one conclusion may win. The
/// same holds for the mail, whose attempt is claimed before it is sent.
async fn two_servers_on_one_ledger_issue_once_and_mail_once(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let _beside = app.server.start_beside().await?;
    app.stripe.add_product("prod_1", &[("product_id", &app.product)]);
    let sales: Vec<_> = (0..20).map(|_| Checkout::paid(Layout::Basil)).collect();
    for sale in &sales {
        app.stripe.add_session(&sale.id, vec![stripe_api::session_line(&unique("li_"), "prod_1", 2)]);
    }
    let events: Vec<_> = sales.iter().map(Checkout::completed).collect();
    try_join_all(events.iter().map(|event| app.post_stripe(event))).await?;
    app.settle().await?;
    assert_eq!(app.licenses().await?.len(), 40);
    assert_eq!(app.events_of("MailSent").await?.len(), 20);
    assert_eq!(app.mails()?.len(), 20);
    Ok(())
}

/// Interleaving: two invoices of an unknown subscription are decided at the same time; the later one to append
/// must find the licence of the earlier one instead of issuing a second.
async fn the_first_invoices_of_a_subscription_racing_each_other_issue_once(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    app.stripe.add_product("prod_1", &[("product_id", &app.product)]);
    let (subscription, item, start) = (unique("sub_"), unique("si_"), now());
    let invoices: Vec<Value> = (0..10)
        .map(|month| {
            let line = InvoiceLine::month(&item, "prod_1", start + month * 30 * 86_400);
            Invoice::renewal(Layout::Basil, &subscription, "cus_race", vec![line]).event()
        })
        .collect();
    try_join_all(invoices.iter().map(|event| app.post_stripe(event))).await?;
    eventually("every delivery is concluded", async || {
        let pending = app.inbox().await?.iter().filter(|entry| entry["outcome"] == "pending").count();
        Ok((pending == 0).then_some(()))
    })
    .await?;
    let license = app.license().await?;
    assert_eq!(crate::support::unix(&license["paidUntil"])?, start + 10 * 30 * 86_400);
    Ok(())
}
