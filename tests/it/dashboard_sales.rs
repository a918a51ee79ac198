//! What a seller sees and does about what was sold: nothing is shortened, nothing undone, nothing made twice unawares.

use futures::future::try_join_all;
use serde_json::Value;

use crate::support::compose::{Checkout, DAY, GRACE, Invoice, InvoiceLine, Layout, MONTH, Subscription};
use crate::support::stripe_api::session_line;
use crate::support::visitor::{Page, Visitor};
use crate::support::{Backend, Error, TestApp, TestResult, eventually, now, on_both_stores, unix};

on_both_stores!(
    an_extended_licence_goes_on_with_its_subscription,
    a_licence_without_an_end_cannot_be_shortened_by_extending_it,
    a_colleagues_change_is_not_undone_unawares,
    the_answer_to_a_form_that_is_loaded_again_makes_nothing_new,
    a_form_that_is_sent_five_times_at_once_makes_one_thing,
    what_a_form_does_is_done_once_however_often_it_is_sent,
    a_grace_of_seconds_outlives_another_setting,
    what_a_webhook_is_told_of_outlives_another_change,
    a_licence_is_offered_only_what_can_be_done_about_its_end,
    a_delivery_that_waits_shows_where_the_seller_looks_first,
);

async fn a_licence_without_an_end_cannot_be_shortened_by_extending_it(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let (license, _) = app.sell("").await?;
    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    let page = format!("/teams/{}/licenses/{license}", app.team);
    owner.submit(&page, &format!("{page}/extend"), &[("how", "days"), ("days", "30")]).await?;
    let told = owner.get(&page).await?;
    assert!(told.text.contains("no end that could be put off") && told.text.contains("It never expires"), "{told:?}");
    assert!(!told.text.contains("Send the mail again"), "no mail ever carried its key");
    Ok(())
}

async fn an_extended_licence_goes_on_with_its_subscription(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let subscription = Subscription::of(Layout::Basil, "prod_plugin", now() - DAY);
    let invoice = |start: i64| {
        let lines = vec![InvoiceLine::month(&subscription.items[0].id, "prod_plugin", start)];
        match start == subscription.begun {
            true => Invoice::paid(Layout::Basil, &subscription.id, &subscription.customer, lines),
            false => Invoice::renewal(Layout::Basil, &subscription.id, &subscription.customer, lines),
        }
    };
    app.deliver(&[subscription.created(), invoice(subscription.begun).event()]).await?;
    let ends = async || -> Result<(String, i64), Error> {
        let license = app.license().await?;
        Ok((license["id"].as_str().unwrap_or_default().to_owned(), unix(&license["expiresAt"])?))
    };
    let (id, first) = ends().await?;
    assert_eq!(first, subscription.begun + MONTH + GRACE);

    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    let page = format!("/teams/{}/licenses/{id}", app.team);
    let extend = format!("{page}/extend");
    let sooner = jiff::Timestamp::from_second(now() + 2 * DAY)?.strftime("%Y-%m-%d").to_string();
    owner.submit(&page, &extend, &[("how", "date"), ("date", &sooner)]).await?;
    let told = owner.get(&page).await?;
    assert!(told.text.contains("is not later; suspend or revoke it"), "{told:?}");
    assert_eq!(ends().await?.1, first);

    owner.submit(&page, &extend, &[("how", "days"), ("days", "5")]).await?;
    let told = owner.get(&page).await?;
    assert!(told.text.contains("Renewals count beyond that") && told.text.contains("extended it to then"), "{told:?}");
    assert_eq!(ends().await?.1, first + 5 * DAY);
    // So does the command, from where it ends now.
    app.server.cli(&["license", "extend", &id, "--days", "1", "--json"]).await?;
    assert_eq!(ends().await?.1, first + 6 * DAY);
    let refused = app.server.cli_output(&["license", "extend", &id, "--until", "2020-01-01T00:00:00Z"], None).await?;
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("is not later"));

    app.deliver(&[invoice(subscription.begun + MONTH).event()]).await?;
    assert_eq!(ends().await?.1, first + MONTH, "what was paid beyond it counts");
    Ok(())
}

/// The value that a field has in the form that is sent to `action`.
fn field(page: &Page, action: &str, name: &str) -> Result<String, Error> {
    let form = page.forms().into_iter().find(|form| form.action == action).ok_or("no such form")?;
    let field = form.fields.into_iter().find(|(known, _)| known == name);
    Ok(field.ok_or_else(|| format!("no field `{name}` in the form to {action}"))?.1)
}

async fn a_colleagues_change_is_not_undone_unawares(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    let settings = format!("/teams/{}/settings", app.team);
    let (verification, product) =
        (format!("{settings}/verification"), format!("/teams/{}/products/{}", app.team, app.product));
    for (page, form, first, second) in [
        (
            &settings,
            &settings,
            [("name", "Acme"), ("grace-minutes", "300")],
            [("name", "Acme"), ("grace-minutes", "420")],
        ),
        (
            &settings,
            &verification,
            [("ip-timeout", "5"), ("hwid-timeout", "0")],
            [("ip-timeout", "0"), ("hwid-timeout", "9")],
        ),
        (&product, &product, [("name", "Plugin"), ("url", "https://a.example")], [("name", "Plugin 2"), ("url", "")]),
    ] {
        let shown = field(&owner.get(page).await?, form, "shown")?;
        let with_mark = |fields: [(&'static str, &'static str); 2]| {
            [("shown", shown.clone())]
                .into_iter()
                .chain(fields.map(|(name, value)| (name, value.to_owned())))
                .collect::<Vec<_>>()
        };
        for (fields, said) in [(first, "Saved."), (second, "Somebody changed this")] {
            let fields = with_mark(fields);
            let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            assert_eq!(owner.submit(page, form, &fields).await?.status, 303);
            let told = owner.get(page).await?.text;
            assert!(told.contains(said), "{form}: {told}");
        }
        // Who has seen what is so now may change it.
        let shown = field(&owner.get(page).await?, form, "shown")?;
        let mut fields = vec![("shown", shown.as_str())];
        fields.extend(second);
        owner.submit(page, form, &fields).await?;
        let told = owner.get(page).await?.text;
        assert!(told.contains("Saved."), "{form}: {told}");
    }
    Ok(())
}

async fn the_answer_to_a_form_that_is_loaded_again_makes_nothing_new(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    let root = format!("/teams/{}", app.team);
    for (page, fields) in [
        ("api-keys", [("name", "Shop"), ("scope", "developer")]),
        ("members", [("email", "bob@example.test"), ("role", "support")]),
        ("webhooks", [("url", "https://hooks.example.com/"), ("description", "")]),
    ] {
        let page = format!("{root}/{page}");
        let once = field(&owner.get(&page).await?, &page, "once")?;
        let mut all = vec![("once", once.as_str())];
        all.extend(fields);
        assert_eq!(owner.submit(&page, &page, &all).await?.status, 200, "{page}");
        let made = app.events().await?.len();
        assert_eq!(owner.submit(&page, &page, &all).await?.status, 303, "{page}");
        assert!(owner.get(&page).await?.text.contains("This form was sent already"), "{page}");
        assert_eq!(app.events().await?.len(), made, "{page}");
    }
    Ok(())
}

/// Interleaving: all of them find the form unused and do its work before one notes that it is done.
async fn a_form_that_is_sent_five_times_at_once_makes_one_thing(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    let page = format!("/teams/{}/api-keys", app.team);
    let shown = owner.get(&page).await?;
    let (csrf, once) = (shown.csrf(), field(&shown, &page, "once")?);
    let fields = [("csrf", csrf.as_str()), ("once", once.as_str()), ("name", "Shop"), ("scope", "developer")];
    let mut tabs = vec![owner.clone(); 5];
    let sent = try_join_all(tabs.iter_mut().map(|tab| tab.send(&page, &fields))).await?;
    let mut answers: Vec<_> = sent.iter().map(|answer| answer.status).collect();
    answers.sort_unstable();
    assert_eq!(answers, [200, 303, 303, 303, 303]);
    assert_eq!(app.events_of("ApiKeyCreated").await?.len(), 1);

    // What was refused was not done: the form may be mended and sent again.
    let once = field(&owner.get(&page).await?, &page, "once")?;
    let wrong = [("once", once.as_str()), ("name", "Shop"), ("scope", "developer"), ("days", "-1")];
    assert_eq!(owner.submit(&page, &page, &wrong).await?.status, 303);
    assert_eq!(owner.submit(&page, &page, &wrong[..3]).await?.status, 200);
    Ok(())
}

/// Interleaving: both find the form unused and do its work before one notes that it is done.
async fn what_a_form_does_is_done_once_however_often_it_is_sent(backend: Backend) -> TestResult {
    let app = TestApp::builder(backend).stripe().polymart().build().await?;
    app.stripe.add_product("prod_plugin", &[("product_id", &app.product)]);
    let checkout = Checkout::paid(Layout::Basil);
    app.stripe.add_session(&checkout.id, vec![session_line("li_1", "prod_plugin", 1)]);
    app.deliver(&[checkout.completed()]).await?;
    let bought = app.license().await?["id"].as_str().ok_or("no id")?.to_owned();
    let mails = app.server.cli(&["mail", "list", "--team", &app.team, "--json"]).await?;
    let mail = mails[0]["id"].as_str().ok_or("no mail")?.to_owned();
    let (license, _) = app.sell("expirationDays=90").await?;
    let url = "https://hooks.example.com/";
    let webhook = app.server.cli(&["webhook", "create", "--team", &app.team, "--url", url, "--json"]).await?;
    let webhook = webhook["id"].as_str().ok_or("no webhook")?.to_owned();

    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    let root = format!("/teams/{}", app.team);
    for (page, form, fields) in [
        (format!("licenses/{license}"), "/extend", vec![("how", "days"), ("days", "30")]),
        (format!("licenses/{bought}"), "/mail", vec![]),
        (format!("mails/{mail}"), "/resend", vec![]),
        ("products".to_owned(), "", vec![("name", "Anti-Grief")]),
        (format!("webhooks/{webhook}"), "/test", vec![]),
    ] {
        let page = format!("{root}/{page}");
        let form = format!("{page}{form}");
        let shown = owner.get(&page).await?;
        let (csrf, once) = (shown.csrf(), field(&shown, &form, "once")?);
        let mut all = vec![("csrf", csrf.as_str()), ("once", once.as_str())];
        all.extend(fields);
        let before = app.events().await?;
        let mut tabs = [owner.clone(), owner.clone()];
        try_join_all(tabs.iter_mut().map(|tab| tab.send(&form, &all))).await?;
        assert_eq!(owner.send(&form, &all).await?.status, 303, "{form}");
        assert!(owner.get(&page).await?.text.contains("This form was sent already"), "{form}");
        let made = app.events().await?.split_off(before.len());
        let by_owner = |event: &&Value| event["actor"].as_str().is_some_and(|actor| actor.starts_with("member:"));
        let kinds: Vec<_> = made.iter().filter(by_owner).map(|event| event["type"].clone()).collect();
        assert_eq!(kinds.len(), 1, "{form}: {kinds:?}");
    }
    Ok(())
}

async fn a_grace_of_seconds_outlives_another_setting(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    let settings = format!("/teams/{}/settings", app.team);
    let grace = async || -> Result<Value, Error> {
        Ok(app.server.cli(&["team", "show", "--team", &app.team, "--json"]).await?["renewalGraceSeconds"].clone())
    };
    for seconds in ["1800", "5430", "59"] {
        app.server.cli(&["team", "update", "--team", &app.team, "--renewal-grace-seconds", seconds, "--json"]).await?;
        let shown = owner.get(&settings).await?;
        let (mark, minutes) = (field(&shown, &settings, "shown")?, field(&shown, &settings, "grace-minutes")?);
        let fields = [
            ("shown", mark.as_str()),
            ("name", "Acme"),
            ("grace-minutes", minutes.as_str()),
            ("mail-message", seconds),
        ];
        owner.submit(&settings, &settings, &fields).await?;
        assert!(owner.get(&settings).await?.text.contains("Saved."));
        assert_eq!(grace().await?.to_string(), seconds, "nobody touched it");
    }
    owner.submit(&settings, &settings, &[("name", "Acme"), ("grace-minutes", "90")]).await?;
    assert_eq!(grace().await?, 5_400);
    Ok(())
}

async fn what_a_webhook_is_told_of_outlives_another_change(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    let url = "https://hooks.example.com/keyledger";
    for types in ["license.*,limit.reached", "license.*", "limit.reached"] {
        let create = ["webhook", "create", "--team", &app.team, "--url", url, "--types", types, "--json"];
        let made = app.server.cli(&create).await?;
        let id = made["id"].as_str().ok_or("no id")?;
        let page = format!("/teams/{}/webhooks/{id}", app.team);
        let told_of = async || -> Result<String, Error> {
            let shown = app.server.cli(&["webhook", "show", id, "--team", &app.team, "--json"]).await?;
            let types = shown["types"].as_array().cloned().unwrap_or_default();
            Ok(types.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","))
        };
        let shown = owner.get(&page).await?;
        let mark = field(&shown, &page, "shown")?;
        let boxes = shown.text.split("name=\"type\" value=\"").skip(1);
        let ticked: Vec<_> = boxes
            .filter_map(|rest| rest.split_once("\" checked>").map(|(kind, _)| kind))
            .filter(|kind| !kind.contains('"'))
            .map(str::to_owned)
            .collect();
        assert_eq!(ticked.iter().any(|kind| kind == "license.revoked"), types.contains("license"), "{ticked:?}");
        let mut fields = vec![("shown", mark.as_str()), ("url", url), ("description", "Shop")];
        fields.extend(ticked.iter().map(|kind| ("type", kind.as_str())));
        owner.submit(&page, &page, &fields).await?;
        assert_eq!(told_of().await?, types);
        assert!(owner.get(&page).await?.text.contains("Saved."));
        // The same form again rests on what is so no more.
        owner.submit(&page, &page, &fields).await?;
        assert!(owner.get(&page).await?.text.contains("Somebody changed this"));
    }
    Ok(())
}

async fn a_licence_is_offered_only_what_can_be_done_about_its_end(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    for (query, days, ever) in [
        ("", false, false),
        ("expirationDays=9", true, true),
        ("expirationDays=9&expirationStart=ACTIVATION", false, true),
    ] {
        let (license, _) = app.sell(query).await?;
        let page = format!("/teams/{}/licenses/{license}", app.team);
        let shown = owner.get(&page).await?;
        let form = shown.forms().into_iter().find(|form| form.action == format!("{page}/extend"));
        let has = |name: &str| form.iter().any(|form| form.fields.iter().any(|(known, _)| known == name));
        assert_eq!((has("days"), form.is_some()), (days, ever), "{query}: {form:?}");
        if ever {
            owner.submit(&page, &format!("{page}/extend"), &[("how", "never")]).await?;
            assert!(owner.get(&page).await?.text.contains("The licence never expires now"), "{query}");
        }
    }
    Ok(())
}

async fn a_delivery_that_waits_shows_where_the_seller_looks_first(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    let pages = [format!("/teams/{}/", app.team), format!("/teams/{}/integrations", app.team)];
    let checkout = Checkout::paid(Layout::Basil);
    app.stripe.add_session(&checkout.id, vec![session_line("li_1", "prod_plugin", 1)]);
    app.stripe.revoke_keys();
    assert_eq!(app.post_stripe(&checkout.completed()).await?.status, 200);
    eventually("the delivery is tried", async || {
        let entry: Vec<Value> = app.inbox().await?;
        Ok(entry.iter().any(|entry| entry["reason"].is_string()).then_some(()))
    })
    .await?;
    for page in &pages {
        let shown = owner.get(page).await?.text;
        assert!(shown.contains("Stripe refused the API key") && shown.contains("light warn"), "{page}: {shown}");
    }
    // What is odd about a secret is said here as it is by the command.
    let form = format!("{}/stripe", pages[1]);
    owner.submit(&pages[1], &form, &[("webhook-secret", "nope"), ("api-key", "sk_test_1")]).await?;
    let told = owner.get(&pages[1]).await?.text;
    assert!(told.contains("begins with whsec_") && told.contains("may do everything at Stripe"), "{told}");
    Ok(())
}
