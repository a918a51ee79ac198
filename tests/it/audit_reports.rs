//! An accountant's questions, with answers that were worked out by hand.

use serde_json::{Value, json};

use crate::support::app::id;
use crate::support::compose::{Charge, DAY, Invoice, InvoiceLine, Layout, Subscription, id_of, polymart};
use crate::support::{Backend, Error, TestApp, TestResult, eventually, on_both_stores};

on_both_stores!(licences_are_counted_by_product_and_month, every_delivery_is_set_against_its_licences);

/// Unix seconds of a time.
fn at(time: &str) -> Result<i64, Error> {
    Ok(time.parse::<jiff::Timestamp>()?.as_second())
}

/// A row's figures: issued, renewed, ended, expired, refunded, refunded in full, revoked.
fn figures(row: &Value) -> [i64; 7] {
    ["issued", "renewed", "ended", "expired", "refunded", "refundedInFull", "revoked"]
        .map(|name| row[name].as_i64().unwrap_or(-1))
}

/// Waits until the scheduler has told that so many licences ran out.
async fn expired(app: &TestApp, count: usize) -> TestResult {
    eventually("licences have run out", async || {
        Ok((app.events_of("LicenseExpired").await?.len() >= count).then_some(()))
    })
    .await
}

async fn polymart_purchase(app: &TestApp, product: &str, user: u64, time: &str, more: &str) -> TestResult {
    let event = polymart::purchase_at(user, 7, at(time)?);
    let answer = app.post_polymart(&event, &format!("productId={product}{more}")).await?;
    assert_eq!(answer.status, 200, "{answer:?}");
    Ok(())
}

async fn licences_are_counted_by_product_and_month(backend: Backend) -> TestResult {
    let app = TestApp::builder(backend).stripe().polymart().build().await?;
    app.stripe.add_product("prod_plugin", &[("product_id", &app.product)]);
    let second = id(&app.server.cli(&["product", "create", "--team", &app.team, "=Second", "--json"]).await?)?;

    // The plugin, by subscription: issued in January, renewed in February (after it had run out), the renewal refunded
    // and the subscription ended in March.
    let subscription = Subscription::of(Layout::Basil, "prod_plugin", at("2025-01-10T12:00:00Z")?);
    let (item, begun) = (&subscription.items[0].id, subscription.begun);
    let month = |start| vec![InvoiceLine::month(item, "prod_plugin", start)];
    let first = Invoice::paid(Layout::Basil, &subscription.id, &subscription.customer, month(begun));
    let mut renewal =
        Invoice::renewal(Layout::Basil, &subscription.id, &subscription.customer, month(begun + 30 * DAY));
    renewal.payments_included = true;
    app.deliver(&[subscription.created(), first.event()]).await?;
    expired(&app, 1).await?;
    app.deliver(&[renewal.event()]).await?;
    expired(&app, 2).await?;
    let half = Charge { refunded: 400, ..Charge::refunded_in_full(Layout::Basil, renewal.payment(), 1000) };
    app.deliver(&[half.event(at("2025-03-18T09:00:00Z")?)]).await?;
    let full = Charge { refunded: 1000, ..half };
    app.deliver(&[full.event(at("2025-03-20T09:00:00Z")?)]).await?;
    // Stripe tells the same refund by another event; the money counts once.
    app.deliver(&[full.event(at("2025-03-20T09:00:05Z")?)]).await?;
    app.deliver(&[subscription.deleted(at("2025-03-25T00:00:00Z")?)]).await?;

    // The second product, on Polymart: three purchases around the end of January, one taken back in February.
    let taken_back = polymart::user();
    polymart_purchase(&app, &second, polymart::user(), "2025-01-05T10:00:00Z", "&expirationDays=10").await?;
    polymart_purchase(&app, &second, taken_back, "2025-01-31T23:59:59Z", "").await?;
    polymart_purchase(&app, &second, polymart::user(), "2025-02-01T00:00:00Z", "").await?;
    app.post_polymart(
        &polymart::removal_at(taken_back, 7, at("2025-02-02T00:00:00Z")?),
        &format!("productId={second}"),
    )
    .await?;
    expired(&app, 3).await?;
    app.settle().await?;

    let expected: [(&str, &str, [i64; 7]); 5] = [
        ("2025-01", &second, [2, 0, 0, 1, 0, 0, 0]),
        ("2025-01", &app.product, [1, 0, 0, 0, 0, 0, 0]),
        ("2025-02", &second, [1, 0, 0, 0, 0, 0, 1]),
        ("2025-02", &app.product, [0, 1, 0, 1, 0, 0, 0]),
        ("2025-03", &app.product, [0, 0, 1, 1, 2, 1, 0]),
    ];
    let totals =
        [("2025-01", [3, 0, 0, 1, 0, 0, 0]), ("2025-02", [1, 1, 0, 1, 0, 0, 1]), ("2025-03", [0, 0, 1, 1, 2, 1, 0])];
    let range = ["report", "licenses", "--from", "2025-01", "--until", "2025-03"];
    let report = app.server.cli(&[&range[..], &["--json"]].concat()).await?;
    let rows: Vec<_> = report["rows"].as_array().into_iter().flatten().collect();
    assert_eq!(rows.len(), expected.len(), "{report}");
    for (month, product, counts) in expected {
        let row = rows.iter().find(|row| row["month"] == month && row["productId"] == product).ok_or("no row")?;
        assert_eq!(figures(row), counts, "{month} {product}: {report}");
    }
    let told: Vec<_> = report["totals"].as_array().into_iter().flatten().collect();
    assert_eq!(told.len(), 3);
    for (total, (month, counts)) in told.iter().zip(totals) {
        assert_eq!((&total["month"], figures(total)), (&json!(month), counts), "{report}");
    }
    assert_eq!((&report["by"], &report["teamId"]), (&json!("occurredAt"), &json!(app.team)));

    the_same_by_other_ways(&app, &report, &second).await
}

async fn the_same_by_other_ways(app: &TestApp, report: &Value, second: &str) -> TestResult {
    let auditor = app.auditor("auditor").await?;
    let range = ["report", "licenses", "--from", "2025-01", "--until", "2025-03"];
    let shown = auditor.data("/reports/licenses?from=2025-01&until=2025-03").await?;
    assert_eq!((&shown["rows"], &shown["totals"]), (&report["rows"], &report["totals"]));
    let one = auditor.data("/reports/licenses?month=2025-02").await?;
    let february = report["rows"].as_array().into_iter().flatten().filter(|row| row["month"] == "2025-02");
    assert_eq!(one["rows"], json!(february.collect::<Vec<_>>()));
    let csv = app.server.cli_output(&[&range[..], &["--csv"]].concat(), None).await?;
    let csv = String::from_utf8(csv.stdout)?;
    assert_eq!(csv.lines().count(), 6);
    assert!(
        csv.starts_with("month,productId,product,issued,renewed,ended,expired,refunded,refundedInFull,revoked\r\n")
    );
    assert!(csv.contains(&format!("2025-01,{second},'=Second,2,0,0,1,0,0,0\r\n")), "a name is no formula: {csv}");
    assert_eq!(auditor.text("/reports/licenses?from=2025-01&until=2025-03&format=csv").await?, csv);
    let table = app.server.cli_output(&range, None).await?;
    assert!(String::from_utf8(table.stdout)?.contains("all together"));

    // What is sold today is in this month's report, without a day in between.
    polymart_purchase(app, second, polymart::user(), &jiff_now()?, "").await?;
    let now = app.server.cli(&["report", "licenses", "--json"]).await?;
    let row = now["rows"].as_array().into_iter().flatten().find(|row| row["productId"] == second);
    assert_eq!(row.map(figures), Some([1, 0, 0, 0, 0, 0, 0]), "{now}");
    for bad in
        ["month=2025-13", "from=2025-01", "from=2025-03&until=2025-01", "from=2020-01&until=2025-01", "format=pdf"]
    {
        assert_eq!(auditor.get(&format!("/reports/licenses?{bad}")).await?.status, 400, "{bad}");
    }
    let both = app.server.cli_output(&["report", "licenses", "--csv", "--json"], None).await?;
    assert_eq!(both.status.code(), Some(2));
    Ok(())
}

/// Now, as a provider writes it.
fn jiff_now() -> Result<String, Error> {
    Ok(jiff::Timestamp::from_second(crate::support::now())?.to_string())
}

async fn every_delivery_is_set_against_its_licences(backend: Backend) -> TestResult {
    let app = TestApp::builder(backend).stripe().polymart().build().await?;
    app.stripe.add_product("prod_plugin", &[("product_id", &app.product)]);
    let auditor = app.auditor("auditor").await?;
    let user = polymart::user();
    let (bought, removed, ping) = (
        polymart::purchase_at(user, 1, crate::support::now() - 60),
        polymart::removal_at(user, 1, crate::support::now()),
        polymart::ping(),
    );
    for event in [&bought, &removed, &ping] {
        app.deliver_polymart(event).await?;
    }
    let three = crate::support::compose::Checkout::paid(Layout::Basil);
    app.stripe.add_session(&three.id, vec![crate::support::stripe_api::session_line("li_1", "prod_plugin", 3)]);
    let unknown = crate::support::compose::Checkout::paid(Layout::Acacia);
    let (three, unknown) = (three.completed(), unknown.completed());
    app.deliver(&[&three, &unknown]).await?;
    // Stripe's API is closed: this one has to wait.
    app.stripe.revoke_keys();
    let waiting = crate::support::compose::Checkout::paid(Layout::Basil);
    app.stripe.add_session(&waiting.id, vec![crate::support::stripe_api::session_line("li_1", "prod_plugin", 1)]);
    let waiting = waiting.completed();
    assert_eq!(app.post_stripe(&waiting).await?.status, 200);

    let report = app.server.cli(&["report", "purchases", "--json"]).await?;
    let summary = json!({
        "received": 6, "applied": 3, "ignored": 1, "rejected": 1, "pending": 1, "withoutConclusion": 1,
        "pendingIds": [waiting["id"]],
    });
    assert_eq!((&report["summary"], &report["by"]), (&summary, &json!("receivedAt")));
    let rows = report["rows"].as_array().ok_or("no rows")?;
    assert_eq!(rows.len(), 6);
    let nonce = |event: &Value| event["nonce"].as_str().unwrap_or_default().to_owned();
    let expected = [
        (nonce(&bought), "applied", 1),
        (nonce(&removed), "applied", 1),
        (nonce(&ping), "ignored", 0),
        (id_of(&three).to_owned(), "applied", 3),
        (id_of(&unknown).to_owned(), "rejected", 0),
        (id_of(&waiting).to_owned(), "pending", 0),
    ];
    let mut touched = Vec::new();
    for (row, (event, outcome, licenses)) in rows.iter().zip(&expected) {
        assert_eq!((row["providerEventId"].as_str(), row["outcome"].as_str()), (Some(event.as_str()), Some(*outcome)));
        let ids = row["licenseIds"].as_array().ok_or("no licences")?;
        assert_eq!(ids.len(), *licenses, "{row}");
        assert!(*outcome == "pending" || row["reason"].is_string(), "{row}");
        touched.extend(ids.iter().cloned());
    }
    for row in rows.iter().filter(|row| row["providerEventId"] == three["id"]) {
        assert_eq!(row["bodySha256"], crate::support::audit::stripe_body_sha256(&three)?);
    }
    // Every licence there is has a purchase, and no purchase has one that is not there.
    touched.sort_by_key(ToString::to_string);
    touched.dedup();
    let mut licenses: Vec<Value> = app.licenses().await?.into_iter().map(|license| license["id"].clone()).collect();
    licenses.sort_by_key(ToString::to_string);
    assert_eq!(touched, licenses);

    // The one that waits is tried again meanwhile.
    let concluded = |rows: &[Value]| rows.iter().filter(|row| row["outcome"] != "pending").cloned().collect::<Vec<_>>();
    let paged = auditor.all("/reports/purchases", "rows", 4).await?;
    assert_eq!((paged.len(), concluded(&paged)), (6, concluded(rows)), "in pages");
    assert_eq!(auditor.data("/reports/purchases?limit=1").await?["summary"], summary, "of the whole, not of the page");
    assert_eq!(auditor.all("/reports/purchases?outcome=rejected", "rows", 4).await?, [rows[4].clone()]);
    let csv = auditor.text("/reports/purchases?format=csv").await?;
    assert!(csv.lines().count() == 7 && csv.contains(id_of(&waiting)), "{csv}");
    let told = app.server.cli_output(&["report", "purchases", "--csv"], None).await?;
    let settled =
        |text: &str| text.lines().filter(|line| !line.contains(",pending,")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(settled(&String::from_utf8(told.stdout)?), settled(&csv));
    let words = app.server.cli_output(&["report", "purchases"], None).await?;
    assert!(String::from_utf8(words.stderr)?.contains(id_of(&waiting)), "what has no conclusion is named");
    let long_ago = auditor.data("/reports/purchases?month=2020-01").await?;
    assert_eq!((&long_ago["summary"]["received"], &long_ago["rows"]), (&json!(0), &json!([])));
    Ok(())
}
