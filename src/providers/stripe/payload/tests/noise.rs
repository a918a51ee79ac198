//! Whatever comes in, reading it ends in a value or an error.

use proptest::prelude::*;

use super::*;

const TYPES: [&str; 9] = [
    "checkout.session.completed",
    "invoice.paid",
    "invoice_payment.paid",
    "customer.subscription.updated",
    "refund.created",
    "charge.refunded",
    "charge.dispute.created",
    "customer.created",
    "",
];

/// One object with the fields of all: every reader finds what it looks for.
fn everything() -> Value {
    let line = json!({
        "id": "il_1", "type": "subscription", "subscription": "sub_1", "subscription_item": "si_1", "quantity": 1,
        "amount": 1, "proration": false, "period": { "start": START, "end": END },
        "price": { "id": "price_1", "product": { "id": "prod_1", "metadata": { "a": "b" } } },
        "pricing": { "price_details": { "price": "price_1", "product": "prod_1" } },
        "parent": { "type": "subscription_item_details", "subscription_item_details": { "subscription": "sub_1" } },
        "current_period_end": END, "status": "succeeded",
    });
    json!({
        "id": "x_1", "mode": "payment", "payment_status": "paid", "payment_intent": "pi_1", "subscription": "sub_1",
        "invoice": "in_1", "customer": { "id": "cus_1", "email": "a@example.test" }, "customer_details": { "email": "b" },
        "amount_total": 1, "livemode": true, "amount_paid": 1, "charge": "ch_1", "status": "active", "amount": 1,
        "amount_captured": 1, "amount_refunded": 1, "refunded": true, "cancel_at_period_end": false, "ended_at": END,
        "current_period_end": END, "parent": { "subscription_details": { "subscription": "sub_1" } },
        "payment": { "payment_intent": "pi_1" }, "payments": { "data": [{ "payment": { "payment_intent": "pi_1" } }] },
        "lines": { "data": [line], "has_more": false }, "items": { "data": [line], "total_count": 1 },
        "refunds": { "data": [line] },
    })
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "-?[0-9]{0,22}".prop_map(Value::from),
    ];
    let key = prop_oneof!["[a-z]{1,3}", Just("id".to_owned()), Just("data".to_owned()), Just("metadata".to_owned())];
    leaf.prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(key.clone(), inner, 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// The JSON pointers of all places in a document.
fn places(value: &Value, here: &str, found: &mut Vec<String>) {
    found.push(here.to_owned());
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| places(value, &format!("{here}/{key}"), found)),
        Value::Array(values) => {
            values.iter().enumerate().for_each(|(index, value)| places(value, &format!("{here}/{index}"), found));
        }
        _ => {}
    }
}

#[test]
fn the_object_that_is_mutated_below_is_good_for_every_reader() {
    for event_type in TYPES {
        assert!(read(event_type, everything()).is_ok(), "{event_type}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = (parse(&body), parse_envelope(&body), parse_object(&body));
    }

    #[test]
    fn no_json_makes_it_panic(object in any_json(), event_type in proptest::sample::select(&TYPES[..])) {
        let _ = read(event_type, object);
    }

    #[test]
    fn a_mutated_payload_is_read_or_refused_with_a_path_into_it(
        place in any::<proptest::sample::Index>(),
        value in any_json(),
        event_type in proptest::sample::select(&TYPES[..]),
    ) {
        let mut pointers = Vec::new();
        places(&everything(), "", &mut pointers);
        let pointer: &String = place.get(&pointers);
        let mutated = with(everything(), pointer, value);
        match read(event_type, mutated) {
            Err(PayloadError::Malformed { problem, .. }) => prop_assert!(problem.field.starts_with("data.object")),
            Err(other) => prop_assert!(false, "{other}"),
            Ok(_) => {}
        }
    }
}
