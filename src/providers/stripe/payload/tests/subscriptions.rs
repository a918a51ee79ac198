//! Subscriptions in every layout.

use super::*;

/// As rendered up to 2025-02-24.acacia.
fn acacia() -> Value {
    json!({
        "id": "sub_1", "object": "subscription", "status": "active", "customer": "cus_1",
        "current_period_end": END, "cancel_at_period_end": true, "canceled_at": START, "ended_at": null,
        "items": { "object": "list", "has_more": false, "total_count": 2, "data": [
            { "id": "si_1", "quantity": 2, "price": { "id": "price_1", "product": "prod_1" } },
            { "id": "si_2", "plan": { "id": "plan_2", "product": { "id": "prod_2", "metadata": { "a": "b" } } } },
        ] },
    })
}

/// As rendered from 2025-03-31.basil on: the period is the items'.
fn basil() -> Value {
    let mut subscription = acacia();
    if let Some(fields) = subscription.as_object_mut() {
        fields.remove("current_period_end");
    }
    let subscription = with(subscription, "/items/data/0/current_period_end", json!(START));
    with(subscription, "/items/data/1/current_period_end", json!(END))
}

fn item(id: &str, quantity: u32, price: &str, product: &str) -> SubscriptionItem {
    SubscriptionItem {
        id: id.to_owned(),
        quantity,
        price: Some(price.to_owned()),
        product: Some(product.to_owned()),
        product_metadata: None,
        metered: false,
        current_period_end: None,
    }
}

fn read_subscription(object: Value) -> Result<Subscription, String> {
    match read("customer.subscription.updated", object) {
        Ok(StripeObject::Subscription(subscription)) => Ok(subscription),
        other => Err(format!("{other:?}")),
    }
}

#[test]
fn both_layouts() -> Result<(), Box<dyn Error>> {
    let second = SubscriptionItem {
        product_metadata: Some([("a".to_owned(), "b".to_owned())].into()),
        ..item("si_2", 1, "plan_2", "prod_2")
    };
    let expected = Subscription {
        id: "sub_1".to_owned(),
        status: Some("active".to_owned()),
        customer: Some("cus_1".to_owned()),
        items: vec![item("si_1", 2, "price_1", "prod_1"), second],
        items_truncated: false,
        previous_items: None,
        previous_items_truncated: false,
        ended_at: None,
        canceled_at: Some(time(START)?),
        cancel_at_period_end: true,
        current_period_end: Some(time(END)?),
    };
    assert_eq!(read_subscription(acacia()), Ok(expected.clone()));
    assert_eq!(read_subscription(with(acacia(), "/customer", json!({ "id": "cus_1" }))), Ok(expected.clone()));

    let newer = read_subscription(basil())?;
    assert_eq!(newer.current_period_end, expected.current_period_end);
    let ends: Vec<_> = newer.items.iter().map(|item| item.current_period_end).collect();
    assert_eq!(ends, [Some(time(START)?), Some(time(END)?)]);
    Ok(())
}

#[test]
fn every_subscription_event_carries_a_subscription() {
    for what in ["created", "updated", "deleted", "paused", "resumed"] {
        let read = read(&format!("customer.subscription.{what}"), acacia());
        assert!(matches!(read, Ok(StripeObject::Subscription(_))), "{what}");
    }
}

#[test]
fn an_update_tells_the_items_of_before() {
    let mut body = event("customer.subscription.updated", acacia());
    let before = json!({ "id": "si_0", "price": { "id": "price_0", "product": "prod_0" } });
    for items in [json!([before]), json!({ "object": "list", "data": [before] })] {
        body["data"]["previous_attributes"] = json!({ "items": items });
        let previous = match parse_object(body.to_string().as_bytes()) {
            Ok(StripeObject::Subscription(subscription)) => Ok(subscription.previous_items),
            other => Err(other),
        };
        assert_eq!(previous, Ok(Some(vec![item("si_0", 1, "price_0", "prod_0")])));
    }
    body["data"]["previous_attributes"] = json!({ "status": "trialing" });
    assert!(matches!(
        parse_object(body.to_string().as_bytes()),
        Ok(StripeObject::Subscription(Subscription { previous_items: None, .. }))
    ));
}

#[test]
fn items_that_were_cut_off_are_noticed() {
    for subscription in [
        with(acacia(), "/items/has_more", json!(true)),
        with(acacia(), "/items/total_count", json!(3)),
        with(acacia(), "/items", json!(null)),
    ] {
        assert_eq!(read_subscription(subscription).map(|read| read.items_truncated), Ok(true));
    }
}

#[test]
fn a_malformed_subscription_names_the_field() {
    for (pointer, value, problem) in [
        ("/id", json!(null), "id` is missing"),
        ("/items/data/1/id", json!(null), "items.data[1].id` is missing"),
        ("/items/data/0/quantity", json!(-2), "items.data[0].quantity` is -2, not a quantity from 0 to 4294967295"),
        ("/ended_at", json!("yesterday"), "ended_at` is \"yesterday\", not a whole number"),
    ] {
        assert_eq!(
            complaint("customer.subscription.deleted", with(acacia(), pointer, value)),
            format!("the `customer.subscription.deleted` event cannot be read: `data.object.{problem}")
        );
    }
}
