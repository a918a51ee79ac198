//! A seller's own program makes, reads, changes and deletes licences.

use futures::future::try_join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::device;
use crate::support::dev::Program;
use crate::support::{Backend, Error, TestApp, TestResult, eventually, on_both_stores, unix};

on_both_stores!(
    a_licence_made_by_a_program_works_like_one_that_was_bought,
    the_three_ways_to_end,
    an_update_records_only_what_differs,
    a_key_can_be_replaced_and_is_never_given_twice,
    deleting_revokes_and_the_history_stays,
    lists_are_paged_sorted_and_filtered,
    what_cannot_be_is_refused_with_its_name,
    one_idempotency_key_makes_one_licence,
    devices_and_addresses_are_listed_forgotten_and_remembered,
    a_forgotten_device_comes_back_where_there_is_no_limit_any_more,
    a_bought_licence_can_be_changed_without_losing_what_the_provider_says,
    a_buyer_gets_the_key_by_mail,
    times_have_three_digits_behind_the_second,
);

/// Every text in an answer that is a time.
fn times(answer: &Value) -> Vec<String> {
    match answer {
        Value::String(text) if text.parse::<jiff::Timestamp>().is_ok() => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(times).collect(),
        Value::Object(fields) => fields.values().flat_map(times).collect(),
        _ => Vec::new(),
    }
}

async fn times_have_three_digits_behind_the_second(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let program = app.program("developer").await?;
    let fields = json!({ "licenseExpirationDate": true }).to_string();
    app.set_verification(&["--returned-fields", &fields]).await?;
    let days = with(with(plain(&app), "expirationType", json!("DURATION")), "expirationDays", json!(90));
    let made = make(&program, &with(days, "expirationStart", json!("ACTIVATION"))).await?;
    let (id, key) = (text(&made["id"])?, text(&made["licenseKey"])?);
    let verdict = app.verify_from(key, &device()).await?;
    let mut found = times(&verdict.body);
    assert_eq!(found.len(), 2, "{verdict:?}");
    program.post("/customers", &json!({ "username": "zoe" })).await?.data()?;
    for (path, least) in [
        ("/licenses".to_owned(), 7),
        (format!("/licenses/id/{id}"), 9),
        (format!("/licenses/id/{id}/hwid"), 4),
        (format!("/licenses/id/{id}/ip-address"), 4),
        ("/customers".to_owned(), 3),
        ("/products".to_owned(), 3),
        ("/statistics".to_owned(), 1),
        // The figures have had the log written.
        ("/requests".to_owned(), 2),
        ("/nowhere".to_owned(), 1),
    ] {
        let answer = program.get(&path).await?;
        let some = times(&answer.body);
        assert!(some.len() >= least, "{path}: {some:?}");
        found.extend(some);
    }
    for time in found {
        let (_, behind) = time.split_once('.').ok_or_else(|| format!("{time} has no digits behind the second"))?;
        assert!(behind.len() == 4 && behind.ends_with('Z'), "{time}");
    }
    Ok(())
}

fn plain(app: &TestApp) -> Value {
    json!({
        "customerIds": [], "productIds": [app.product], "expirationType": "NEVER", "expirationStart": null,
        "expirationDate": null, "expirationDays": null, "ipLimit": null, "hwidLimit": 2, "suspended": false,
        "sendEmailDelivery": false, "metadata": [{ "key": "order", "value": "order 4711 of mine", "locked": false }],
    })
}

/// What an update sends to leave a licence as it was shown.
fn as_shown(license: &Value) -> Value {
    let names = [
        "licenseKey",
        "expirationType",
        "expirationStart",
        "expirationDate",
        "expirationDays",
        "suspended",
        "ipLimit",
        "hwidLimit",
        "metadata",
        "productIds",
        "customerIds",
    ];
    names.iter().map(|name| ((*name).to_owned(), license[*name].clone())).collect::<serde_json::Map<_, _>>().into()
}

fn with(mut body: Value, name: &str, value: Value) -> Value {
    body[name] = value;
    body
}

async fn make(program: &Program<'_>, body: &Value) -> Result<Value, Error> {
    Ok(program.post("/licenses", body).await?.data()?.clone())
}

fn text(value: &Value) -> Result<&str, Error> {
    value.as_str().ok_or_else(|| format!("{value} is not a text").into())
}

async fn a_licence_made_by_a_program_works_like_one_that_was_bought(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let program = app.program("developer").await?;
    let made = make(&program, &plain(&app)).await?;
    let (id, key) = (text(&made["id"])?, text(&made["licenseKey"])?);
    assert_eq!((&made["provider"], &made["status"]), (&json!("manual"), &json!("ACTIVE")));
    assert_eq!(made["metadata"], json!([{ "key": "order", "value": "order 4711 of mine", "locked": false }]));
    assert_eq!(made["products"][0]["name"], "Plugin");
    assert_eq!((&made["teamId"], &made["lastActiveAt"]), (&json!(app.team), &Value::Null));
    assert_eq!(app.verify_from(key, &device()).await?.said(), (200, "VALID"));
    for path in [format!("/licenses/id/{id}"), format!("/licenses/{key}")] {
        let shown = program.get(&path).await?;
        assert_eq!((shown.status, &shown.data()?["id"]), (200, &json!(id)), "{path}");
        assert!(shown.data()?["lastActiveAt"].is_string());
    }
    let issued = app.events_of("LicenseIssued").await?;
    assert_eq!(issued[0]["actor"], format!("api:{}", program.key_id));
    assert!(issued.iter().all(|event| !event.to_string().contains(key)), "the key is sealed");
    assert!(
        app.events_of("LicenseAmended").await?.iter().all(|event| !event.to_string().contains("order 4711 of mine"))
    );
    Ok(())
}

async fn the_three_ways_to_end(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let program = app.program("developer").await?;
    let never = make(&program, &plain(&app)).await?;
    assert_eq!((&never["expirationType"], &never["expiresAt"]), (&json!("NEVER"), &Value::Null));
    let date =
        with(with(plain(&app), "expirationType", json!("DATE")), "expirationDate", json!("2101-01-01T00:00:00Z"));
    let date = make(&program, &date).await?;
    assert_eq!((&date["expirationType"], &date["expiresAt"]), (&json!("DATE"), &json!("2101-01-01T00:00:00.000Z")));
    let days = with(with(plain(&app), "expirationType", json!("DURATION")), "expirationDays", json!(90));
    let bought = make(&program, &with(days.clone(), "expirationStart", json!("CREATION"))).await?;
    assert_eq!(unix(&bought["expirationDate"])? - unix(&bought["createdAt"])?, 90 * 86_400);
    let first_use = make(&program, &with(days, "expirationStart", json!("ACTIVATION"))).await?;
    assert_eq!((&first_use["status"], &first_use["expirationDate"]), (&json!("UPCOMING"), &Value::Null));
    app.verify_from(text(&first_use["licenseKey"])?, &device()).await?;
    let path = format!("/licenses/id/{}", text(&first_use["id"])?);
    let begun = program.get(&path).await?;
    assert_eq!(unix(&begun.data()?["expirationDate"])? - unix(&begun.data()?["activatedAt"])?, 90 * 86_400);
    Ok(())
}

async fn an_update_records_only_what_differs(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let program = app.program("developer").await?;
    let made = make(&program, &plain(&app)).await?;
    let path = format!("/licenses/id/{}", text(&made["id"])?);
    let before = app.events().await?.len();
    let same = program.put(&path, &as_shown(&made)).await?;
    assert_eq!((same.status, same.details()), (200, "License updated successfully"));
    assert_eq!(app.events().await?.len(), before, "nothing differs, nothing is recorded");
    let wanted = with(with(as_shown(&made), "hwidLimit", Value::Null), "suspended", json!(true));
    let changed = program.put(&path, &wanted).await?;
    let changed = changed.data()?;
    assert_eq!((&changed["hwidLimit"], &changed["status"]), (&Value::Null, &json!("SUSPENDED")));
    let events = app.events().await?;
    let names: Vec<_> = events[before..].iter().map(|event| event["type"].clone()).collect();
    assert_eq!(names, ["LicenseAmended", "LicenseSuspended"]);
    assert_eq!(events[before]["data"], json!({ "hwid_limit": "unlimited" }));
    assert_eq!(app.verify(text(&made["licenseKey"])?, &json!({})).await?.code(), "LICENSE_SUSPENDED");
    // Two updates at once: both are done, in some order, and neither is lost.
    let (one, two) = (with(as_shown(changed), "ipLimit", json!(3)), with(as_shown(changed), "ipLimit", json!(4)));
    let answers = try_join_all([program.put(&path, &one), program.put(&path, &two)]).await?;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let limit = program.get(&path).await?.data()?["ipLimit"].clone();
    assert!(limit == 3 || limit == 4);
    Ok(())
}

async fn a_key_can_be_replaced_and_is_never_given_twice(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let program = app.program("developer").await?;
    let (made, other) = (make(&program, &plain(&app)).await?, make(&program, &plain(&app)).await?);
    let old = text(&made["licenseKey"])?;
    let path = format!("/licenses/id/{}", text(&made["id"])?);
    app.verify_from(old, &device()).await?;
    let new = "MYOWN-LICEN-SEKEY-00000-00001";
    let replaced = program.put(&path, &with(as_shown(&made), "licenseKey", json!(new))).await?;
    assert_eq!(replaced.data()?["licenseKey"], new);
    assert_eq!(app.verify_from(new, &device()).await?.said(), (200, "VALID"));
    assert_eq!(app.verify_from(old, &device()).await?.said(), (404, "LICENSE_NOT_FOUND"));
    assert_eq!(program.get(&format!("/licenses/{old}")).await?.code(), "LICENSE_NOT_FOUND");
    let other_path = format!("/licenses/id/{}", text(&other["id"])?);
    for taken in [old, new] {
        let refused = program.put(&other_path, &with(as_shown(&other), "licenseKey", json!(taken))).await?;
        assert_eq!((refused.status, refused.code()), (409, "CONFLICT"), "{taken}");
    }
    // Two licences want the same new key at once: one gets it.
    let wish = json!("WISHE-DFOR0-BYTWO-00000-00001");
    let bodies =
        [with(as_shown(replaced.data()?), "licenseKey", wish.clone()), with(as_shown(&other), "licenseKey", wish)];
    let answers = try_join_all([program.put(&path, &bodies[0]), program.put(&other_path, &bodies[1])]).await?;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    Ok(())
}

async fn deleting_revokes_and_the_history_stays(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let program = app.program("developer").await?;
    let (one, two) = (make(&program, &plain(&app)).await?, make(&program, &plain(&app)).await?);
    let by_id = format!("/licenses/id/{}", text(&one["id"])?);
    let by_key = format!("/licenses/{}", text(&two["licenseKey"])?);
    assert_eq!(program.delete(&by_id).await?.data()?, &json!({ "licenseId": one["id"], "deleted": true }));
    assert_eq!(program.delete(&by_key).await?.data()?, &json!({ "licenseKey": two["licenseKey"], "deleted": true }));
    assert_eq!(program.delete(&by_id).await?.status, 200, "deleting again is fine");
    for license in [&one, &two] {
        let verdict = app.verify_from(text(&license["licenseKey"])?, &device()).await?;
        assert_eq!((verdict.said(), verdict.details()), ((403, "LICENSE_SUSPENDED"), "License revoked"));
    }
    let shown = program.get(&by_id).await?;
    assert_eq!((&shown.data()?["status"], &shown.data()?["revoked"]), (&json!("REVOKED"), &json!(true)));
    assert_eq!(app.events_of("LicenseRevoked").await?.len(), 2);
    assert_eq!(program.put(&by_id, &as_shown(&one)).await?.status, 200, "what is so already is no change");
    let late = program.put(&by_id, &with(as_shown(&one), "ipLimit", json!(5))).await?;
    assert_eq!((late.status, late.code()), (409, "CONFLICT"));
    Ok(())
}

async fn lists_are_paged_sorted_and_filtered(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let program = app.program("developer").await?;
    let second = program.post("/products", &json!({ "name": "Second" })).await?.id()?;
    let customer = program.post("/customers", &json!({ "username": "zoe", "metadata": [] })).await?.id()?;
    let mut ids = Vec::new();
    for n in 0..12 {
        let mut body = plain(&app);
        if n % 4 == 0 {
            body["productIds"] = json!([app.product, second]);
            body["customerIds"] = json!([customer]);
        }
        ids.push(make(&program, &body).await?["id"].clone());
    }
    let page = async |query: &str| {
        let answer = program.get(&format!("/licenses?{query}")).await?;
        let data = answer.data()?.clone();
        let listed: Vec<_> = data["licenses"].as_array().into_iter().flatten().map(|l| l["id"].clone()).collect();
        Ok::<_, Error>((listed, data["hasNextPage"] == true, data["totalResults"].clone()))
    };
    let newest: Vec<_> = ids.iter().rev().cloned().collect();
    assert_eq!(page("pageSize=10").await?, (newest[..10].to_vec(), true, json!(12)));
    assert_eq!(page("pageSize=10&page=2").await?, (newest[10..].to_vec(), false, json!(12)));
    assert_eq!(page("pageSize=10&sortDirection=asc").await?.0, ids[..10]);
    let of_both = vec![ids[8].clone(), ids[4].clone(), ids[0].clone()];
    assert_eq!(page(&format!("productIds={second}")).await?, (of_both.clone(), false, json!(3)));
    assert_eq!(page(&format!("customerIds={customer}&productIds={},{second}", app.product)).await?.0, of_both);
    let each = format!("customerIds[]={customer}&productIds={}&productIds={second}&utm_source=x", app.product);
    assert_eq!(page(&each).await?.0, of_both);
    for filter in ["metadataKey", "metadataValue", "status", "search", "productId", "customerId"] {
        let refused = program.get(&format!("/licenses?{filter}=x")).await?;
        let expected = format!("{filter}: is no filter of this list; its filters: productIds, customerIds");
        assert_eq!((refused.status, refused.details()), (400, expected.as_str()));
    }
    let many: Vec<_> = (0..500).map(|_| uuid::Uuid::new_v4().to_string()).collect();
    for name in ["productIds", "customerIds"] {
        assert_eq!(program.get(&format!("/licenses?{name}={}", many[..100].join(","))).await?.status, 200);
        let refused = program.get(&format!("/licenses?{name}={}", many.join(","))).await?;
        let expected = format!("{name}: must have 100 ids at most, not 500");
        assert_eq!((refused.status, refused.details()), (400, expected.as_str()));
    }
    assert!(page(&format!("customerIds={}", uuid::Uuid::new_v4())).await?.0.is_empty());
    let path = format!("/licenses/id/{}", text(&ids[3])?);
    let shown = program.get(&path).await?;
    program.put(&path, &with(as_shown(shown.data()?), "ipLimit", json!(1))).await?;
    assert_eq!(page("sortColumn=updatedAt&pageSize=10").await?.0[0], ids[3]);
    Ok(())
}

async fn what_cannot_be_is_refused_with_its_name(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let program = app.program("developer").await?;
    let unknown = uuid::Uuid::new_v4();
    let long = "x".repeat(256);
    let bad_date =
        with(with(plain(&app), "expirationType", json!("DATE")), "expirationDate", json!("2001-01-01T00:00:00Z"));
    for (body, status, named) in [
        (with(plain(&app), "productIds", json!([unknown])), 404, unknown.to_string()),
        (with(plain(&app), "customerIds", json!([unknown])), 404, unknown.to_string()),
        (with(plain(&app), "productIds", json!(["x"])), 400, "productIds[0]".to_owned()),
        (with(plain(&app), "hwidLimit", json!(0)), 400, "hwidLimit".to_owned()),
        (with(plain(&app), "ipLimit", json!("3")), 400, "ipLimit".to_owned()),
        (with(plain(&app), "expirationType", json!("SOON")), 400, "expirationType".to_owned()),
        (with(plain(&app), "expirationType", json!("DURATION")), 400, "expirationDays".to_owned()),
        (with(plain(&app), "expirationType", json!("DATE")), 400, "expirationDate".to_owned()),
        (bad_date, 400, "expirationDate".to_owned()),
        (
            with(plain(&app), "metadata", json!([{ "key": "k", "value": long, "locked": true }])),
            400,
            "metadata[0].value".to_owned(),
        ),
        (with(plain(&app), "seats", json!(1)), 400, "seats".to_owned()),
        (json!([]), 400, "body".to_owned()),
    ] {
        let answer = program.post("/licenses", &body).await?;
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        assert!(answer.details().contains(&named), "{named}: {}", answer.details());
    }
    assert!(app.licenses().await?.is_empty());
    Ok(())
}

/// Interleaving: all of them find no licence and make one; the derived id lets one of them begin its stream.
async fn one_idempotency_key_makes_one_licence(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let program = app.program("developer").await?;
    let body = plain(&app);
    let once = |key: &'static str, body: &Value| {
        let (program, body) = (&program, body.clone());
        async move { program.call_with(Method::POST, "/licenses", Some(&body), &[("idempotency-key", key)]).await }
    };
    let answers = try_join_all((0..50).map(|_| once("order-4711", &body))).await?;
    let ids: std::collections::BTreeSet<_> = answers.iter().map(|answer| answer.id()).collect::<Result<_, _>>()?;
    assert_eq!(ids.len(), 1);
    assert_eq!(app.licenses().await?.len(), 1);
    assert_eq!(once("order-4711", &body).await?.id()?, *ids.first().ok_or("none")?);
    let other = once("order-4711", &with(body.clone(), "hwidLimit", json!(9))).await?;
    assert_eq!((other.status, other.code()), (409, "CONFLICT"));
    // What it rested on is gone, and what was made is there.
    assert_eq!(program.delete(&format!("/products/{}", app.product)).await?.status, 200);
    assert_eq!(once("order-4711", &body).await?.id()?, *ids.first().ok_or("none")?);
    assert_eq!(once("order-4713", &body).await?.code(), "PRODUCT_NOT_FOUND");
    let body = with(body, "productIds", json!([]));
    assert_eq!(once("order-4712", &body).await?.status, 200);
    assert_eq!(app.licenses().await?.len(), 2);
    assert_eq!(once("two words", &body).await?.code(), "BAD_REQUEST");
    Ok(())
}

async fn devices_and_addresses_are_listed_forgotten_and_remembered(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let program = app.program("developer").await?;
    let made = make(&program, &with(plain(&app), "hwidLimit", json!(1))).await?;
    let key = text(&made["licenseKey"])?;
    let (one, two) = (device(), device());
    app.verify_from(key, &one).await?;
    let path = format!("/licenses/id/{}/hwid", text(&made["id"])?);
    let listed = program.get(&path).await?.data()?.clone();
    let hwid = &listed["hwids"][0];
    assert_eq!(
        (&hwid["identifier"], &hwid["status"], &hwid["forgotten"]),
        (&json!(one), &json!("active"), &json!(false))
    );
    assert_eq!((&listed["totalResults"], &listed["hasNextPage"]), (&json!(1), &json!(false)));
    let seat = format!("{path}/{}", text(&hwid["id"])?);
    let forgotten = program.patch(&seat, &json!({ "forgotten": true })).await?;
    assert_eq!(forgotten.data()?, &json!({ "hwidId": hwid["id"], "forgotten": true, "updated": true }));
    assert_eq!(program.get(&path).await?.data()?["totalResults"], 0);
    let shown = program.get(&format!("{path}?showForgotten=true")).await?;
    assert_eq!(shown.data()?["hwids"][0]["status"], "forgotten");
    program.patch(&seat, &json!({ "forgotten": false })).await?.data()?;
    assert_eq!(app.verify_from(key, &two).await?.code(), "HWID_LIMIT_REACHED");
    program.patch(&seat, &json!({ "forgotten": true })).await?.data()?;
    assert_eq!(app.verify_from(key, &two).await?.said(), (200, "VALID"));
    let full = program.patch(&seat, &json!({ "forgotten": false })).await?;
    assert_eq!((full.status, full.code()), (409, "CONFLICT"));
    let nobody = program.patch(&format!("{path}/{}", uuid::Uuid::new_v4()), &json!({ "forgotten": true })).await?;
    assert_eq!((nobody.status, nobody.code()), (404, "HARDWARE_IDENTIFIER_NOT_FOUND"));

    // Those who came before there was a limit have no seat: it is seen which one has.
    let open = make(&program, &with(plain(&app), "hwidLimit", Value::Null)).await?;
    let (key, path) = (text(&open["licenseKey"])?, format!("/licenses/id/{}", text(&open["id"])?));
    for device in [&one, &two] {
        app.verify_from(key, device).await?;
    }
    program.put(&path, &with(as_shown(&open), "hwidLimit", json!(1))).await?.data()?;
    assert_eq!(app.verify_from(key, &two).await?.said(), (200, "VALID"));
    let listed = program.get(&format!("{path}/hwid")).await?.data()?.clone();
    let mut stands: Vec<_> = listed["hwids"].as_array().ok_or("no list")?.iter().collect();
    stands.sort_by_key(|hwid| hwid["identifier"] != json!(two));
    let stands: Vec<_> = stands.iter().map(|hwid| (&hwid["identifier"], &hwid["status"])).collect();
    assert_eq!(stands, [(&json!(two), &json!("active")), (&json!(one), &json!("inactive"))]);

    let addresses = format!("/licenses/id/{}/ip-address", text(&made["id"])?);
    let listed = program.get(&addresses).await?.data()?.clone();
    assert_eq!((&listed["ipAddresses"][0]["address"], &listed["totalResults"]), (&json!("127.0.0.1"), &json!(1)));
    Ok(())
}

async fn a_forgotten_device_comes_back_where_there_is_no_limit_any_more(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let program = app.program("developer").await?;
    let made = make(&program, &with(plain(&app), "hwidLimit", json!(1))).await?;
    let (key, path) = (text(&made["licenseKey"])?, format!("/licenses/id/{}", text(&made["id"])?));
    let hwids = async || {
        let listed = program.get(&format!("{path}/hwid?showForgotten=true")).await?.data()?.clone();
        Ok::<_, Error>(listed["hwids"][0].clone())
    };
    app.verify_from(key, &device()).await?;
    let listed = hwids().await?;
    let (one, seat) = (text(&listed["identifier"])?, format!("{path}/hwid/{}", text(&listed["id"])?));
    program.patch(&seat, &json!({ "forgotten": true })).await?.data()?;
    program.put(&path, &with(as_shown(&made), "hwidLimit", Value::Null)).await?.data()?;
    assert_eq!(hwids().await?["status"], "forgotten", "it was not seen since");
    assert_eq!(app.verify_from(key, one).await?.said(), (200, "VALID"));
    assert_eq!(hwids().await?["status"], "active");

    // Forgotten again it is forgotten, and who is remembered is so, seen or not.
    program.patch(&seat, &json!({ "forgotten": true })).await?.data()?;
    assert_eq!(hwids().await?["status"], "forgotten");
    program.patch(&seat, &json!({ "forgotten": false })).await?.data()?;
    assert_eq!(hwids().await?["status"], "active");
    program.put(&path, &with(as_shown(&made), "hwidLimit", json!(1))).await?.data()?;
    assert_eq!(app.verify_from(key, &device()).await?.code(), "HWID_LIMIT_REACHED", "it has its seat");
    Ok(())
}

async fn a_bought_licence_can_be_changed_without_losing_what_the_provider_says(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let program = app.program("developer").await?;
    let (id, key) = app.sell("hwidLimit=1&expirationDays=90").await?;
    let path = format!("/licenses/id/{id}");
    let shown = program.get(&path).await?.data()?.clone();
    assert_eq!((&shown["provider"], &shown["expirationDays"]), (&json!("polymart"), &json!(90)));
    let changed = program.put(&path, &with(as_shown(&shown), "hwidLimit", json!(3))).await?.data()?.clone();
    assert_eq!((&changed["hwidLimit"], &changed["expirationDate"]), (&json!(3), &shown["expirationDate"]));
    for _ in 0..3 {
        assert_eq!(app.verify_from(&key, &device()).await?.said(), (200, "VALID"));
    }
    Ok(())
}

async fn a_buyer_gets_the_key_by_mail(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let program = app.program("developer").await?;
    let buyer = json!({ "email": "zoe@example.com", "fullName": "Zoe Example", "metadata": [] });
    let customer = program.post("/customers", &buyer).await?.id()?;
    let body = with(with(plain(&app), "customerIds", json!([customer])), "sendEmailDelivery", json!(true));
    let made = make(&program, &body).await?;
    assert_eq!(made["customers"][0]["email"], "zoe@example.com");
    let mail = eventually("the mail goes out", async || Ok(app.mails()?.pop())).await?;
    assert_eq!(mail.to, "zoe@example.com");
    assert!(mail.text.contains(text(&made["licenseKey"])?), "{}", mail.text);
    Ok(())
}
