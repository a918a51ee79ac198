//! Lists of the dashboard: every condition counts, what is cut says so, and what is no longer sold has its name.

use serde_json::{Value, json};

use crate::support::app::id;
use crate::support::client::device;
use crate::support::compose::{Checkout, Layout};
use crate::support::stripe_api::session_line;
use crate::support::visitor::Visitor;
use crate::support::{Backend, Error, TestApp, TestResult, eventually, now, on_both_stores, unique};

on_both_stores!(
    licences_are_listed_by_all_that_is_chosen,
    what_happened_is_told_by_all_that_is_chosen,
    a_long_list_says_that_it_is_cut_and_leads_to_the_rest,
    a_product_that_is_no_longer_sold_keeps_its_name_on_its_licences,
    a_device_of_a_thousand_characters_leaves_room_for_the_rest,
);

/// Whose page this is.
async fn page(owner: &mut Visitor, path: &str) -> Result<String, Error> {
    let shown = owner.get(path).await?;
    assert_eq!(shown.status, 200, "{path}: {} {}", shown.to, shown.text);
    Ok(shown.text)
}

async fn licences_are_listed_by_all_that_is_chosen(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let (endless, _) = app.sell("").await?;
    let (expiring, key) = app.sell("expirationDays=10").await?;
    let other = id(&app.server.cli(&["product", "create", "--team", &app.team, "Another", "--json"]).await?)?;
    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    let list = format!("/teams/{}/licenses", app.team);
    let product = &app.product;
    for (query, shown) in [
        (format!("product={product}&standing=in-force"), vec![&endless]),
        (format!("product={product}&standing=expiring"), vec![&expiring]),
        (format!("product={product}"), vec![&expiring, &endless]),
        (format!("product={other}&standing=in-force"), vec![]),
        (format!("product={other}&standing=expiring"), vec![]),
        (format!("product={other}&q={key}"), vec![]),
        (format!("standing=in-force&q={key}"), vec![]),
    ] {
        let text = page(&mut owner, &format!("{list}?{query}")).await?;
        for id in [&endless, &expiring] {
            assert_eq!(text.contains(&format!("/licenses/{id}\"")), shown.contains(&id), "{query}: {id}");
        }
        assert_eq!(text.contains("No licence fits"), shown.is_empty(), "{query}");
    }
    let found = owner.get(&format!("{list}?standing=expiring&product={product}&q={key}")).await?;
    assert_eq!((found.status, found.to), (303, format!("{list}/{expiring}")));
    // What no list has is not taken for everything.
    for query in ["licenses?standing=sold", "mails?state=lost", "inbox?outcome=eaten", "inbox?provider=paypal"] {
        assert_eq!(owner.get(&format!("/teams/{}/{query}", app.team)).await?.status, 422, "{query}");
    }
    Ok(())
}

/// How many entries a timeline shows.
fn entries(text: &str) -> usize {
    text.split("<ol class=\"timeline\">").nth(1).map_or(0, |list| list.matches("<li>").count())
}

async fn what_happened_is_told_by_all_that_is_chosen(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let (license, key) = app.sell("hwidLimit=2").await?;
    app.sell("").await?;
    assert_eq!(app.verify_from(&key, &device()).await?.said(), (200, "VALID"));
    app.server.cli(&["license", "suspend", &license, "--json"]).await?;
    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    let audit = format!("/teams/{}/audit", app.team);
    let today = jiff::Timestamp::from_second(now())?.strftime("%Y-%m-%d").to_string();
    for (query, shown) in [
        ("type=LicenseSuspended".to_owned(), 1),
        (format!("type=LicenseIssued&day={today}"), 2),
        (format!("type=LicenseIssued&license={license}"), 1),
        (format!("type=LicenseSuspended&license={license}&day={today}"), 1),
        (format!("type=LicenseRevoked&license={license}"), 0),
        (format!("type=LicenseRevoked&day={today}"), 0),
        ("type=LicenseIssued&settings=on".to_owned(), 0),
        (format!("license={license}&day=2020-01-01"), 0),
        ("settings=on&day=2020-01-01".to_owned(), 0),
    ] {
        let text = page(&mut owner, &format!("{audit}?{query}")).await?;
        assert_eq!(entries(&text), shown, "{query}: {text}");
        assert_eq!(text.contains("Nothing fits"), shown == 0, "{query}");
        assert!(text.contains("Day (UTC)"), "{text}");
    }
    assert!(entries(&page(&mut owner, &format!("{audit}?settings=on&day={today}")).await?) >= 2);
    for (query, said) in [
        (format!("license={license}&settings=on"), "choose one of these"),
        ("type=LicenseEaten".to_owned(), "no such type of event"),
    ] {
        let refused = owner.get(&format!("{audit}?{query}")).await?;
        assert_eq!((refused.status, refused.text.contains(said)), (422, true), "{query}: {}", refused.text);
    }
    Ok(())
}

async fn a_long_list_says_that_it_is_cut_and_leads_to_the_rest(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let checkout = Checkout::paid(Layout::Basil);
    app.stripe.add_session(&checkout.id, vec![session_line(&unique("li"), "prod_plugin", 201)]);
    app.deliver(&[checkout.completed()]).await?;
    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    let root = format!("/teams/{}", app.team);
    let rows = |text: &str| text.matches("<a class=\"key\"").count();

    let searched = page(&mut owner, &format!("{root}/licenses?q={}", checkout.email)).await?;
    assert_eq!((rows(&searched), searched.contains("the newest 200")), (200, true));

    let found = owner.get(&format!("{root}/customers?q={}", checkout.email)).await?;
    let customer = page(&mut owner, &found.to).await?;
    assert_eq!((rows(&customer), customer.contains("These are the newest 100")), (100, true));
    let id = found.to.rsplit('/').next().unwrap_or_default();
    let all = format!("{root}/licenses?customer={id}");
    assert!(customer.contains(&format!("href=\"{all}\"")), "{customer}");
    let (mut listed, mut next) = (0, Some(all));
    while let Some(path) = next {
        let shown = owner.get(&path).await?;
        listed += rows(&shown.text);
        next = shown.links().into_iter().find(|link| link.contains("before="));
    }
    assert_eq!(listed, 201);
    let expiring = page(&mut owner, &format!("{root}/licenses?customer={id}&standing=expiring")).await?;
    assert_eq!(rows(&expiring), 0);

    let delivery = app.inbox().await?.first().and_then(|entry| entry["id"].as_str()).unwrap_or_default().to_owned();
    let shown = page(&mut owner, &format!("{root}/inbox/{delivery}")).await?;
    assert!(shown.contains("the first 100") && shown.contains(&format!("/audit?delivery={delivery}")), "{shown}");
    Ok(())
}

async fn a_product_that_is_no_longer_sold_keeps_its_name_on_its_licences(backend: Backend) -> TestResult {
    let mut app = TestApp::with_stripe(backend).await?;
    let product = id(&app.server.cli(&["product", "create", "--team", &app.team, "Sunset", "--json"]).await?)?;
    app.stripe.add_product("prod_sunset", &[("product_id", &product)]);
    let checkout = Checkout::paid(Layout::Basil);
    app.stripe.add_session(&checkout.id, vec![session_line(&unique("li"), "prod_sunset", 1)]);
    app.deliver(&[checkout.completed()]).await?;
    let license = app.license().await?;
    let (id, key) = (license["id"].as_str().unwrap_or_default(), license["key"].as_str().unwrap_or_default());
    app.set_verification(&["--returned-fields", r#"{"productName":true}"#]).await?;
    app.product = product;

    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    let root = format!("/teams/{}", app.team);
    let sold = format!("{root}/products/{}", app.product);
    assert_eq!(owner.submit(&sold, &format!("{sold}/remove"), &[]).await?.status, 303);
    let one = format!("{root}/licenses/{id}");
    let list = format!("{root}/licenses?product={}", app.product);
    for path in [&one, &list] {
        assert!(page(&mut owner, path).await?.contains("Sunset (no longer sold)"), "{path}");
    }
    assert!(!page(&mut owner, &one).await?.contains(&sold), "it has no page any more");
    // Programs and buyers are told what they were.
    let verdict = app.verify(key, &json!({})).await?;
    assert_eq!(verdict.body["data"]["products"][0]["name"], json!("Sunset"), "{verdict:?}");
    let before = app.mails()?.len();
    assert_eq!(owner.submit(&one, &format!("{one}/mail"), &[]).await?.status, 303);
    app.settle().await?;
    let mails = app.mails()?;
    assert_eq!(mails.len(), before + 1);
    assert!(mails.iter().all(|mail| mail.subject.ends_with("for Sunset") && mail.text.contains("for Sunset")));
    Ok(())
}

async fn a_device_of_a_thousand_characters_leaves_room_for_the_rest(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let (_, key) = app.sell("").await?;
    let (long, version) = ("d".repeat(1_000), "v".repeat(255));
    let fields: Value = json!({ "hardwareIdentifier": long, "version": version });
    assert_eq!(app.verify(&key, &fields).await?.said(), (200, "VALID"));
    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    let requests = format!("/teams/{}/requests", app.team);
    let shown = eventually("the request is in the log", async || {
        let text = page(&mut owner, &requests).await?;
        Ok(text.contains("<table").then_some(text))
    });
    let shown = shown.await?;
    let short = |letter: &str| format!(">{}…<", letter.repeat(40));
    assert!(shown.contains(&short("d")) && shown.contains(&short("v")), "{shown}");
    assert!(shown.contains(&format!("title=\"{long}\"")), "the whole is there for who points at it");
    Ok(())
}
