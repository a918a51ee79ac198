//! Invoices in every layout: each composed payload must read the same.

use std::collections::BTreeMap;

use super::*;

/// As rendered up to 2025-02-24.acacia.
fn acacia() -> Value {
    json!({
        "id": "in_1", "object": "invoice", "subscription": "sub_1", "billing_reason": "subscription_cycle",
        "customer": "cus_1", "customer_email": "buyer@example.test", "customer_name": "Buyer",
        "amount_paid": 1000, "payment_intent": "pi_1", "charge": "ch_1", "period_start": 1, "period_end": 2,
        "lines": { "object": "list", "has_more": false, "data": [{
            "id": "il_1", "object": "line_item", "type": "subscription", "subscription": "sub_1",
            "subscription_item": "si_1", "quantity": 3, "amount": 1000, "proration": false,
            "period": { "start": START, "end": END },
            "price": { "id": "price_1", "product": "prod_1" }, "plan": { "id": "price_1", "product": "prod_1" },
        }] },
    })
}

/// As rendered from 2025-03-31.basil on.
fn basil() -> Value {
    json!({
        "id": "in_1", "object": "invoice", "billing_reason": "subscription_cycle",
        "customer": "cus_1", "customer_email": "buyer@example.test", "customer_name": "Buyer",
        "amount_paid": 1000, "period_start": 1, "period_end": 2,
        "parent": { "type": "subscription_details", "quote_details": null,
            "subscription_details": { "subscription": "sub_1", "metadata": {} } },
        "payments": { "object": "list", "has_more": false, "data": [
            { "id": "inpay_1", "invoice": "in_1", "payment": { "type": "payment_intent", "payment_intent": "pi_1" } },
            { "id": "inpay_2", "invoice": "in_1", "payment": { "type": "charge", "charge": "ch_1" } },
        ] },
        "lines": { "object": "list", "has_more": false, "data": [{
            "id": "il_1", "object": "line_item", "subscription": null, "quantity": 3, "amount": 1000,
            "period": { "start": START, "end": END },
            "parent": { "type": "subscription_item_details", "invoice_item_details": null,
                "subscription_item_details": {
                    "subscription": "sub_1", "subscription_item": "si_1", "proration": false, "invoice_item": null } },
            "pricing": { "type": "price_details", "unit_amount_decimal": "1000",
                "price_details": { "price": "price_1", "product": "prod_1" } },
        }] },
    })
}

/// As rendered before there were prices.
fn plans() -> Value {
    let line = json!({
        "id": "il_1", "type": "subscription", "subscription": "sub_1", "subscription_item": "si_1", "quantity": 3,
        "amount": 1000, "period": { "start": START, "end": END }, "plan": { "id": "price_1", "product": "prod_1" },
    });
    with(acacia(), "/lines/data/0", line)
}

fn expected() -> Result<Invoice, Box<dyn Error>> {
    Ok(Invoice {
        id: "in_1".to_owned(),
        subscription: Some("sub_1".to_owned()),
        billing_reason: Some("subscription_cycle".to_owned()),
        customer: Some("cus_1".to_owned()),
        customer_email: Some("buyer@example.test".to_owned()),
        customer_name: Some("Buyer".to_owned()),
        amount_paid: 1000,
        paid_from_balance: 0,
        payment_intents: vec!["pi_1".to_owned()],
        charges: vec!["ch_1".to_owned()],
        lines: vec![InvoiceLine {
            kind: LineKind::Subscription,
            subscription: Some("sub_1".to_owned()),
            subscription_item: Some("si_1".to_owned()),
            price: Some("price_1".to_owned()),
            product: Some("prod_1".to_owned()),
            product_metadata: None,
            quantity: 3,
            amount: 1000,
            proration: false,
            credit: false,
            metered: None,
            period_start: time(START)?,
            period_end: time(END)?,
        }],
        lines_truncated: false,
    })
}

fn read_invoice(object: Value) -> Result<Invoice, String> {
    match read("invoice.paid", object) {
        Ok(StripeObject::Invoice(invoice)) => Ok(invoice),
        other => Err(format!("{other:?}")),
    }
}

fn read_line(object: Value) -> Result<InvoiceLine, String> {
    read_invoice(object)?.lines.into_iter().next().ok_or_else(|| "no line".to_owned())
}

#[test]
fn every_layout_reads_the_same() -> Result<(), Box<dyn Error>> {
    for invoice in [acacia(), basil(), plans()] {
        assert_eq!(read_invoice(invoice.clone()), Ok(expected()?), "{invoice}");
        for event_type in ["invoice.payment_succeeded", "invoice.payment_failed"] {
            assert_eq!(read(event_type, invoice.clone()), Ok(StripeObject::Invoice(expected()?)));
        }
    }
    Ok(())
}

#[test]
fn any_id_may_be_an_expanded_object() -> Result<(), Box<dyn Error>> {
    let expand = |invoice, pointers: &[(&str, &str)]| {
        pointers.iter().fold(invoice, |invoice, (pointer, id)| with(invoice, pointer, json!({ "id": id, "more": 1 })))
    };
    let old = expand(
        acacia(),
        &[
            ("/subscription", "sub_1"),
            ("/customer", "cus_1"),
            ("/payment_intent", "pi_1"),
            ("/charge", "ch_1"),
            ("/lines/data/0/subscription", "sub_1"),
            ("/lines/data/0/price/product", "prod_1"),
        ],
    );
    let new = expand(
        basil(),
        &[
            ("/parent/subscription_details/subscription", "sub_1"),
            ("/payments/data/0/payment/payment_intent", "pi_1"),
            ("/payments/data/1/payment/charge", "ch_1"),
            ("/lines/data/0/parent/subscription_item_details/subscription", "sub_1"),
            ("/lines/data/0/pricing/price_details/price", "price_1"),
            ("/lines/data/0/pricing/price_details/product", "prod_1"),
        ],
    );
    for invoice in [old, new] {
        assert_eq!(read_invoice(invoice.clone()), Ok(expected()?), "{invoice}");
    }
    Ok(())
}

#[test]
fn an_expanded_product_brings_its_metadata() {
    let product = json!({ "id": "prod_1", "metadata": { "product_id": "x", "ip_limit": 5, "odd": [] } });
    let text = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let metadata = BTreeMap::from([text("ip_limit", "5"), text("product_id", "x")]);
    for invoice in [
        with(acacia(), "/lines/data/0/price/product", product.clone()),
        with(basil(), "/lines/data/0/pricing/price_details/product", product.clone()),
        with(
            basil(),
            "/lines/data/0/pricing/price_details",
            json!({ "price": { "id": "price_1", "product": product } }),
        ),
        with(plans(), "/lines/data/0/plan/product", product.clone()),
    ] {
        let line = read_line(invoice).map(|line| (line.product, line.price, line.product_metadata));
        assert_eq!(line, Ok((Some("prod_1".into()), Some("price_1".into()), Some(metadata.clone()))));
    }
}

#[test]
fn the_kind_of_a_line_in_both_layouts() {
    for (invoice, kind) in [
        (with(acacia(), "/lines/data/0/type", json!("invoiceitem")), LineKind::InvoiceItem),
        (with(basil(), "/lines/data/0/parent/type", json!("invoice_item_details")), LineKind::InvoiceItem),
        (with(acacia(), "/lines/data/0/type", json!("invented_tomorrow")), LineKind::Other),
        (with(acacia(), "/lines/data/0/type", json!(null)), LineKind::Subscription),
        (with(basil(), "/lines/data/0/parent", json!(null)), LineKind::Other),
    ] {
        assert_eq!(read_line(invoice).map(|line| line.kind), Ok(kind));
    }
}

#[test]
fn a_proration_in_both_layouts() {
    let details = json!({ "proration": true, "subscription": "sub_1", "invoice_item": "ii_1" });
    let parent = json!({ "type": "invoice_item_details", "invoice_item_details": details });
    for invoice in
        [with(acacia(), "/lines/data/0/proration", json!(true)), with(basil(), "/lines/data/0/parent", parent)]
    {
        let line = read_line(invoice).map(|line| (line.proration, line.subscription));
        assert_eq!(line, Ok((true, Some("sub_1".into()))));
    }
}

#[test]
fn a_one_off_invoice_has_no_subscription() {
    for invoice in [with(acacia(), "/subscription", json!(null)), with(basil(), "/parent", json!(null))] {
        assert_eq!(read_invoice(invoice).map(|invoice| invoice.subscription), Ok(None));
    }
}

#[test]
fn quantities() {
    for (value, expected) in [(json!(null), 1), (json!(0), 0), (json!("7"), 7), (json!(u32::MAX), u32::MAX)] {
        let line = read_line(with(acacia(), "/lines/data/0/quantity", value));
        assert_eq!(line.map(|line| line.quantity), Ok(expected));
    }
    for value in [json!(-1), json!(4_294_967_296_u64)] {
        let message = complaint("invoice.paid", with(acacia(), "/lines/data/0/quantity", value.clone()));
        let problem = format!("`data.object.lines.data[0].quantity` is {value}, not a quantity from 0 to 4294967295");
        assert_eq!(message, format!("the `invoice.paid` event cannot be read: {problem}"));
    }
}

#[test]
fn lines_that_were_cut_off_are_noticed() {
    for invoice in [
        with(acacia(), "/lines/has_more", json!(true)),
        with(acacia(), "/lines/total_count", json!(2)),
        with(acacia(), "/lines", json!(null)),
    ] {
        assert_eq!(read_invoice(invoice).map(|invoice| invoice.lines_truncated), Ok(true));
    }
    let whole = with(acacia(), "/lines/total_count", json!(1));
    assert_eq!(read_invoice(whole).map(|invoice| invoice.lines_truncated), Ok(false));
}

/// Emulators and gateways in between leave out what nothing depends on.
#[test]
fn what_nothing_depends_on_may_be_missing() {
    for pointer in ["/amount_paid", "/lines/data/0/id", "/lines/data/0/amount", "/lines/data/0/period/start"] {
        let read = read_invoice(with(acacia(), pointer, json!(null)));
        assert_eq!(read.map(|invoice| invoice.lines.len()), Ok(1), "{pointer}");
    }
}

#[test]
fn what_the_seller_had_left_of_the_customers_was_paid_with() {
    for (before, after, paid) in [(-900, 0, 900), (-900, -300, 600), (500, 0, 0), (0, 500, 0), (0, -500, 0)] {
        let invoice = with(with(acacia(), "/starting_balance", json!(before)), "/ending_balance", json!(after));
        assert_eq!(read_invoice(invoice).map(|invoice| invoice.paid_from_balance), Ok(paid), "{before} to {after}");
    }
    let open = with(with(acacia(), "/starting_balance", json!(-900)), "/ending_balance", json!(null));
    assert_eq!(read_invoice(open).map(|invoice| invoice.paid_from_balance), Ok(0));
}

#[test]
fn a_malformed_invoice_names_the_field() {
    for (pointer, value, problem) in [
        ("/id", json!(null), "id` is missing"),
        ("/amount_paid", json!("1000 EUR"), "amount_paid` is \"1000 EUR\", not a whole number"),
        ("/lines", json!("none"), "lines` is not a list"),
        ("/lines/data", json!(null), "lines` is a list without `data`"),
        ("/lines/data/0/amount", json!("much"), "lines.data[0].amount` is \"much\", not a whole number"),
        ("/lines/data/0/period", json!(null), "lines.data[0].period.end` is missing"),
        ("/lines/data/0/period/end", json!([]), "lines.data[0].period.end` is a list, not a whole number"),
        (
            "/lines/data/0/period/end",
            json!(999_999_999_999_i64),
            "lines.data[0].period.end` is 999999999999, not a time in seconds since 1970",
        ),
        ("/lines/data/0/price/product", json!({}), "lines.data[0].price.product` is an object without an `id`"),
    ] {
        assert_eq!(
            complaint("invoice.paid", with(acacia(), pointer, value)),
            format!("the `invoice.paid` event cannot be read: `data.object.{problem}")
        );
    }
}
