//! Checkout sessions, refunds, charges, disputes, invoice payments.

use keyledger_events::event::purchase::{DisputeStatus, RefundStatus};

use super::*;

fn session() -> Value {
    json!({
        "id": "cs_1", "object": "checkout.session", "mode": "payment", "payment_status": "paid",
        "payment_intent": "pi_1", "subscription": null, "invoice": "in_1", "customer": "cus_1",
        "customer_details": { "email": "buyer@example.test", "name": "Buyer" },
        "amount_total": 999, "livemode": true,
    })
}

fn read_session(object: Value) -> Result<CheckoutSession, String> {
    match read("checkout.session.completed", object) {
        Ok(StripeObject::CheckoutSession(session)) => Ok(session),
        other => Err(format!("{other:?}")),
    }
}

#[test]
fn a_session_with_ids_or_expanded_objects() {
    let expected = CheckoutSession {
        id: "cs_1".to_owned(),
        mode: "payment".to_owned(),
        payment_status: "paid".to_owned(),
        payment_intent: Some("pi_1".to_owned()),
        subscription: None,
        invoice: Some("in_1".to_owned()),
        customer: Some("cus_1".to_owned()),
        email: Some("buyer@example.test".to_owned()),
        name: Some("Buyer".to_owned()),
        amount_total: Some(999),
        livemode: Some(true),
    };
    assert_eq!(read_session(session()), Ok(expected.clone()));
    let expanded = with(session(), "/payment_intent", json!({ "id": "pi_1", "amount": 999 }));
    let expanded = with(expanded, "/invoice", json!({ "id": "in_1" }));
    let expanded = with(expanded, "/customer", json!({ "id": "cus_1", "email": "old@example.test", "name": "Old" }));
    assert_eq!(read_session(expanded.clone()), Ok(expected));

    let from_customer = read_session(with(expanded, "/customer_details", json!(null)));
    assert_eq!(from_customer.map(|s| (s.email, s.name)), Ok((Some("old@example.test".into()), Some("Old".into()))));
}

#[test]
fn every_session_event_carries_a_session() {
    for outcome in ["completed", "async_payment_succeeded", "async_payment_failed"] {
        let read = read(&format!("checkout.session.{outcome}"), session());
        assert!(matches!(read, Ok(StripeObject::CheckoutSession(_))), "{outcome}");
    }
}

#[test]
fn what_a_session_must_have() {
    for (field, value, problem) in [
        ("id", json!(null), "is missing"),
        ("mode", json!(""), "is empty"),
        ("payment_status", json!(null), "is missing"),
        ("payment_status", json!(1), "is not text"),
        ("payment_intent", json!(5), "is neither an id nor an object"),
        ("subscription", json!({ "object": "subscription" }), "is an object without an `id`"),
        ("amount_total", json!(9.99), "is 9.99, not a whole number"),
    ] {
        let bad = with(session(), &format!("/{field}"), value);
        assert_eq!(
            complaint("checkout.session.completed", bad),
            format!("the `checkout.session.completed` event cannot be read: `data.object.{field}` {problem}")
        );
    }
}

#[test]
fn a_refund_counts_when_it_has_succeeded() {
    for (status, expected) in [
        (json!("succeeded"), RefundStatus::Succeeded),
        (json!("failed"), RefundStatus::Failed),
        (json!("canceled"), RefundStatus::Failed),
        (json!("pending"), RefundStatus::Pending),
        (json!("requires_action"), RefundStatus::Pending),
        (json!("invented_tomorrow"), RefundStatus::Pending),
        (json!(null), RefundStatus::Pending),
    ] {
        let refund = json!({ "id": "re_1", "charge": { "id": "ch_1" }, "payment_intent": "pi_1", "amount": 5, "status": status });
        let expected = Refund {
            id: "re_1".to_owned(),
            charge: Some("ch_1".to_owned()),
            payment_intent: Some("pi_1".to_owned()),
            amount: 5,
            status: expected,
        };
        for event_type in ["refund.created", "refund.updated", "refund.failed"] {
            assert_eq!(read(event_type, refund.clone()), Ok(StripeObject::Refund(expected.clone())));
        }
    }
    let no_amount = json!({ "id": "re_1", "status": "succeeded" });
    assert_eq!(
        complaint("refund.created", no_amount),
        "the `refund.created` event cannot be read: `data.object.amount` is missing"
    );
}

#[test]
fn a_refunded_charge_with_and_without_its_refunds() {
    let refund = json!({ "id": "re_1", "charge": "ch_1", "amount": 40, "status": "succeeded" });
    let charge = json!({
        "id": "ch_1", "payment_intent": "pi_1", "invoice": { "id": "in_1" }, "amount": 100, "amount_captured": 90,
        "amount_refunded": 40, "refunded": false,
        "refunds": { "object": "list", "data": [refund], "has_more": false },
    });
    let expected = Charge {
        id: "ch_1".to_owned(),
        payment_intent: Some("pi_1".to_owned()),
        invoice: Some("in_1".to_owned()),
        amount: 100,
        amount_captured: Some(90),
        amount_refunded: 40,
        refunded: false,
        refunds: Some(vec![Refund {
            id: "re_1".to_owned(),
            charge: Some("ch_1".to_owned()),
            payment_intent: None,
            amount: 40,
            status: RefundStatus::Succeeded,
        }]),
    };
    assert_eq!(read("charge.refunded", charge.clone()), Ok(StripeObject::Charge(expected.clone())));

    let without = StripeObject::Charge(Charge { refunds: None, ..expected });
    assert_eq!(read("charge.refunded", with(charge.clone(), "/refunds", json!(null))), Ok(without.clone()));
    assert_eq!(read("charge.refunded", with(charge.clone(), "/refunds/has_more", json!(true))), Ok(without));
    assert_eq!(
        complaint("charge.refunded", with(charge, "/refunds/data/0/amount", json!(null))),
        "the `charge.refunded` event cannot be read: `data.object.refunds.data[0].amount` is missing"
    );
}

#[test]
fn only_a_dispute_in_earnest_is_open() {
    use DisputeStatus::{Inquiry, Lost, Open, Won};
    // How it stands while it lasts, and when it is over.
    for (status, created, closed) in [
        (json!("needs_response"), Open, Won),
        (json!("under_review"), Open, Won),
        (json!("won"), Won, Won),
        (json!("lost"), Lost, Lost),
        (json!("warning_needs_response"), Inquiry, Inquiry),
        (json!("warning_under_review"), Inquiry, Inquiry),
        (json!("warning_closed"), Inquiry, Inquiry),
        (json!("prevented"), Inquiry, Won),
        (json!("charge_refunded"), Inquiry, Won),
        (json!(null), Inquiry, Inquiry),
    ] {
        let dispute = json!({ "id": "dp_1", "charge": "ch_1", "payment_intent": null, "status": status });
        for (event_type, expected) in [("charge.dispute.created", created), ("charge.dispute.closed", closed)] {
            let expected = Dispute {
                id: "dp_1".to_owned(),
                charge: Some("ch_1".to_owned()),
                payment_intent: None,
                status: expected,
            };
            assert_eq!(read(event_type, dispute.clone()), Ok(StripeObject::Dispute(expected)));
        }
    }
}

#[test]
fn an_invoice_payment_links_both_ends() {
    let payment = json!({
        "id": "inpay_1", "invoice": "in_1", "amount_paid": 2000, "status": "paid",
        "payment": { "type": "payment_intent", "payment_intent": { "id": "pi_1" } },
    });
    let expected = InvoicePayment {
        id: "inpay_1".to_owned(),
        invoice: "in_1".to_owned(),
        payment_intent: Some("pi_1".to_owned()),
        charge: None,
        status: Some("paid".to_owned()),
        amount_paid: Some(2000),
    };
    assert_eq!(read("invoice_payment.paid", payment.clone()), Ok(StripeObject::InvoicePayment(expected)));
    assert_eq!(
        complaint("invoice_payment.paid", with(payment, "/invoice", json!(null))),
        "the `invoice_payment.paid` event cannot be read: `data.object.invoice` is missing"
    );
}
