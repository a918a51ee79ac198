//! Money goes back to a buyer, or a bank asks for it.

use serde_json::{Value, json};

use crate::support::compose::{
    Charge, Checkout, DAY, Dispute, Invoice, InvoiceLine, Layout, MONTH, Refund, Subscription, invoice_payment_paid,
};
use crate::support::stripe_api::session_line;
use crate::support::{Backend, Error, TestApp, TestResult, now, on_both_stores, unique, unix};

on_both_stores!(
    a_full_refund_revokes_what_was_bought,
    partial_refunds_add_up,
    a_refund_counts_when_it_has_succeeded,
    the_same_money_is_not_counted_twice,
    a_refund_of_a_charge_is_its_payments,
    what_was_paid_from_the_balance_was_paid,
    the_payment_of_an_invoice_is_shown_however_it_is_told,
    a_sale_whose_refund_failed_is_mailed,
    a_refund_may_overtake_the_sale,
    a_refunded_renewal_takes_back_its_period_only,
    a_dispute_suspends_until_it_is_decided,
    a_question_by_the_bank_decides_nothing,
    a_dispute_that_is_over_suspends_no_more,
);

/// A buyer of one unit for 1000.
async fn bought(app: &TestApp, layout: Layout) -> Result<Checkout, Error> {
    let checkout = Checkout::paid(layout);
    app.stripe.add_session(&checkout.id, vec![session_line(&unique("li"), "prod_plugin", 1)]);
    app.deliver(&[checkout.completed()]).await?;
    Ok(checkout)
}

async fn status(app: &TestApp, checkout: &Checkout) -> Result<String, Error> {
    let licenses = app.licenses().await?;
    let ours = licenses.iter().find(|license| license["references"]["stripeCheckoutSession"] == checkout.id);
    Ok(ours.ok_or("the purchase has no licence")?["status"].as_str().unwrap_or_default().to_owned())
}

async fn a_full_refund_revokes_what_was_bought(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    for layout in Layout::BOTH {
        let (refunded, kept) = (bought(&app, layout).await?, bought(&app, layout).await?);
        let charge = Charge::refunded_in_full(layout, refunded.payment(), 1000);
        app.deliver(&[charge.event(now())]).await?;
        assert_eq!(status(&app, &refunded).await?, "REVOKED");
        assert_eq!(status(&app, &kept).await?, "ACTIVE");
    }
    assert_eq!(app.stripe.writes(), []);
    Ok(())
}

async fn partial_refunds_add_up(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let running_total = bought(&app, Layout::Acacia).await?;
    let charge = Charge { refunded: 400, ..Charge::refunded_in_full(Layout::Acacia, running_total.payment(), 1000) };
    app.deliver(&[charge.event(now())]).await?;
    assert_eq!(status(&app, &running_total).await?, "ACTIVE");
    let recorded = app.events_of("PaymentRefunded").await?;
    assert_eq!(recorded.last().map(|event| &event["data"]["full"]), Some(&json!(false)), "{recorded:?}");
    app.deliver(&[Charge { refunded: 1000, ..charge }.event(now())]).await?;
    assert_eq!(status(&app, &running_total).await?, "REVOKED");

    let single = bought(&app, Layout::Basil).await?;
    app.deliver(&[Refund::of(Layout::Basil, single.payment(), 400).event("created", "succeeded", now())]).await?;
    assert_eq!(status(&app, &single).await?, "ACTIVE");
    app.deliver(&[Refund::of(Layout::Basil, single.payment(), 600).event("created", "succeeded", now())]).await?;
    assert_eq!(status(&app, &single).await?, "REVOKED");
    Ok(())
}

async fn a_refund_counts_when_it_has_succeeded(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let checkout = bought(&app, Layout::Basil).await?;
    let refund = Refund::of(Layout::Basil, checkout.payment(), 1000);
    let steps = [
        ("created", "pending", "ACTIVE"),
        ("updated", "succeeded", "REVOKED"),
        // The buyer's bank sent it back.
        ("failed", "failed", "ACTIVE"),
    ];
    for (what, now_is, expected) in steps {
        app.deliver(&[refund.event(what, now_is, now())]).await?;
        assert_eq!(status(&app, &checkout).await?, expected, "after refund.{what}");
    }
    Ok(())
}

async fn the_same_money_is_not_counted_twice(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let checkout = bought(&app, Layout::Acacia).await?;
    let refund = Refund::of(Layout::Acacia, checkout.payment(), 500);
    let full = Charge::refunded_in_full(Layout::Acacia, checkout.payment(), 1000);
    let charge = Charge { id: refund.charge.clone(), refunded: 500, ..full };
    // Half of it went back, and three events tell so.
    let events =
        [refund.event("created", "succeeded", now()), charge.event(now()), refund.event("updated", "succeeded", now())];
    app.deliver(&events).await?;
    assert_eq!(status(&app, &checkout).await?, "ACTIVE");
    Ok(())
}

/// One event names payment and charge, the other the charge alone.
async fn a_refund_of_a_charge_is_its_payments(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    for charge_first in [true, false] {
        let checkout = bought(&app, Layout::Basil).await?;
        let full = Charge::refunded_in_full(Layout::Basil, checkout.payment(), 1000);
        let charge = Charge { refunded: 500, ..full };
        let refund = Refund { charge: charge.id.clone(), ..Refund::of(Layout::Basil, checkout.payment(), 500) };
        let mut told = refund.event("created", "succeeded", now());
        told["data"]["object"]["payment_intent"] = Value::Null;
        let mut events = [charge.event(now()), told];
        if !charge_first {
            events.reverse();
        }
        app.deliver(&events[..1]).await?;
        app.deliver(&events[1..]).await?;
        assert_eq!(status(&app, &checkout).await?, "ACTIVE", "{charge_first}");
        app.deliver(&[Charge { refunded: 1000, ..charge }.event(now())]).await?;
        assert_eq!(status(&app, &checkout).await?, "REVOKED", "{charge_first}");
    }
    Ok(())
}

/// A downgrade left 900 with the seller; 100 were charged for the month and went back.
async fn what_was_paid_from_the_balance_was_paid(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    for layout in Layout::BOTH {
        let subscription = Subscription::of(layout, "prod_plugin", now() - DAY);
        let item = &subscription.items[0].id;
        let lines = vec![InvoiceLine::month(item, "prod_plugin", subscription.begun)];
        let invoice = Invoice::paid(layout, &subscription.id, &subscription.customer, lines);
        let invoice = Invoice { amount_paid: 100, payments_included: true, ..invoice };
        let mut paid = invoice.event();
        paid["data"]["object"]["starting_balance"] = json!(-900);
        paid["data"]["object"]["ending_balance"] = json!(0);
        app.deliver(&[paid, Charge::refunded_in_full(layout, invoice.payment(), 100).event(now())]).await?;
        assert_eq!(paid_until(&app, &subscription).await?, subscription.begun + MONTH, "{layout:?}");
    }
    Ok(())
}

async fn the_payment_of_an_invoice_is_shown_however_it_is_told(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    for invoice_first in [true, false] {
        let subscription = Subscription::of(Layout::Basil, "prod_plugin", now() - DAY);
        let item = &subscription.items[0].id;
        let lines = vec![InvoiceLine::month(item, "prod_plugin", subscription.begun)];
        let invoice = Invoice::paid(Layout::Basil, &subscription.id, &subscription.customer, lines);
        let mut events = [invoice.event(), invoice_payment_paid(&invoice)];
        if !invoice_first {
            events.reverse();
        }
        app.deliver(&events[..1]).await?;
        app.deliver(&events[1..]).await?;
        let licenses = app.licenses().await?;
        let ours = licenses.iter().find(|it| it["references"]["stripeSubscription"] == subscription.id);
        let references = &ours.ok_or("no licence")?["references"];
        assert_eq!(references["stripePaymentIntent"], invoice.payment(), "{references}");
    }
    Ok(())
}

/// The refund came before the sale, so the key was void and not mailed; then the bank sent the money back.
async fn a_sale_whose_refund_failed_is_mailed(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let checkout = Checkout::paid(Layout::Basil);
    app.stripe.add_session(&checkout.id, vec![session_line(&unique("li"), "prod_plugin", 1)]);
    let refund = Refund::of(Layout::Basil, checkout.payment(), 1000);
    app.deliver(&[refund.event("created", "succeeded", now())]).await?;
    app.deliver(&[checkout.completed()]).await?;
    assert_eq!((status(&app, &checkout).await?.as_str(), app.mails()?.len()), ("REVOKED", 0));
    app.deliver(&[refund.event("failed", "failed", now())]).await?;
    assert_eq!(status(&app, &checkout).await?, "ACTIVE");
    let mails = app.mails()?;
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to, checkout.email);
    Ok(())
}

async fn a_refund_may_overtake_the_sale(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    for layout in Layout::BOTH {
        let checkout = Checkout::paid(layout);
        app.stripe.add_session(&checkout.id, vec![session_line(&unique("li"), "prod_plugin", 1)]);
        let charge = Charge::refunded_in_full(layout, checkout.payment(), 1000);
        app.deliver(&[charge.event(now()), checkout.completed()]).await?;
        assert_eq!(status(&app, &checkout).await?, "REVOKED");
    }
    Ok(())
}

/// How keyledger gets to know which invoice a payment paid.
#[derive(Debug, Clone, Copy)]
enum Link {
    /// The invoice itself says so.
    Invoice,
    /// The event `invoice_payment.paid` says so.
    Event,
    /// Stripe's API says so, when asked.
    Asked,
}

async fn a_refunded_renewal_takes_back_its_period_only(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let ways = [
        (Layout::Acacia, Link::Invoice),
        (Layout::Basil, Link::Invoice),
        (Layout::Basil, Link::Event),
        (Layout::Basil, Link::Asked),
    ];
    for (layout, link) in ways {
        let subscription = Subscription::of(layout, "prod_plugin", now() - MONTH - DAY);
        let (item, begun) = (&subscription.items[0].id, subscription.begun);
        let month = |start| vec![InvoiceLine::month(item, "prod_plugin", start)];
        let first = Invoice::paid(layout, &subscription.id, &subscription.customer, month(begun));
        let mut second = Invoice::renewal(layout, &subscription.id, &subscription.customer, month(begun + MONTH));
        second.payments_included = matches!(link, Link::Invoice);
        app.deliver(&[subscription.created(), first.event(), second.event()]).await?;
        assert_eq!(paid_until(&app, &subscription).await?, begun + 2 * MONTH);
        match link {
            Link::Invoice => {}
            Link::Event => app.deliver(&[invoice_payment_paid(&second)]).await?,
            Link::Asked => app.stripe.add_invoice_payment(&second.id, second.payment(), 1000),
        }
        app.deliver(&[Charge::refunded_in_full(layout, second.payment(), 1000).event(now())]).await?;
        assert_eq!(paid_until(&app, &subscription).await?, begun + MONTH, "{layout:?}, {link:?}");
    }
    assert_eq!(app.stripe.writes(), []);
    Ok(())
}

async fn paid_until(app: &TestApp, subscription: &Subscription) -> Result<i64, Error> {
    let licenses = app.licenses().await?;
    let of = |license: &&Value| license["references"]["stripeSubscription"] == subscription.id;
    unix(&licenses.iter().find(of).ok_or("the subscription has no licence")?["paidUntil"])
}

async fn a_dispute_suspends_until_it_is_decided(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    for (outcome, expected) in [("won", "ACTIVE"), ("lost", "REVOKED")] {
        let checkout = bought(&app, Layout::Basil).await?;
        let dispute = Dispute::about(Layout::Basil, checkout.payment(), 1000);
        app.deliver(&[dispute.event("created", "needs_response", now())]).await?;
        assert_eq!(status(&app, &checkout).await?, "SUSPENDED");
        app.deliver(&[dispute.event("closed", outcome, now())]).await?;
        assert_eq!(status(&app, &checkout).await?, expected, "a dispute that was {outcome}");

        // The closing overtook the opening: the same in the end.
        let hasty = bought(&app, Layout::Acacia).await?;
        let dispute = Dispute::about(Layout::Acacia, hasty.payment(), 1000);
        let events = [dispute.event("closed", outcome, now()), dispute.event("created", "needs_response", now() - 60)];
        app.deliver(&events).await?;
        assert_eq!(status(&app, &hasty).await?, expected, "a dispute that was {outcome}, told backwards");
    }
    Ok(())
}

async fn a_question_by_the_bank_decides_nothing(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let checkout = bought(&app, Layout::Basil).await?;
    let inquiry = Dispute::about(Layout::Basil, checkout.payment(), 1000);
    for (what, now_is) in [("created", "warning_needs_response"), ("closed", "warning_closed")] {
        app.deliver(&[inquiry.event(what, now_is, now())]).await?;
        assert_eq!(status(&app, &checkout).await?, "ACTIVE", "{now_is}");
    }
    Ok(())
}

/// Refunded before it was decided, say.
async fn a_dispute_that_is_over_suspends_no_more(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let checkout = bought(&app, Layout::Acacia).await?;
    let mut dispute = Dispute::about(Layout::Acacia, checkout.payment(), 1000).event("created", "under_review", now());
    dispute["data"]["object"]["amount"] = Value::Null;
    app.deliver(&[&dispute]).await?;
    assert_eq!(status(&app, &checkout).await?, "SUSPENDED");
    let license = app.licenses().await?.remove(0);
    let id = license["id"].as_str().ok_or("no id")?;
    let refused = app.server.cli_output(&["license", "reinstate", id], None).await?;
    assert_eq!(refused.status.code(), Some(1), "a dispute suspends it, which no admin lifts");

    dispute["id"] = json!(unique("evt"));
    dispute["type"] = json!("charge.dispute.closed");
    dispute["data"]["object"]["status"] = json!("charge_refunded");
    app.deliver(&[&dispute]).await?;
    assert_eq!(status(&app, &checkout).await?, "ACTIVE");
    Ok(())
}
