//! A subscription changes: plans up and down, items swapped, units in tiers, usage beside a flat price. Whoever paid has what
//! they paid for, under the key that they have.

use serde_json::{Value, json};

use crate::stripe_subscription::{assert_paid_until, invoice, of, one};
use crate::support::app::id;
use crate::support::compose::{DAY, Invoice, InvoiceLine, Item, Layout, MONTH, Subscription, id_of};
use crate::support::stripe_api::subscription_item;
use crate::support::{Backend, Error, TestApp, TestResult, now, on_both_stores};

on_both_stores!(
    there_and_back_within_a_month_is_the_plan_of_the_next_one,
    an_old_invoice_that_is_paid_late_does_not_bring_the_old_plan_back,
    what_was_free_is_given_back_for_nothing_and_is_no_plan,
    of_two_updates_in_a_second_the_paid_one_counts,
    a_swap_that_is_told_late_keeps_the_key,
    a_renewal_that_overtakes_the_first_invoice_keeps_its_key,
    swaps_that_are_told_backwards_are_one_key,
    each_key_stays_with_its_product_when_all_prices_change,
    usage_is_known_by_its_subscription,
    a_product_that_was_found_to_be_none_of_ours_stops_no_renewal,
    a_second_swap_before_the_first_was_paid_for_keeps_the_key,
    a_plan_that_was_replaced_beside_a_new_item_waits_for_nothing,
    seats_that_were_added_twice_are_counted_once,
    an_item_that_was_added_is_licensed_at_once,
    a_product_that_is_gone_keeps_nobody_else_from_renewing,
    units_in_tiers_add_up,
    lines_that_name_no_item_are_one_for_each_product,
    usage_is_no_number_of_licences,
    an_item_that_went_from_a_long_list_was_not_swapped,
    what_is_not_ours_stops_no_renewal,
    lines_of_another_subscription_are_told,
);

/// A team with two plans on one product each at Stripe: `prod_plugin` and `prod_pro`, whose licences allow 9 devices.
async fn with_plans(backend: Backend) -> Result<(TestApp, String), Error> {
    let app = TestApp::with_stripe(backend).await?;
    let pro = id(&app.server.cli(&["product", "create", "--team", &app.team, "Pro", "--json"]).await?)?;
    app.stripe.add_product("prod_pro", &[("product_id", &pro), ("hwid_limit", "9")]);
    Ok((app, pro))
}

/// The subscription with its one item on another product, as when a plan is changed in place.
fn on(subscription: &Subscription, product: &str) -> Subscription {
    let item = Item { product: product.to_owned(), ..subscription.items[0].clone() };
    Subscription { items: vec![item], ..subscription.clone() }
}

fn of_change(subscription: &Subscription, lines: Vec<InvoiceLine>) -> Invoice {
    let renewal = Invoice::renewal(subscription.layout, &subscription.id, &subscription.customer, lines);
    Invoice { billing_reason: "subscription_update", paid_at: renewal.lines[0].period.0 + 2, ..renewal }
}

async fn there_and_back_within_a_month_is_the_plan_of_the_next_one(backend: Backend) -> TestResult {
    let (app, _) = with_plans(backend).await?;
    for layout in Layout::BOTH {
        let basic = Subscription::of(layout, "prod_plugin", now() - MONTH - DAY);
        let (up, down, turn) = (basic.begun + 5 * DAY, basic.begun + 6 * DAY, basic.begun + MONTH);
        let pro = on(&basic, "prod_pro");
        let item = &basic.items[0].id;
        let rest = |product, from, amount| InvoiceLine::rest(item, product, (from, turn), amount);
        let mut renewal = invoice(&basic, turn);
        renewal.lines.extend([
            rest("prod_plugin", up, -833),
            rest("prod_pro", up, 2500),
            rest("prod_pro", down, -2400),
            rest("prod_plugin", down, 800),
        ]);
        app.deliver(&[basic.created(), invoice(&basic, basic.begun).event()]).await?;
        let before = one(&app, &basic).await?;
        app.deliver(&[pro.updated(up, basic.items_before())]).await?;
        assert_eq!(one(&app, &basic).await?["hwidLimit"], 9);
        app.deliver(&[basic.updated(down, pro.items_before()), renewal.event()]).await?;
        let after = one(&app, &basic).await?;
        assert_eq!((&after["productIds"], &after["key"]), (&json!([app.product]), &before["key"]), "{after}");
        assert_paid_until(&after, turn + MONTH)?;
    }
    Ok(())
}

async fn an_old_invoice_that_is_paid_late_does_not_bring_the_old_plan_back(backend: Backend) -> TestResult {
    let (app, pro_id) = with_plans(backend).await?;
    for layout in Layout::BOTH {
        let basic = Subscription::of(layout, "prod_plugin", now() - MONTH - DAY);
        let (turn, up) = (basic.begun + MONTH, basic.begun + MONTH + 1_800);
        let pro = on(&basic, "prod_pro");
        let item = &basic.items[0].id;
        let rest = |product, amount| InvoiceLine::rest(item, product, (up, turn + MONTH), amount);
        let change = of_change(&basic, vec![rest("prod_plugin", -1000), rest("prod_pro", 2500)]);
        app.deliver(&[basic.created(), invoice(&basic, basic.begun).event()]).await?;
        app.deliver(&[pro.updated(up, basic.items_before()), change.event()]).await?;
        // The renewal's draft waits an hour, and its payment may take days.
        app.deliver(&[Invoice { paid_at: up + 9 * 3_600, ..invoice(&basic, turn) }.event()]).await?;
        let license = one(&app, &basic).await?;
        assert_eq!((&license["productIds"], &license["hwidLimit"]), (&json!([pro_id]), &json!(9)), "{license}");
    }
    Ok(())
}

async fn what_was_free_is_given_back_for_nothing_and_is_no_plan(backend: Backend) -> TestResult {
    let (app, pro_id) = with_plans(backend).await?;
    let free_id = id(&app.server.cli(&["product", "create", "--team", &app.team, "Free", "--json"]).await?)?;
    // Ids of products at Stripe say nothing about which came first.
    for (layout, free) in Layout::BOTH.into_iter().zip(["prod_zz_free", "prod_aa_free"]) {
        app.stripe.add_product(free, &[("product_id", &free_id)]);
        let freely = Subscription::of(layout, free, now() - 2 * DAY);
        let mut first = invoice(&freely, freely.begun);
        (first.lines[0].amount, first.amount_paid) = (0, 0);
        let up = freely.begun + DAY;
        let pro = on(&freely, "prod_pro");
        let item = &freely.items[0].id;
        let back = InvoiceLine { credit: true, ..InvoiceLine::rest(item, free, (up, freely.begun + MONTH), 0) };
        let mut change = of_change(&freely, vec![back, InvoiceLine::month(item, "prod_pro", up)]);
        change.lines[1].period.1 = up + 365 * DAY;
        app.deliver(&[freely.created(), first.event()]).await?;
        app.deliver(&[pro.updated(up, freely.items_before()), change.event()]).await?;
        let license = one(&app, &freely).await?;
        assert_eq!(license["productIds"], json!([pro_id]), "{license}");

        // The same with an item of its own, and the invoice before the update.
        let freely = Subscription::of(layout, free, now() - 2 * DAY);
        let upgraded = Subscription { items: vec![Item::of("prod_pro")], ..freely.clone() };
        let mut first = invoice(&freely, freely.begun);
        (first.lines[0].amount, first.amount_paid) = (0, 0);
        let up = freely.begun + DAY;
        let rest = (up, freely.begun + MONTH);
        let back = InvoiceLine { credit: true, ..InvoiceLine::rest(&freely.items[0].id, free, rest, 0) };
        let change = of_change(&freely, vec![back, InvoiceLine::month(&upgraded.items[0].id, "prod_pro", up)]);
        app.deliver(&[freely.created(), first.event()]).await?;
        app.deliver(&[change.event()]).await?;
        app.deliver(&[upgraded.updated(up, freely.items_before())]).await?;
        let license = one(&app, &freely).await?;
        assert_eq!((&license["productIds"], &license["status"]), (&json!([pro_id]), &json!("EXPIRING")), "{license}");
    }
    Ok(())
}

/// The update that tells the swap fails at first, and a later one that says nothing of it comes before it.
async fn a_swap_that_is_told_late_keeps_the_key(backend: Backend) -> TestResult {
    let (app, pro_id) = with_plans(backend).await?;
    for layout in Layout::BOTH {
        let basic = Subscription::of(layout, "prod_plugin", now() - 2 * DAY);
        let pro = Subscription { items: vec![Item::of("prod_pro")], ..basic.clone() };
        let (changed, end) = (basic.begun + DAY, basic.begun + MONTH);
        let rest = |item: &Item, amount| InvoiceLine::rest(&item.id, &item.product, (changed, end), amount);
        let change = of_change(&basic, vec![rest(&basic.items[0], -900), rest(&pro.items[0], 1900)]);
        let mails = app.mails()?.len();
        app.deliver(&[basic.created(), invoice(&basic, basic.begun).event()]).await?;
        let before = one(&app, &basic).await?;
        app.deliver(&[pro.updated(changed + 60, json!({ "default_payment_method": "pm_before" }))]).await?;
        app.deliver(&[change.event()]).await?;
        app.deliver(&[pro.updated(changed, basic.items_before())]).await?;
        let after = one(&app, &basic).await?;
        assert_eq!((&after["key"], &after["productIds"]), (&before["key"], &json!([pro_id])), "{after}");
        assert_eq!(app.mails()?.len() - mails, 1);
    }
    Ok(())
}

/// Stripe sends what failed again, each delivery by its own clock.
async fn a_renewal_that_overtakes_the_first_invoice_keeps_its_key(backend: Backend) -> TestResult {
    let (app, pro_id) = with_plans(backend).await?;
    for layout in Layout::BOTH {
        let basic = Subscription::of(layout, "prod_plugin", now() - MONTH - DAY);
        let pro = Subscription { items: vec![Item::of("prod_pro")], ..basic.clone() };
        let turn = basic.begun + MONTH;
        let mails = app.mails()?.len();
        app.deliver(&[invoice(&pro, turn).event()]).await?;
        let before = one(&app, &basic).await?;
        let first = invoice(&basic, basic.begun).event();
        assert_eq!(app.post_stripe(&first).await?.status, 200);
        app.deliver(&[pro.updated(turn, basic.items_before())]).await?;
        let after = one(&app, &basic).await?;
        assert_eq!((&after["key"], &after["productIds"]), (&before["key"], &json!([pro_id])), "{after}");
        assert_paid_until(&after, turn + MONTH)?;
        assert_eq!((app.entry(id_of(&first)).await?.outcome.as_str(), app.mails()?.len() - mails), ("applied", 1));
    }
    Ok(())
}

/// What is left of a subscription's month after some days, charged for or given back.
fn rest_of(subscription: &Subscription, days: i64, amount: i64) -> InvoiceLine {
    let (item, begun) = (&subscription.items[0], subscription.begun);
    InvoiceLine::rest(&item.id, &item.product, (begun + days * DAY, begun + MONTH), amount)
}

/// Three plans, one after the other; the invoices, which tell the swaps by themselves, arrive in the opposite order.
async fn swaps_that_are_told_backwards_are_one_key(backend: Backend) -> TestResult {
    let (app, pro_id) = with_plans(backend).await?;
    let basic = Subscription::of(Layout::Basil, "prod_plugin", now() - 3 * DAY);
    let [between, pro] = [(); 2].map(|()| Subscription { items: vec![Item::of("prod_pro")], ..basic.clone() });
    let end = basic.begun + MONTH;
    let rest =
        |of: &Subscription, from, amount| InvoiceLine::rest(&of.items[0].id, &of.items[0].product, (from, end), amount);
    let change = |from: &Subscription, to: &Subscription, days: i64| {
        let at = basic.begun + days * DAY;
        of_change(&basic, vec![rest(from, at, -900), rest(to, at, 1900)]).event()
    };
    app.deliver(&[change(&between, &pro, 2)]).await?;
    let before = one(&app, &basic).await?;
    app.deliver(&[change(&basic, &between, 1)]).await?;
    app.deliver(&[invoice(&basic, basic.begun).event()]).await?;
    let after = one(&app, &basic).await?;
    assert_eq!((&after["key"], &after["productIds"]), (&before["key"], &json!([pro_id])), "{after}");
    assert_eq!(app.mails()?.len(), 1);

    // The first invoice was in time, and updates tell the swaps, the second one first.
    let basic = Subscription::of(Layout::Basil, "prod_plugin", now() - 3 * DAY);
    let [between, pro] = [(); 2].map(|()| Subscription { items: vec![Item::of("prod_pro")], ..basic.clone() });
    app.deliver(&[invoice(&basic, basic.begun).event()]).await?;
    let before = one(&app, &basic).await?;
    let (first, second) = (basic.begun + DAY, basic.begun + 2 * DAY);
    app.deliver(&[pro.updated(second, between.items_before())]).await?;
    assert_eq!(app.post_stripe(&invoice(&pro, second).event()).await?.status, 200);
    app.deliver(&[between.updated(first, basic.items_before())]).await?;
    let after = one(&app, &basic).await?;
    assert_eq!((&after["key"], &after["productIds"]), (&before["key"], &json!([pro_id])), "{after}");
    assert_eq!(app.mails()?.len(), 2);

    // The last change is known before anything was paid for.
    let basic = Subscription::of(Layout::Basil, "prod_plugin", now() - 3 * DAY);
    let [between, pro] = [(); 2].map(|()| Subscription { items: vec![Item::of("prod_pro")], ..basic.clone() });
    let change = of_change(&basic, vec![rest_of(&basic, 1, -900), rest_of(&between, 1, 1900)]).event();
    app.deliver(&[pro.updated(basic.begun + 2 * DAY, between.items_before())]).await?;
    app.deliver(&[change]).await?;
    let before = one(&app, &basic).await?;
    app.deliver(&[invoice(&basic, basic.begun).event()]).await?;
    assert_eq!(one(&app, &basic).await?["key"], before["key"]);
    Ok(())
}

/// From monthly to yearly, where the new items need not stand in the order of the old ones.
async fn each_key_stays_with_its_product_when_all_prices_change(backend: Backend) -> TestResult {
    let (app, _) = with_plans(backend).await?;
    app.stripe.add_product("prod_support", &[]);
    for layout in Layout::BOTH {
        let mut monthly = Subscription::of(layout, "prod_plugin", now() - 2 * DAY);
        monthly.items.push(Item::of("prod_pro"));
        let items = ["prod_support", "prod_pro", "prod_plugin"].map(Item::of);
        let yearly = Subscription { items: items.to_vec(), ..monthly.clone() };
        let keys = async || {
            let mut keys = of(&app, &monthly).await?;
            keys.sort_by_key(|license| license["key"].to_string());
            Ok::<_, Error>(keys.iter().map(|it| json!([it["key"], it["productIds"]])).collect::<Vec<_>>())
        };
        app.deliver(&[monthly.created(), invoice(&monthly, monthly.begun).event()]).await?;
        let before = keys().await?;
        assert_eq!(before.len(), 2);
        let changed = monthly.begun + DAY;
        app.deliver(&[yearly.updated(changed, monthly.items_before()), invoice(&yearly, changed).event()]).await?;
        assert_eq!(keys().await?, before);
    }
    Ok(())
}

/// From basil on a line of an invoice does not say that it bills usage, but the subscription does.
async fn usage_is_known_by_its_subscription(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let subscription = Subscription::of(Layout::Basil, "prod_plugin", now() - MONTH - DAY);
    let mut created = subscription.created();
    created["data"]["object"]["items"]["data"][0]["price"]["recurring"]["usage_type"] = json!("metered");
    let mut usage = invoice(&subscription, subscription.begun + MONTH);
    usage.lines[0].quantity = 37;
    usage.lines[0].period = (subscription.begun, subscription.begun + MONTH);
    let usage = usage.event();
    app.deliver(&[&created, &usage]).await?;
    let entry = app.entry(id_of(&usage)).await?;
    assert_eq!((entry.outcome.as_str(), entry.reason.contains("metered usage")), ("ignored", true), "{}", entry.reason);
    assert!(app.licenses().await?.is_empty());
    Ok(())
}

/// What the subscription has beside the licensed product is asked about once, and billed only months later.
async fn a_product_that_was_found_to_be_none_of_ours_stops_no_renewal(backend: Backend) -> TestResult {
    let (mut app, _) = with_plans(backend).await?;
    app.stripe.add_product("prod_support", &[]);
    let mut subscription = Subscription::of(Layout::Basil, "prod_plugin", now() - MONTH - DAY);
    let first = invoice(&subscription, subscription.begun);
    subscription.items.push(Item::of("prod_support"));
    app.deliver(&[subscription.created(), first.event()]).await?;
    app.stripe.set_down(true).await?;
    let turn = subscription.begun + MONTH;
    app.deliver(&[invoice(&subscription, turn).event()]).await?;
    assert_paid_until(&one(&app, &subscription).await?, turn + MONTH)?;
    Ok(())
}

async fn of_two_updates_in_a_second_the_paid_one_counts(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let pro_id = id(&app.server.cli(&["product", "create", "--team", &app.team, "Pro", "--json"]).await?)?;
    app.stripe.add_product("prod_aa_pro", &[("product_id", &pro_id)]);
    let basic = Subscription::of(Layout::Basil, "prod_plugin", now() - 2 * DAY);
    let pro = on(&basic, "prod_aa_pro");
    let (changed, end) = (basic.begun + DAY, basic.begun + MONTH);
    let rest = |product, amount| InvoiceLine::rest(&basic.items[0].id, product, (changed, end), amount);
    let change = of_change(&basic, vec![rest("prod_plugin", -900), rest("prod_aa_pro", 1900)]);
    app.deliver(&[basic.created(), invoice(&basic, basic.begun).event()]).await?;
    let kept = basic.updated(changed, json!({ "cancel_at_period_end": true }));
    app.deliver(&[pro.updated(changed, basic.items_before()), kept, change.event()]).await?;
    let license = one(&app, &basic).await?;
    assert_eq!(license["productIds"], json!([pro_id]), "{license}");
    Ok(())
}

/// The invoice of the second change comes before the update that tells it, and credits what the first had brought.
async fn a_second_swap_before_the_first_was_paid_for_keeps_the_key(backend: Backend) -> TestResult {
    let (app, pro_id) = with_plans(backend).await?;
    let basic = Subscription::of(Layout::Basil, "prod_plugin", now() - 3 * DAY);
    let [between, pro] = [(); 2].map(|()| Subscription { items: vec![Item::of("prod_pro")], ..basic.clone() });
    let (first, second, end) = (basic.begun + DAY, basic.begun + 2 * DAY, basic.begun + MONTH);
    let rest =
        |of: &Subscription, from, amount| InvoiceLine::rest(&of.items[0].id, &of.items[0].product, (from, end), amount);
    let lines = vec![
        rest(&pro, second, 1800),
        rest(&basic, first, -900),
        rest(&between, first, 1900),
        rest(&between, second, -1800),
    ];
    let change = of_change(&basic, lines);
    app.deliver(&[basic.created(), invoice(&basic, basic.begun).event()]).await?;
    let before = one(&app, &basic).await?;
    app.deliver(&[between.updated(first, basic.items_before())]).await?;
    assert_eq!(app.post_stripe(&change.event()).await?.status, 200);
    app.deliver(&[pro.updated(second, between.items_before())]).await?;
    let after = one(&app, &basic).await?;
    assert_eq!((&after["key"], &after["productIds"]), (&before["key"], &json!([pro_id])), "{after}");
    assert_eq!(app.mails()?.len(), 1);
    Ok(())
}

async fn a_plan_that_was_replaced_beside_a_new_item_waits_for_nothing(backend: Backend) -> TestResult {
    let (app, pro_id) = with_plans(backend).await?;
    app.stripe.add_product("prod_support", &[]);
    let basic = Subscription::of(Layout::Basil, "prod_plugin", now() - MONTH - DAY);
    let pro = Subscription { items: vec![Item::of("prod_pro"), Item::of("prod_support")], ..basic.clone() };
    app.deliver(&[basic.created(), invoice(&basic, basic.begun).event()]).await?;
    app.deliver(&[pro.updated(basic.begun + DAY, basic.items_before())]).await?;
    let renewal = invoice(&pro, basic.begun + MONTH).event();
    app.deliver(&[&renewal]).await?;
    assert_eq!(app.entry(id_of(&renewal)).await?.outcome, "applied");
    let license = one(&app, &basic).await?;
    assert_eq!(license["productIds"], json!([pro_id]));
    assert_paid_until(&license, basic.begun + 2 * MONTH)
}

async fn seats_that_were_added_twice_are_counted_once(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    for layout in Layout::BOTH {
        let mut subscription = Subscription::of(layout, "prod_plugin", now() - MONTH - DAY);
        let (added, turn) = (subscription.begun + DAY, subscription.begun + MONTH);
        app.deliver(&[subscription.created(), invoice(&subscription, subscription.begun).event()]).await?;
        subscription.items[0].quantity = 3;
        let item = &subscription.items[0].id;
        let rest = |quantity, amount| InvoiceLine {
            quantity,
            ..InvoiceLine::rest(item, "prod_plugin", (added, turn), amount)
        };
        let mut renewal = invoice(&subscription, turn);
        renewal.lines.extend([rest(1, -900), rest(2, 1800), rest(2, -1800), rest(3, 2700)]);
        app.deliver(&[renewal.event()]).await?;
        assert_eq!(of(&app, &subscription).await?.len(), 3);
    }
    Ok(())
}

async fn an_item_that_was_added_is_licensed_at_once(backend: Backend) -> TestResult {
    let (app, _) = with_plans(backend).await?;
    let basic = Subscription::of(Layout::Basil, "prod_plugin", now() - 3 * DAY);
    let mut both = basic.clone();
    both.items.push(Item::of("prod_pro"));
    let added = basic.begun + DAY;
    let rest = InvoiceLine::rest(&both.items[1].id, "prod_pro", (added, basic.begun + MONTH), 1900);
    app.deliver(&[basic.created(), invoice(&basic, basic.begun).event()]).await?;
    app.deliver(&[both.updated(added, basic.items_before()), of_change(&basic, vec![rest]).event()]).await?;
    assert_eq!(of(&app, &basic).await?.len(), 2);
    Ok(())
}

async fn a_product_that_is_gone_keeps_nobody_else_from_renewing(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    for layout in Layout::BOTH {
        let plain = Subscription::of(layout, "prod_plugin", now() - MONTH - DAY);
        let mut more = plain.clone();
        more.items.push(Item::of("prod_gone"));
        app.deliver(&[plain.created(), invoice(&plain, plain.begun).event()]).await?;
        let renewal = invoice(&more, plain.begun + MONTH).event();
        app.deliver(&[&renewal]).await?;
        let entry = app.entry(id_of(&renewal)).await?;
        assert_eq!(entry.outcome, "rejected", "{entry:?}");
        assert!(entry.reason.contains("prod_gone"), "{entry:?}");
        assert_paid_until(&one(&app, &plain).await?, plain.begun + 2 * MONTH)?;

        // What was merely seen and is gone concerns the invoice even less.
        let seen = Subscription::of(layout, "prod_plugin", now() - DAY);
        let mut with_gone = seen.clone();
        with_gone.items.push(Item::of("prod_gone"));
        let first = invoice(&seen, seen.begun).event();
        app.deliver(&[with_gone.created()]).await?;
        app.deliver(&[&first]).await?;
        assert_eq!(app.entry(id_of(&first)).await?.outcome, "applied");
        assert_paid_until(&one(&app, &seen).await?, seen.begun + MONTH)?;
    }
    Ok(())
}

async fn units_in_tiers_add_up(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    for layout in Layout::BOTH {
        let subscription = Subscription::of(layout, "prod_plugin", now() - DAY);
        let mut first = invoice(&subscription, subscription.begun);
        first.lines[0].quantity = 5;
        let of_tier = |quantity| InvoiceLine {
            quantity,
            ..InvoiceLine::month(&subscription.items[0].id, "prod_plugin", subscription.begun)
        };
        // The flat fee of a tier has no units.
        first.lines.extend([of_tier(0), of_tier(2)]);
        app.deliver(&[subscription.created(), first.event()]).await?;
        let licenses = of(&app, &subscription).await?;
        assert_eq!(licenses.len(), 7);
        for license in &licenses {
            assert_paid_until(license, subscription.begun + MONTH)?;
        }
    }
    Ok(())
}

fn without_items(invoice: Invoice) -> Value {
    let mut event = invoice.event();
    let lines = event["data"]["object"]["lines"]["data"].as_array_mut();
    for line in lines.into_iter().flatten() {
        line["subscription_item"] = Value::Null;
        line["parent"]["subscription_item_details"]["subscription_item"] = Value::Null;
    }
    event
}

/// Old layouts, and those who compose invoices themselves, leave the item out.
async fn lines_that_name_no_item_are_one_for_each_product(backend: Backend) -> TestResult {
    let (app, _) = with_plans(backend).await?;
    for layout in Layout::BOTH {
        let subscription = Subscription::of(layout, "prod_plugin", now() - MONTH - DAY);
        let of_products = |start, products: &[&str]| {
            let line = |product: &&str| InvoiceLine::month("si_left_out", product, start);
            let lines = products.iter().map(line).collect();
            without_items(Invoice { lines, ..invoice(&subscription, start) })
        };
        let keys = async || {
            let licenses = of(&app, &subscription).await?;
            let mut keys: Vec<_> = licenses.iter().map(|it| json!([it["productIds"], it["key"]]).to_string()).collect();
            keys.sort();
            Ok::<_, Error>(keys)
        };
        app.deliver(&[of_products(subscription.begun, &["prod_plugin"])]).await?;
        let first = keys().await?;
        // One more product, whichever stands first, and the next month in another order.
        app.deliver(&[of_products(subscription.begun + DAY, &["prod_pro", "prod_plugin"])]).await?;
        let both = keys().await?;
        assert_eq!((first.len(), both.len()), (1, 2), "{both:?}");
        assert!(both.contains(&first[0]), "{first:?} is not among {both:?}");
        app.deliver(&[of_products(subscription.begun + MONTH, &["prod_plugin", "prod_pro"])]).await?;
        assert_eq!(keys().await?, both);

        // What the only item is called is learned later, from the subscription or from another invoice; then it is left out
        // again.
        for seen_first in [true, false] {
            let basic = Subscription::of(layout, "prod_plugin", now() - MONTH - DAY);
            let (pro, turn) = (on(&basic, "prod_pro"), basic.begun + MONTH);
            app.deliver(&[without_items(invoice(&basic, basic.begun))]).await?;
            let before = one(&app, &basic).await?;
            let update = pro.updated(turn, basic.items_before());
            let named = invoice(&pro, turn).event();
            let events = if seen_first { [update, named] } else { [named, update] };
            for event in events {
                app.deliver(&[event]).await?;
                let after = one(&app, &basic).await?;
                assert_eq!((&after["key"], &after["hwidLimit"]), (&before["key"], &json!(9)), "{after}");
            }
            app.deliver(&[without_items(invoice(&pro, turn + MONTH))]).await?;
            assert_paid_until(&one(&app, &basic).await?, turn + 2 * MONTH)?;
        }
    }
    Ok(())
}

async fn usage_is_no_number_of_licences(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    for layout in Layout::BOTH {
        let subscription = Subscription::of(layout, "prod_plugin", now() - MONTH - DAY);
        let turn = subscription.begun + MONTH;
        app.deliver(&[subscription.created(), invoice(&subscription, subscription.begun).event()]).await?;
        let mails = app.mails()?.len();
        let mut renewal = invoice(&subscription, turn);
        renewal.lines.push(InvoiceLine {
            quantity: 1_500,
            period: (subscription.begun, turn - DAY),
            metered: true,
            ..InvoiceLine::month("si_of_use", "prod_plugin", subscription.begun)
        });
        let renewal = renewal.event();
        app.deliver(&[&renewal]).await?;
        assert_eq!(app.entry(id_of(&renewal)).await?.outcome, "applied");
        assert_paid_until(&one(&app, &subscription).await?, turn + MONTH)?;
        assert_eq!(app.mails()?.len(), mails);
    }
    Ok(())
}

/// Lists in webhooks end after ten: what comes after the tenth because another one went had been there before.
async fn an_item_that_went_from_a_long_list_was_not_swapped(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let mut long = Subscription::of(Layout::Basil, "prod_plugin", now() - DAY);
    long.items = (0..12).map(|_| Item::of("prod_plugin")).collect();
    app.deliver(&[invoice(&long, long.begun).event()]).await?;
    assert_eq!(of(&app, &long).await?.len(), 12);

    let mut shorter = long.clone();
    shorter.items.remove(3);
    let object =
        |item: &Item| subscription_item(&long.id, &item.id, "prod_plugin", 1, (long.begun, long.begun + MONTH));
    app.stripe.add_subscription(&long.id, shorter.items.iter().map(object).collect());
    let mut update = shorter.updated(now(), long.items_before());
    for list in ["/data/object/items", "/data/previous_attributes/items"] {
        let list = update.pointer_mut(list).ok_or("no items")?;
        list["data"].as_array_mut().ok_or("no list")?.truncate(10);
        list["has_more"] = json!(true);
    }
    app.deliver(&[&update]).await?;
    assert_eq!(app.entry(id_of(&update)).await?.outcome, "applied");
    let licenses = of(&app, &long).await?;
    assert!(licenses.iter().all(|license| license["status"] == "EXPIRING"), "{licenses:?}");
    Ok(())
}

async fn what_is_not_ours_stops_no_renewal(backend: Backend) -> TestResult {
    let mut app = TestApp::with_stripe(backend).await?;
    app.stripe.add_product("prod_support", &[]);
    let mut subscription = Subscription::of(Layout::Basil, "prod_plugin", now() - MONTH - DAY);
    subscription.items.push(Item::of("prod_support"));
    app.deliver(&[subscription.created(), invoice(&subscription, subscription.begun).event()]).await?;
    app.stripe.set_down(true).await?;
    let turn = subscription.begun + MONTH;
    app.deliver(&[invoice(&subscription, turn).event()]).await?;
    assert_paid_until(&one(&app, &subscription).await?, turn + MONTH)?;

    // Once Stripe answers again, what has become ours is licensed.
    app.stripe.set_down(false).await?;
    app.stripe.add_product("prod_support", &[("product_id", &app.product)]);
    app.deliver(&[Invoice { paid_at: now(), ..invoice(&subscription, turn + MONTH) }.event()]).await?;
    assert_eq!(of(&app, &subscription).await?.len(), 2);
    Ok(())
}

async fn lines_of_another_subscription_are_told(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let [one_of_two, other] = [(); 2].map(|()| Subscription::of(Layout::Acacia, "prod_plugin", now() - DAY));
    for subscription in [&one_of_two, &other] {
        app.deliver(&[subscription.created(), invoice(subscription, subscription.begun).event()]).await?;
    }
    let mut both = invoice(&one_of_two, one_of_two.begun + 60);
    both.lines.push(InvoiceLine { quantity: 2, ..invoice(&other, other.begun + 60).lines.remove(0) });
    let mut both: Value = both.event();
    *both.pointer_mut("/data/object/lines/data/1/subscription").ok_or("no line")? = json!(other.id);
    app.deliver(&[&both]).await?;
    let entry = app.entry(id_of(&both)).await?;
    assert_eq!(entry.outcome, "rejected", "{entry:?}");
    assert!(entry.reason.contains(&other.id), "{entry:?}");
    assert_paid_until(&one(&app, &one_of_two).await?, one_of_two.begun + 60 + MONTH)?;
    assert_paid_until(&one(&app, &other).await?, other.begun + MONTH)?;
    Ok(())
}
