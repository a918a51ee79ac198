//! A seller leaves Lukittu: client programs go on with the keys, ids and public key that they have, and providers with
//! the licences that there are.

use std::process::Output;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::app::{POLYMART_SECRET, SIGNING_SECRET, STRIPE_SECRET, TestApp};
use crate::support::client::{device, unlimited};
use crate::support::compose::{DAY, GRACE, Invoice, InvoiceLine, Layout, MONTH, Subscription, polymart};
use crate::support::lukittu::{ENCRYPTION_KEY, Lukittu};
use crate::support::stripe_api::TEST_KEY;
use crate::support::{Backend, Error, Keyledger, TestResult, now, on_both_stores, unix};

on_both_stores!(
    client_programs_go_on_with_what_they_have,
    an_import_is_repeated_without_harm,
    bad_rows_are_named_and_left_out,
    a_renewal_finds_the_licence_that_lukittu_sold,
    what_lukittu_sold_ends_with_its_subscription,
    what_polymart_sold_is_answered_and_taken_back,
    things_may_go_to_a_team_that_is_here,
    another_database_or_key_is_refused,
);

/// A server without a team, around which the imported one is tested.
async fn newcomer(backend: Backend, lukittu: &Lukittu) -> Result<TestApp, Error> {
    let mut app = TestApp::around(Keyledger::start(backend, unlimited()).await?).await?;
    (app.team, app.product) = (lukittu.team.clone(), lukittu.product.clone());
    Ok(app)
}

fn args<'a>(lukittu: &'a Lukittu, more: &[&'a str]) -> Vec<&'a str> {
    let args = ["import", "lukittu", "--from", lukittu.url(), "--encryption-key", ENCRYPTION_KEY, "--json"];
    [&args, more].concat()
}

async fn import(app: &TestApp, lukittu: &Lukittu) -> Result<Value, Error> {
    app.server.cli(&args(lukittu, &[])).await
}

fn counted(report: &Value, what: &str) -> [u64; 4] {
    ["found", "imported", "present", "skipped"].map(|name| report[what][name].as_u64().unwrap_or(u64::MAX))
}

async fn client_programs_go_on_with_what_they_have(backend: Backend) -> TestResult {
    let mut lukittu = Lukittu::start().await?;
    let team = lukittu.team.clone();
    let (plain, plain_key) = lukittu.license("\"hwidLimit\"", "2").await?;
    lukittu.device(&plain, "device-with-a-seat", "", "").await?;
    lukittu.device(&plain, "device-that-was-forgotten", "\"forgotten\"", "true").await?;
    lukittu.note(&plain, "order", "4711").await?;
    let (suspended, suspended_key) = lukittu.license("\"suspended\"", "true").await?;
    let ended = "'DATE', now() - interval '1 day'";
    let (_, ended_key) = lukittu.license("\"expirationType\", \"expirationDate\"", ended).await?;
    let days = "\"expirationType\", \"expirationStart\", \"expirationDays\"";
    let (waiting, waiting_key) = lukittu.license(days, "'DURATION', 'ACTIVATION', 30").await?;
    let begun = "'DURATION', 'ACTIVATION', 30, '2099-03-04 05:06:07.089'";
    let (running, running_key) = lukittu.license(&format!("{days}, \"expirationDate\""), begun).await?;
    let sha256 = hex::encode(Sha256::digest("an-api-key-of-lukittu"));
    lukittu
        .run(format!(
            r#"INSERT INTO "ApiKey" ("id", "key", "teamId") VALUES ('key', '{sha256}', '{team}');
            INSERT INTO "Blacklist" ("id", "type", "value", "teamId") VALUES
                ('b1', 'HARDWARE_IDENTIFIER', 'device-of-a-thief', '{team}'), ('b2', 'COUNTRY', 'PRK', '{team}');
            INSERT INTO "Settings" ("id", "teamId", "strictProducts", "hwidTimeout", "emailMessage")
                VALUES ('s', '{team}', true, 1440, 'Thank you.');
            INSERT INTO "ReturnedFields" ("id", "settingsId", "licenseExpirationDate", "productName", "licenseMetadataKeys")
                VALUES ('r', 's', true, true, '{{order}}');"#
        ))
        .await?;
    let app = newcomer(backend, &lukittu).await?;
    let report = import(&app, &lukittu).await?;
    assert_eq!(counted(&report, "licenses"), [5, 5, 0, 0], "{report}");
    for what in ["teams", "products", "customers"] {
        assert_eq!(counted(&report, what), [1, 1, 0, 0], "{report}");
    }

    let product = lukittu.product.clone();
    let with = |more: Value| {
        let mut fields = json!({ "productId": product, "challenge": "sign-this" });
        for (name, value) in more.as_object().into_iter().flatten() {
            fields[name] = value.clone();
        }
        fields
    };
    let from = |device: &str| with(json!({ "hardwareIdentifier": device }));
    let valid = app.verify(&plain_key, &from("device-with-a-seat")).await?;
    assert_eq!(valid.said(), (200, "VALID"), "{valid:?}");
    valid.check_challenge(&lukittu.public_key, "sign-this")?;
    let data = &valid.body["data"];
    assert_eq!(
        (&data["products"][0]["name"], &data["license"]["metadata"][0]["value"]),
        (&json!("Plugin"), &json!("4711"))
    );
    assert_eq!(app.verify(&plain_key, &from(&device())).await?.said(), (200, "VALID"), "one seat was free");
    let full = app.verify(&plain_key, &from("device-that-was-forgotten")).await?;
    assert_eq!(full.said(), (403, "HWID_LIMIT_REACHED"));
    assert_eq!(app.verify(&plain_key, &from("device-of-a-thief")).await?.code(), "HARDWARE_IDENTIFIER_BLACKLISTED");
    let no_product = json!({ "hardwareIdentifier": "device-with-a-seat" });
    assert_eq!(app.verify(&plain_key, &no_product).await?.code(), "PRODUCT_NOT_FOUND", "it is strict as it was");
    for (key, code) in [
        (&suspended_key, "LICENSE_SUSPENDED"),
        (&ended_key, "LICENSE_EXPIRED"),
        (&running_key, "VALID"),
        (&waiting_key, "VALID"),
    ] {
        assert_eq!(app.verify(key, &with(json!({}))).await?.code(), code);
    }
    let shown = app.license_of(&running).await?;
    assert_eq!(shown["expiresAt"], "2099-03-04T05:06:07.089Z", "to the millisecond");
    let begun = app.license_of(&waiting).await?;
    assert_eq!(unix(&begun["expiresAt"])? - unix(&begun["activatedAt"])?, 30 * DAY);
    assert_eq!(app.license_of(&suspended).await?["key"], json!(suspended_key));

    // The seller's programs go on with the key they have.
    let url = app.server.url(&format!("/api/v1/dev/teams/{}/customers/{}", app.team, lukittu.customer));
    let answer = app.http.get(url).bearer_auth("an-api-key-of-lukittu").send().await?;
    assert_eq!(answer.status(), 200);
    let customer: Value = answer.json().await?;
    assert_eq!(customer["data"]["email"], "Ada@Example.com");
    assert_eq!(
        (&customer["data"]["fullName"], &customer["data"]["address"]["city"]),
        (&json!("Ada Buyer"), &json!("Espoo"))
    );
    let events = app.events().await?;
    let issued: Vec<_> = events.iter().filter(|event| event["type"] == "LicenseIssued").collect();
    assert!(issued.len() == 5 && issued.iter().all(|event| event["actor"] == "import:lukittu"), "{issued:?}");
    let told = serde_json::to_string(&events)?;
    for secret in [plain_key.as_str(), "Ada@Example.com", "device-with-a-seat", "PRIVATE KEY"] {
        assert!(!told.contains(secret), "{secret} stands in the ledger");
    }
    Ok(())
}

async fn an_import_is_repeated_without_harm(backend: Backend) -> TestResult {
    let mut lukittu = Lukittu::start().await?;
    for _ in 0..300 {
        lukittu.license("\"hwidLimit\"", "1").await?;
    }
    let app = newcomer(backend, &lukittu).await?;
    let dry = app.server.cli(&args(&lukittu, &["--dry-run"])).await?;
    assert_eq!((counted(&dry, "licenses"), &dry["dryRun"]), ([300, 300, 0, 0], &json!(true)));
    assert_eq!(app.events().await?.len(), 0, "a dry run appends nothing");
    let first = import(&app, &lukittu).await?;
    assert_eq!(counted(&first, "licenses"), [300, 300, 0, 0]);
    let events = app.events().await?.len();
    // What was decided here since is not undone.
    let license = app.licenses().await?[7]["id"].as_str().ok_or("no id")?.to_owned();
    app.server.cli(&["license", "suspend", &license, "--json"]).await?;
    let (_, late_key) = lukittu.license("", "").await?;
    let second = import(&app, &lukittu).await?;
    assert_eq!(counted(&second, "licenses"), [301, 1, 300, 0], "only what is missing");
    assert_eq!(counted(&second, "customers"), [1, 0, 1, 0]);
    let third = import(&app, &lukittu).await?;
    assert_eq!(counted(&third, "licenses"), [301, 0, 301, 0]);
    assert_eq!(app.events().await?.len(), events + 2, "the suspension and the late licence");
    assert_eq!(app.license_of(&license).await?["status"], "SUSPENDED");
    assert_eq!(app.verify(&late_key, &json!({})).await?.said(), (200, "VALID"));
    let verified = app.server.cli(&["audit", "verify", "--json"]).await?;
    assert_eq!(verified["ok"], json!(true), "{verified}");
    Ok(())
}

/// The report of an import that left something out, which fails.
fn partial(output: &Output) -> Result<Value, Error> {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

async fn bad_rows_are_named_and_left_out(backend: Backend) -> TestResult {
    let mut lukittu = Lukittu::start().await?;
    let (good, good_key) = lukittu.license("", "").await?;
    let (no_date, _) = lukittu.license("\"expirationType\"", "'DATE'").await?;
    let (garbled, _) = lukittu.license("", "").await?;
    let (negative, _) = lukittu.license("\"ipLimit\"", "-1").await?;
    let end = "\"expirationType\", \"expirationDate\"";
    let (endless, _) = lukittu.license(end, "'DATE', 'infinity'").await?;
    let (far, _) = lukittu.license(end, "'DATE', '294276-12-31'").await?;
    let team = lukittu.team.clone();
    lukittu
        .run(format!(
            r#"INSERT INTO "ApiKey" ("id", "key", "teamId", "expiresAt") VALUES ('far', repeat('ab', 32), '{team}', '10000-01-01');
            UPDATE "License" SET "expirationDate" = 'infinity' WHERE "id" = '{good}';
            UPDATE "License" SET "licenseKey" = 'not:a:key' WHERE "id" = '{garbled}';
            INSERT INTO "Product" ("id", "name", "teamId") VALUES ('not-a-uuid', 'Addon', '{team}'), ('nameless', ' ', '{team}');
            INSERT INTO "_LicenseToProduct" VALUES ('{good}', 'not-a-uuid');
            INSERT INTO "Team" ("id", "name") VALUES ('broken', 'Another Team'), ('gone', 'Deleted Team');
            UPDATE "Team" SET "deletedAt" = now() WHERE "id" = 'gone';
            INSERT INTO "KeyPair" ("id", "publicKey", "privateKey", "teamId") VALUES ('kp2', 'no', 'no', 'broken');
            INSERT INTO "Product" ("id", "name", "teamId") VALUES ('of-broken', 'Theirs', 'broken');"#
        ))
        .await?;
    let app = newcomer(backend, &lukittu).await?;
    let dry = partial(&app.server.cli_output(&args(&lukittu, &["--dry-run"]), None).await?)?;
    let report = partial(&app.server.cli_output(&args(&lukittu, &[]), None).await?)?;
    assert_eq!(dry["problems"], report["problems"], "a dry run tells the same");
    assert_eq!(counted(&report, "licenses"), [6, 1, 0, 5], "{report}");
    assert_eq!((counted(&report, "teams"), counted(&report, "products")), ([2, 1, 0, 1], [3, 2, 0, 1]), "{report}");
    for (table, id, problem) in [
        ("License", no_date.as_str(), "expirationDate"),
        ("License", endless.as_str(), "expirationDate is infinite or beyond the year 9999"),
        ("License", far.as_str(), "expirationDate is infinite or beyond the year 9999"),
        ("ApiKey", "far", "expiresAt is infinite or beyond the year 9999"),
        ("License", garbled.as_str(), "licenseKey"),
        ("License", negative.as_str(), "ipLimit"),
        ("Product", "nameless", "name is empty"),
        ("Team", "broken", "key pair"),
    ] {
        let told = report["problems"].as_array().into_iter().flatten().any(|told| {
            told["table"] == table
                && told["id"] == id
                && told["problem"].as_str().is_some_and(|it| it.contains(problem))
        });
        assert!(told, "{table} {id}: {report}");
    }
    assert_eq!(app.licenses().await?.len(), 1);
    assert_eq!(app.verify(&good_key, &json!({})).await?.said(), (200, "VALID"));
    let people = app.server.cli_output(&args(&lukittu, &["--dry-run"])[..6], None).await?;
    let people = String::from_utf8_lossy(&people.stdout).into_owned();
    assert!(people.contains("licences") && people.contains(&garbled), "{people}");
    Ok(())
}

async fn a_renewal_finds_the_licence_that_lukittu_sold(backend: Backend) -> TestResult {
    let mut lukittu = Lukittu::start().await?;
    let subscription = Subscription::of(Layout::Basil, "prod_plugin", now() - MONTH);
    let until = "'DATE', now() + interval '2 hours'";
    let (license, key) = lukittu.license("\"expirationType\", \"expirationDate\"", until).await?;
    lukittu.note(&license, "STRIPE_SUB", &subscription.id).await?;
    let (team, secret) = (lukittu.team.clone(), STRIPE_SECRET);
    lukittu
        .run(format!(
            r#"INSERT INTO "StripeIntegration" ("id", "teamId", "webhookSecret", "apiKey")
                VALUES ('st', '{team}', '{secret}', '{TEST_KEY}')"#
        ))
        .await?;
    let app = newcomer(backend, &lukittu).await?;
    assert_eq!(counted(&import(&app, &lukittu).await?, "integrations"), [1, 1, 0, 0]);
    app.integrate("stripe", &["--api-base", &app.stripe.url()]).await?;
    app.stripe.add_product("prod_plugin", &[("product_id", &app.product), ("hwid_limit", "3")]);
    let before = app.license_of(&license).await?;
    assert_eq!(
        (&before["provider"], &before["references"]["stripeSubscription"]),
        (&json!("stripe"), &json!(subscription.id))
    );

    let item = &subscription.items[0];
    let renewed = subscription.begun + MONTH;
    let lines = vec![InvoiceLine::month(&item.id, &item.product, renewed)];
    let invoice = Invoice::renewal(subscription.layout, &subscription.id, &subscription.customer, lines);
    app.deliver(&[invoice.event()]).await?;
    let after = app.license().await?;
    assert_eq!((&after["id"], &after["key"]), (&json!(license), &json!(key)), "no second licence");
    assert_eq!(unix(&after["paidUntil"])?, renewed + MONTH);
    assert_eq!((unix(&after["expiresAt"])?, &after["hwidLimit"]), (renewed + MONTH + GRACE, &json!(3)));
    assert_eq!(app.events_of("SubscriptionRenewed").await?.len(), 1);
    assert!(app.events_of("MailRequested").await?.is_empty(), "the buyer has the key");
    app.deliver(&[subscription.deleted(renewed + DAY)]).await?;
    assert_eq!(unix(&app.license().await?["expiresAt"])?, renewed + DAY);
    Ok(())
}

/// No renewal has been paid here yet.
async fn what_lukittu_sold_ends_with_its_subscription(backend: Backend) -> TestResult {
    let mut lukittu = Lukittu::start().await?;
    let subscription = Subscription::of(Layout::Basil, "prod_plugin", now() - MONTH);
    let until = "'DATE', now() + interval '300 days'";
    let (license, key) = lukittu.license("\"expirationType\", \"expirationDate\"", until).await?;
    lukittu.note(&license, "STRIPE_SUB", &subscription.id).await?;
    let app = newcomer(backend, &lukittu).await?;
    import(&app, &lukittu).await?;
    app.integrate("stripe", &["--webhook-secret", STRIPE_SECRET]).await?;
    assert_eq!(app.verify(&key, &json!({})).await?.said(), (200, "VALID"));
    let ended = now() - 60;
    app.deliver(&[subscription.deleted(ended)]).await?;
    assert_eq!(unix(&app.license_of(&license).await?["expiresAt"])?, ended);
    assert_eq!(app.verify(&key, &json!({})).await?.said(), (403, "LICENSE_EXPIRED"));
    assert_eq!(app.events_of("SubscriptionEnded").await?.len(), 1);
    Ok(())
}

async fn what_polymart_sold_is_answered_and_taken_back(backend: Backend) -> TestResult {
    let mut lukittu = Lukittu::start().await?;
    let user = polymart::user();
    let (license, key) = lukittu.license("\"createdAt\"", "now() - interval '1 day'").await?;
    lukittu.note(&license, "POLYMART_USER_ID", &user.to_string()).await?;
    lukittu.note(&license, "POLYMART_PRODUCT_ID", "4711").await?;
    let team = lukittu.team.clone();
    lukittu
        .run(format!(
            r#"INSERT INTO "PolymartIntegration" ("id", "teamId", "webhookSecret", "signingSecret")
                VALUES ('po', '{team}', '{POLYMART_SECRET}', '{SIGNING_SECRET}')"#
        ))
        .await?;
    let app = newcomer(backend, &lukittu).await?;
    import(&app, &lukittu).await?;
    let answer = app.placeholder(&polymart::placeholder(user, 4711)).await?;
    assert_eq!((answer.status, &answer.body["value"]), (200, &json!(key)));
    // Told again, it is the same purchase; taken back, the licence is void.
    app.deliver_polymart(&polymart::purchase(user, 4711)).await?;
    assert_eq!(app.license().await?["id"], json!(license));
    app.deliver_polymart(&polymart::removal_at(user, 4711, now())).await?;
    assert_eq!(app.license().await?["status"], "REVOKED");
    assert_eq!(app.placeholder(&polymart::placeholder(user, 4711)).await?.status, 404);
    Ok(())
}

async fn things_may_go_to_a_team_that_is_here(backend: Backend) -> TestResult {
    let mut lukittu = Lukittu::start().await?;
    let (license, key) = lukittu.license("", "").await?;
    let mut app = TestApp::builder(backend).options(unlimited()).build().await?;
    let map = format!("{}={}", lukittu.team, app.team);
    let report = app.server.cli(&args(&lukittu, &["--team-map", &map])).await?;
    assert_eq!((counted(&report, "teams"), counted(&report, "licenses")), ([1, 0, 1, 0], [1, 1, 0, 0]), "{report}");
    assert_eq!(app.verify(&key, &json!({})).await?.said(), (200, "VALID"));
    assert_eq!(app.license_of(&license).await?["teamId"], json!(app.team));
    let teams = app.server.cli(&["team", "list", "--json"]).await?;
    assert_eq!(teams.as_array().map(Vec::len), Some(1), "{teams}");
    // A team that is not named is not imported.
    app.team.clone_from(&lukittu.team);
    assert_eq!(app.verify(&key, &json!({})).await?.code(), "TEAM_NOT_FOUND");
    Ok(())
}

async fn another_database_or_key_is_refused(backend: Backend) -> TestResult {
    let mut lukittu = Lukittu::start().await?;
    lukittu.license("", "").await?;
    let app = newcomer(backend, &lukittu).await?;
    let refused = async |args: &[&str]| -> Result<String, Error> {
        let output = app.server.cli_output(args, None).await?;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stdout.is_empty());
        Ok(String::from_utf8(output.stderr)?)
    };
    let with = |key: &'static str| ["import", "lukittu", "--from", lukittu.url(), "--encryption-key", key];
    let said = refused(&with("another-encryption-key-of-32-let")).await?;
    assert!(said.contains("opens none of the licence keys") && said.contains("ENCRYPTION_KEY"), "{said}");
    let said = refused(&with("short")).await?;
    assert!(said.contains("5 bytes instead of 32"), "{said}");
    let unknown = refused(&args(&lukittu, &["--team", "nobody"])).await?;
    assert!(unknown.contains("there is no team nobody"), "{unknown}");
    let empty = crate::support::postgres::TestDatabase::create().await?;
    let said = refused(&["import", "lukittu", "--from", empty.url(), "--encryption-key", ENCRYPTION_KEY]).await?;
    assert!(said.contains("not a Lukittu database") && said.contains("License.hwidLimit"), "{said}");
    assert_eq!(app.events().await?.len(), 0);
    Ok(())
}
