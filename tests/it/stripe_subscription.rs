//! A buyer subscribes: the licence lives as long as periods are paid, and its key never changes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::app::{STRIPE_SECRET, id};
use crate::support::compose::{Checkout, DAY, GRACE, Invoice, InvoiceLine, Item, Layout, MONTH, Subscription, id_of};
use crate::support::stripe_api::{FakeStripe, TEST_KEY, invoice_line, session_line};
use crate::support::{Backend, Error, TestApp, TestResult, eventually, now, on_both_stores, sign, unique, unix};

on_both_stores!(
    a_subscription_is_licensed_whatever_arrives_first,
    a_renewal_extends_the_licence_without_asking_stripe,
    nothing_but_the_end_of_paid_time_ends_a_licence,
    an_ended_subscription_ends_the_licence_then,
    items_may_have_periods_of_their_own,
    an_upgrade_keeps_the_key,
    an_upgrade_is_one_licence_and_one_mail_whatever_arrives_first,
    more_units_bring_more_licences,
    a_subscription_older_than_the_ledger_is_licensed_with_its_next_invoice,
    an_invoice_that_was_cut_short_is_asked_for,
    a_trial_is_licensed,
    a_silent_api_holds_up_neither_renewals_nor_other_teams_nor_a_stop,
);

/// The licences of a subscription.
pub(crate) async fn of(app: &TestApp, subscription: &Subscription) -> Result<Vec<Value>, Error> {
    let mut licenses = app.licenses().await?;
    licenses.retain(|license| license["references"]["stripeSubscription"] == subscription.id);
    Ok(licenses)
}

/// The only licence of a subscription.
pub(crate) async fn one(app: &TestApp, subscription: &Subscription) -> Result<Value, Error> {
    let mut licenses = of(app, subscription).await?;
    assert_eq!(licenses.len(), 1, "{licenses:?}");
    Ok(licenses.remove(0))
}

/// The invoice for the month of every item that begins at `start`.
pub(crate) fn invoice(subscription: &Subscription, start: i64) -> Invoice {
    let lines = subscription
        .items
        .iter()
        .map(|item| InvoiceLine { quantity: item.quantity, ..InvoiceLine::month(&item.id, &item.product, start) });
    let lines = lines.collect();
    let (layout, id, customer) = (subscription.layout, &subscription.id, &subscription.customer);
    match start == subscription.begun {
        true => Invoice::paid(layout, id, customer, lines),
        false => Invoice::renewal(layout, id, customer, lines),
    }
}

pub(crate) fn assert_paid_until(license: &Value, end: i64) -> TestResult {
    assert_eq!(unix(&license["paidUntil"])?, end, "{license}");
    assert_eq!(unix(&license["expiresAt"])?, end + GRACE, "{license}");
    Ok(())
}

async fn a_subscription_is_licensed_whatever_arrives_first(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    for (layout, order) in [(Layout::Acacia, [0, 1, 2]), (Layout::Basil, [2, 1, 0]), (Layout::Basil, [1, 0, 2])] {
        let subscription = Subscription::of(layout, "prod_plugin", now() - DAY);
        let first = invoice(&subscription, subscription.begun);
        let session = Checkout {
            email: first.email.clone(),
            invoice: Some(first.id.clone()),
            ..Checkout::of_subscription(layout, &subscription.id, &subscription.customer)
        };
        let events = [subscription.created(), first.event(), session.completed()];
        let mails = app.mails()?.len();
        for index in order {
            app.deliver(&[events[index].clone()]).await?;
        }
        let license = one(&app, &subscription).await?;
        assert_paid_until(&license, subscription.begun + MONTH)?;
        assert_eq!(license["productIds"], json!([app.product]));
        assert_eq!(license["references"]["stripeSubscriptionItem"], subscription.items[0].id);
        assert_eq!(license["references"]["stripeInvoice"], first.id);
        assert_eq!(license["references"]["stripeCheckoutSession"], session.id);
        assert_eq!(app.mails()?.len(), mails + 1, "{order:?}");
    }
    assert_eq!(app.stripe.writes(), []);
    Ok(())
}

async fn a_renewal_extends_the_licence_without_asking_stripe(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    for layout in Layout::BOTH {
        let subscription = Subscription::of(layout, "prod_plugin", now() - MONTH - DAY);
        let second = subscription.begun + MONTH;
        app.deliver(&[subscription.created(), invoice(&subscription, subscription.begun).event()]).await?;
        let before = one(&app, &subscription).await?;
        assert_eq!(before["status"], "EXPIRED");

        let (calls, mails) = (app.stripe.calls().len(), app.mails()?.len());
        let turned = Subscription { begun: second, ..subscription.clone() };
        let renewal = invoice(&subscription, second);
        app.deliver(&[turned.updated(second, json!({ "latest_invoice": "in_before" })), renewal.event()]).await?;
        let after = one(&app, &subscription).await?;
        assert_paid_until(&after, second + MONTH)?;
        assert_eq!((&after["id"], &after["key"]), (&before["id"], &before["key"]));
        assert_eq!(after["status"], "EXPIRING", "29 days are left");
        assert_eq!(after["references"]["stripeInvoice"], renewal.id);
        assert_eq!(app.stripe.calls().len(), calls, "an ordinary renewal asks for nothing");
        assert_eq!(app.mails()?.len(), mails, "the key is known already");
    }
    Ok(())
}

async fn nothing_but_the_end_of_paid_time_ends_a_licence(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    for layout in Layout::BOTH {
        let subscription = Subscription::of(layout, "prod_plugin", now() - DAY);
        app.deliver(&[subscription.created(), invoice(&subscription, subscription.begun).event()]).await?;
        let before = one(&app, &subscription).await?;

        let next = invoice(&subscription, subscription.begun + MONTH);
        let failed = Invoice { paid_at: now(), ..next }.payment_failed();
        let past_due = Subscription { status: "past_due", ..subscription.clone() };
        let leaving = Subscription { cancel_at_period_end: true, ..subscription.clone() };
        let paused = Subscription { status: "paused", ..subscription.clone() };
        app.deliver(&[
            failed,
            past_due.updated(now(), json!({ "status": "active" })),
            leaving.updated(now(), json!({ "cancel_at_period_end": false })),
            paused.turned("paused", now()),
            subscription.turned("resumed", now()),
        ])
        .await?;
        let after = one(&app, &subscription).await?;
        assert_paid_until(&after, subscription.begun + MONTH)?;
        assert_eq!(after["status"], before["status"]);
    }
    Ok(())
}

async fn an_ended_subscription_ends_the_licence_then(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    for layout in Layout::BOTH {
        let subscription = Subscription::of(layout, "prod_plugin", now() - 2 * DAY);
        app.deliver(&[subscription.created(), invoice(&subscription, subscription.begun).event()]).await?;
        let calls = app.stripe.calls().len();
        let ended = now() - DAY;
        app.deliver(&[subscription.deleted(ended)]).await?;
        let license = one(&app, &subscription).await?;
        assert_eq!(license["status"], "EXPIRED");
        assert_eq!(unix(&license["expiresAt"])?, ended);
        assert_eq!(app.stripe.calls().len(), calls, "an ending asks for nothing");

        // The ending overtook the sale: the same in the end.
        let hasty = Subscription::of(layout, "prod_plugin", now() - 2 * DAY);
        app.deliver(&[hasty.deleted(ended), invoice(&hasty, hasty.begun).event(), hasty.created()]).await?;
        let license = one(&app, &hasty).await?;
        assert_eq!((&license["status"], unix(&license["expiresAt"])?), (&json!("EXPIRED"), ended));
    }
    Ok(())
}

async fn items_may_have_periods_of_their_own(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let product = id(&app.server.cli(&["product", "create", "--team", &app.team, "Yearly", "--json"]).await?)?;
    app.stripe.add_product("prod_yearly", &[("product_id", &product)]);
    let mut subscription = Subscription::of(Layout::Basil, "prod_plugin", now() - DAY);
    subscription.items.push(Item::of("prod_yearly"));
    let mut first = invoice(&subscription, subscription.begun);
    first.lines[1].period.1 = subscription.begun + 365 * DAY;
    app.deliver(&[first.event(), subscription.created()]).await?;

    let licenses = of(&app, &subscription).await?;
    assert_eq!(licenses.len(), 2);
    for (item, days) in subscription.items.iter().zip([30, 365]) {
        let license = licenses.iter().find(|license| license["references"]["stripeSubscriptionItem"] == item.id);
        assert_paid_until(license.ok_or("an item has no licence")?, subscription.begun + days * DAY)?;
    }
    assert_eq!(app.mails()?.len(), 1);
    Ok(())
}

async fn an_upgrade_keeps_the_key(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let pro = id(&app.server.cli(&["product", "create", "--team", &app.team, "Pro", "--json"]).await?)?;
    app.stripe.add_product("prod_pro", &[("product_id", &pro), ("hwid_limit", "9")]);
    for layout in Layout::BOTH {
        let subscription = Subscription::of(layout, "prod_plugin", now() - MONTH - DAY);
        app.deliver(&[subscription.created(), invoice(&subscription, subscription.begun).event()]).await?;
        let before = one(&app, &subscription).await?;

        // The seller's portal replaces one item by another.
        let upgraded = Subscription { items: vec![Item::of("prod_pro")], ..subscription.clone() };
        app.deliver(&[upgraded.updated(subscription.begun + DAY, subscription.items_before())]).await?;
        let renewal = invoice(&upgraded, subscription.begun + MONTH);
        app.deliver(&[renewal.event()]).await?;
        let after = one(&app, &subscription).await?;
        assert_eq!((&after["id"], &after["key"]), (&before["id"], &before["key"]));
        assert_eq!((&after["productIds"], &after["hwidLimit"]), (&json!([pro]), &json!(9)));
        assert_paid_until(&after, subscription.begun + 2 * MONTH)?;
    }
    Ok(())
}

async fn an_upgrade_is_one_licence_and_one_mail_whatever_arrives_first(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let pro = id(&app.server.cli(&["product", "create", "--team", &app.team, "Pro", "--json"]).await?)?;
    app.stripe.add_product("prod_pro", &[("product_id", &pro)]);
    // The invoice of the change first, which credits the old item and charges for the new one; the update last.
    for (order, layout) in
        [[0, 3, 1, 2], [3, 0, 1, 2], [3, 1, 0, 2], [3, 1, 2, 0]].into_iter().zip(Layout::BOTH.repeat(2))
    {
        let subscription = Subscription::of(layout, "prod_plugin", now() - 2 * DAY);
        let upgraded = Subscription { items: vec![Item::of("prod_pro")], ..subscription.clone() };
        let changed = subscription.begun + DAY;
        let period = (changed, subscription.begun + MONTH);
        let line = |item: &Item, amount| InvoiceLine::rest(&item.id, &item.product, period, amount);
        let lines = vec![line(&subscription.items[0], -900), line(&upgraded.items[0], 1900)];
        let of_change = Invoice::renewal(layout, &subscription.id, &subscription.customer, lines);
        let deliveries = [
            subscription.created(),
            invoice(&subscription, subscription.begun).event(),
            upgraded.updated(changed, subscription.items_before()),
            Invoice { billing_reason: "subscription_update", ..of_change }.event(),
        ];
        let mails = app.mails()?.len();
        for delivery in order {
            app.deliver(&[&deliveries[delivery]]).await?;
        }
        let license = one(&app, &subscription).await?;
        assert_eq!((&license["status"], &license["productIds"]), (&json!("EXPIRING"), &json!([pro])), "{order:?}");
        assert_paid_until(&license, subscription.begun + MONTH)?;
        assert_eq!(app.mails()?.len() - mails, 1, "{order:?}");
    }
    Ok(())
}

async fn more_units_bring_more_licences(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let mut subscription = Subscription::of(Layout::Basil, "prod_plugin", now() - MONTH - DAY);
    app.deliver(&[subscription.created(), invoice(&subscription, subscription.begun).event()]).await?;
    let first = one(&app, &subscription).await?;
    subscription.items[0].quantity = 3;
    app.deliver(&[invoice(&subscription, subscription.begun + MONTH).event()]).await?;
    let licenses = of(&app, &subscription).await?;
    assert_eq!(licenses.len(), 3);
    assert_eq!(licenses.iter().filter(|license| license["key"] == first["key"]).count(), 1);
    for license in &licenses {
        assert_paid_until(license, subscription.begun + 2 * MONTH)?;
    }
    assert_eq!(app.mails()?.len(), 2, "the new keys go out in one more mail");
    Ok(())
}

async fn a_subscription_older_than_the_ledger_is_licensed_with_its_next_invoice(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    for (layout, reason) in [
        (Layout::Acacia, "subscription_cycle"),
        (Layout::Basil, "subscription_cycle"),
        (Layout::Basil, "subscription_update"),
        (Layout::Acacia, "subscription_threshold"),
        (Layout::Basil, "manual"),
    ] {
        let subscription = Subscription::of(layout, "prod_plugin", now() - 7 * MONTH);
        let begun = now() - DAY;
        let renewal = Invoice { billing_reason: reason, ..invoice(&subscription, begun) };
        app.deliver(&[renewal.event()]).await?;
        assert_paid_until(&one(&app, &subscription).await?, begun + MONTH)?;
    }
    Ok(())
}

async fn an_invoice_that_was_cut_short_is_asked_for(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    for layout in Layout::BOTH {
        let mut subscription = Subscription::of(layout, "prod_plugin", now() - DAY);
        subscription.items = (0..12).map(|_| Item::of("prod_plugin")).collect();
        let period = (subscription.begun, subscription.begun + MONTH);
        let mut cut = Invoice { has_more: true, ..invoice(&subscription, subscription.begun) };
        let api_line = |(line, item): (&InvoiceLine, &Item)| {
            let mut object = invoice_line(&subscription.id, &item.id, "prod_plugin", 1, period);
            object["id"] = json!(line.id);
            object
        };
        app.stripe.add_invoice(&cut.id, cut.lines.iter().zip(&subscription.items).map(api_line).collect());
        cut.lines.truncate(10);
        let event = cut.event();
        app.deliver(&[&event]).await?;
        assert_eq!(app.entry(id_of(&event)).await?.outcome, "applied");
        assert_eq!(of(&app, &subscription).await?.len(), 12);
    }
    Ok(())
}

async fn a_trial_is_licensed(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let subscription =
        Subscription { status: "trialing", ..Subscription::of(Layout::Basil, "prod_plugin", now() - DAY) };
    let mut free = invoice(&subscription, subscription.begun);
    free.lines[0].period.1 = subscription.begun + 14 * DAY;
    free.lines[0].amount = 0;
    let free = Invoice { amount_paid: 0, payment_intent: None, id: unique("in"), ..free };
    app.deliver(&[subscription.created(), free.event()]).await?;
    assert_paid_until(&one(&app, &subscription).await?, subscription.begun + 14 * DAY)
}

/// Guards: places that are the same for all teams, each taken for ten seconds by a call that hangs.
async fn a_silent_api_holds_up_neither_renewals_nor_other_teams_nor_a_stop(backend: Backend) -> TestResult {
    const SILENT_SALES: usize = 60;
    let mut app = TestApp::with_stripe(backend).await?;
    let subscription = Subscription::of(Layout::Basil, "prod_plugin", now() - MONTH - DAY);
    app.deliver(&[subscription.created(), invoice(&subscription, subscription.begun).event()]).await?;
    let silent = FakeStripe::start().await?;
    silent.delay(Duration::from_secs(600));
    let other = id(&app.server.cli(&["team", "create", "Behind a firewall", "--json"]).await?)?;
    let (secret, base) = (["--webhook-secret", STRIPE_SECRET], silent.url());
    let set = ["integration", "set", "stripe", "--team", &other, "--api-key", TEST_KEY, "--api-base", &base];
    app.server.cli(&[set.as_slice(), &secret].concat()).await?;
    let path = format!("/api/v1/integrations/stripe?teamId={other}");
    for _ in 0..SILENT_SALES {
        let body = serde_json::to_vec(&Checkout::paid(Layout::Basil).completed())?;
        let signature = sign::stripe(&[STRIPE_SECRET], now(), &body)?;
        assert_eq!(app.post(&path, &[("stripe-signature", &signature)], body).await?.status, 200);
    }
    eventually("calls hang", async || Ok((silent.calls().len() > 8).then_some(()))).await?;

    let begun = Instant::now();
    let sale = Checkout::paid(Layout::Basil);
    app.stripe.add_session(&sale.id, vec![session_line("li_1", "prod_plugin", 1)]);
    let second = subscription.begun + MONTH;
    for event in [invoice(&subscription, second).event(), sale.completed()] {
        assert_eq!(app.post_stripe(&event).await?.status, 200);
    }
    eventually("the renewal and the sale have had their effect", async || {
        let licenses = app.licenses().await?;
        let renewed = licenses.iter().any(|license| unix(&license["paidUntil"]).is_ok_and(|end| end == second + MONTH));
        Ok((renewed && licenses.len() == 2).then_some(()))
    })
    .await?;
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());

    let begun = Instant::now();
    assert!(app.server.terminate().await?.success());
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
    Ok(())
}
