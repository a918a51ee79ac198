//! What scripts rely on: shapes of `--json`, exit codes, secrets from files and pipes.

use std::process::Stdio;

use base64::Engine as _;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use uuid::Uuid;

use crate::support::app::{STRIPE_SECRET, id};
use crate::support::compose::{Checkout, Layout, polymart};
use crate::support::place::Place;
use crate::support::stripe_api::session_line;
use crate::support::{Backend, Error, PATIENCE, TestApp, TestResult, now, on_both_stores, sign};

on_both_stores!(
    what_is_made_is_told,
    a_licence_has_its_shape,
    a_licence_that_waits_for_its_first_use_is_not_said_to_last_for_ever,
    history_has_its_shape,
    lists_give_all_newest_first_or_a_limit,
    a_licence_is_shown_as_it_was,
    failures_have_codes_and_reasons,
    secrets_come_from_files_and_pipes,
    commands_need_no_server,
    a_demonstration_leads_to_its_dashboard,
);

fn assert_fields(object: &Value, fields: &[&str]) {
    for field in fields {
        assert!(object.get(field).is_some(), "no `{field}` in {object}");
    }
}

fn is_uuid(value: &Value) -> bool {
    value.as_str().is_some_and(|text| Uuid::parse_str(text).is_ok())
}

/// A seller with a purchase of this many units.
async fn sold(backend: Backend, units: u64) -> Result<TestApp, Error> {
    let app = TestApp::with_stripe(backend).await?;
    let checkout = Checkout::paid(Layout::Basil);
    app.stripe.add_session(&checkout.id, vec![session_line("li_1", "prod_plugin", units)]);
    app.deliver(&[checkout.completed()]).await?;
    Ok(app)
}

async fn what_is_made_is_told(backend: Backend) -> TestResult {
    let app = TestApp::builder(backend).build().await?;
    let team = app.server.cli(&["team", "create", "Another Team", "--json"]).await?;
    assert!(is_uuid(&team["id"]), "{team}");
    assert_eq!(team["name"], "Another Team");
    let pem = base64::engine::general_purpose::STANDARD.decode(team["publicKey"].as_str().ok_or("no publicKey")?)?;
    assert!(pem.starts_with(b"-----BEGIN PUBLIC KEY-----"), "base64 of a PEM");

    let product = app.server.cli(&["product", "create", "--team", &id(&team)?, "Plugin", "--json"]).await?;
    assert!(is_uuid(&product["id"]), "{product}");
    assert_eq!((&product["name"], &product["teamId"]), (&json!("Plugin"), &team["id"]));
    for scope in ["developer", "auditor", "admin"] {
        let made = app.server.cli(&["apikey", "create", "--team", &app.team, "--scope", scope, "--json"]).await?;
        assert!(made["id"].is_string() && made["key"].as_str().is_some_and(|key| key.len() >= 40), "{scope}");
    }
    let teams = app.server.cli(&["team", "list", "--json"]).await?;
    assert_eq!(teams.as_array().map(Vec::len), Some(2), "{teams}");
    let products = app.server.cli(&["product", "list", "--team", &id(&team)?, "--json"]).await?;
    assert_eq!((products.as_array().map(Vec::len), &products[0]["id"]), (Some(1), &product["id"]));
    Ok(())
}

async fn a_licence_has_its_shape(backend: Backend) -> TestResult {
    let app = sold(backend, 1).await?;
    let license = app.license().await?;
    let fields = ["id", "teamId", "key", "status", "productIds", "ipLimit", "hwidLimit", "expirationDays"];
    assert_fields(&license, &fields);
    let fields = ["expirationStart", "expiresAt", "paidUntil", "activatedAt", "livemode", "provider", "references"];
    assert_fields(&license, &fields);
    assert!(license["createdAt"].is_string() && is_uuid(&license["id"]), "{license}");
    assert_eq!(license["teamId"], app.team);
    let shown = app.server.cli(&["license", "show", &id(&license)?, "--team", &app.team, "--json"]).await?;
    for field in ["id", "key", "status", "references", "createdAt"] {
        assert_eq!(shown[field], license[field], "{field}");
    }
    // People get a table: the key is in it, and it is no JSON.
    let output = app.server.cli_output(&["license", "list", "--team", &app.team], None).await?;
    let table = String::from_utf8(output.stdout)?;
    assert!(table.contains(license["key"].as_str().unwrap_or_default()), "{table}");
    assert!(serde_json::from_str::<Value>(&table).is_err(), "{table}");
    Ok(())
}

async fn a_licence_that_waits_for_its_first_use_is_not_said_to_last_for_ever(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let (waiting, _) = app.sell("expirationDays=9&expirationStart=ACTIVATION").await?;
    for args in [vec!["license", "list", "--team", &app.team], vec!["license", "show", &waiting]] {
        let told = String::from_utf8(app.server.cli_output(&args, None).await?.stdout)?;
        assert!(told.contains("UPCOMING") && told.contains("not begun") && !told.contains("never"), "{told}");
    }
    Ok(())
}

async fn history_has_its_shape(backend: Backend) -> TestResult {
    let app = sold(backend, 1).await?;
    let events = app.events().await?;
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event["position"], index + 1, "positions have no gap");
        let fields = ["type", "version", "stream", "streamVersion", "teamId", "occurredAt", "recordedAt", "actor"];
        assert_fields(event, &fields);
        assert_fields(event, &["causation", "data"]);
    }
    let received = app.events_of("ProviderEventReceived").await?.remove(0);
    assert!(received["data"]["body"]["sealed"].is_string(), "{received}");
    let revealed = app.server.cli(&["events", "list", "--reveal", "--json"]).await?;
    assert!(revealed.to_string().contains("checkout.session"), "an admin may read what was delivered");

    let last = events.len();
    let tail = app.server.cli(&["events", "list", "--from", &last.to_string(), "--json"]).await?;
    assert!(tail.as_array().is_some_and(|tail| tail.len() <= 2), "{tail}");
    assert_eq!(tail.as_array().and_then(|tail| tail.last()).map(|event| &event["position"]), Some(&json!(last)));
    let license = id(&app.license().await?)?;
    let of_license = app.server.cli(&["events", "list", "--license", &license, "--json"]).await?;
    assert!(of_license.to_string().contains("LicenseIssued"), "{of_license}");
    let stream = received["stream"].as_str().ok_or("no stream")?;
    let of_stream = app.server.cli(&["events", "list", "--stream", stream, "--json"]).await?;
    let of_stream = of_stream.as_array().ok_or("no array")?;
    assert!(of_stream.len() >= 2 && of_stream.iter().all(|event| event["stream"] == stream), "{of_stream:?}");

    let verified = app.server.cli(&["audit", "verify", "--json"]).await?;
    assert_eq!((&verified["ok"], &verified["events"]), (&json!(true), &json!(last)), "{verified}");
    assert!(!verified["head"].is_null(), "{verified}");
    Ok(())
}

async fn lists_give_all_newest_first_or_a_limit(backend: Backend) -> TestResult {
    let app = sold(backend, 150).await?;
    let checkout = Checkout::paid(Layout::Basil);
    app.stripe.add_session(&checkout.id, vec![session_line("li_1", "prod_plugin", 1)]);
    app.deliver(&[checkout.completed()]).await?;
    let all = app.licenses().await?;
    assert_eq!(all.len(), 151);
    assert_eq!(all[0]["references"]["stripeCheckoutSession"], checkout.id, "newest first");
    let some = app.server.cli(&["license", "list", "--team", &app.team, "--limit", "7", "--json"]).await?;
    assert_eq!(some.as_array().map(Vec::as_slice), Some(&all[..7]));
    Ok(())
}

async fn a_licence_is_shown_as_it_was(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let user = polymart::user();
    app.deliver_polymart(&polymart::purchase_at(user, 1, now() - 60)).await?;
    let license = app.license().await?;
    let position = app.events().await?.len().to_string();
    let time = app.events().await?.last().map(|event| event["recordedAt"].clone()).unwrap_or_default();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    app.deliver_polymart(&polymart::removal_at(user, 1, now())).await?;
    assert_eq!(app.license().await?["status"], "REVOKED");
    for as_of in [position.as_str(), time.as_str().unwrap_or_default()] {
        let shown = ["license", "show", &id(&license)?, "--team", &app.team, "--as-of", as_of, "--json"];
        assert_eq!(app.server.cli(&shown).await?["status"], "ACTIVE", "as of {as_of}");
    }
    Ok(())
}

async fn failures_have_codes_and_reasons(backend: Backend) -> TestResult {
    let app = TestApp::builder(backend).build().await?;
    let unknown = Uuid::new_v4().to_string();
    let (empty, mistyped) = (app.server.folder().join("empty"), app.server.folder().join("mistyped"));
    std::fs::create_dir_all(&empty)?;
    let (empty, nowhere) = (empty.display().to_string(), format!("sqlite:{}", mistyped.display()));
    let cases: [(&[&str], i32, &str); 19] = [
        (&["licence"], 2, "licence"),
        (&["team", "create"], 2, "NAME"),
        (&["license", "list", "--nonsense"], 2, "--nonsense"),
        (&["product", "create", "--team", &unknown, "Plugin", "--json"], 1, &unknown),
        (&["license", "show", &unknown, "--team", &app.team, "--json"], 1, &unknown),
        (&["integration", "set", "stripe", "--team", &unknown, "--webhook-secret", "whsec_1"], 1, &unknown),
        (
            &["integration", "set", "stripe", "--team", &app.team, "--webhook-secret", "@no/such/file"],
            1,
            "no/such/file",
        ),
        (&["events", "list", "--since", "yesterday"], 2, "2026-01-31T18:30:00Z"),
        (&["events", "list", "--from=-9223372036854775808"], 2, "-9223372036854775808 is not in 0.."),
        (&["audit", "prove", "0"], 2, "0 is not in 1.."),
        (&["license", "list", "--team", "acme"], 2, "keyledger team list"),
        (&["events", "list", "--team", &unknown, "--json"], 1, &unknown),
        (&["events", "tail", "--team", &unknown, "--follow"], 1, &unknown),
        (&["audit", "export", "--format", "csv", "--out", "-", "--team", &unknown], 1, &unknown),
        (&["audit", "verify", "--checkpoint", &empty, "--json"], 1, "holds no checkpoint"),
        (&["team", "show", "--team", &unknown, "--database-url", &nowhere], 1, "there is no ledger"),
        (&["serve", "--listen", "bogus"], 2, "127.0.0.1:8080"),
        // Nobody listens there.
        (&["team", "list", "--database-url", "postgres://me:secret@127.0.0.1:1/ledger"], 1, "refused"),
        (&["team", "list", "--database-url", "postgres://me:secret@127.0.0.1:1/ledger"], 1, "127.0.0.1:1/ledger"),
    ];
    for (args, code, named) in cases {
        let output = app.server.cli_output(args, None).await?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(named), "{args:?}: {said}");
        assert!(output.stdout.is_empty(), "{args:?} says on stdout: {}", String::from_utf8_lossy(&output.stdout));
        assert!(!said.contains("secret@"), "{args:?}: {said}");
    }
    assert!(!mistyped.exists(), "nothing is made by looking for it");
    let behind_all = app.server.cli(&["events", "list", "--from=9223372036854775807", "--json"]).await?;
    assert_eq!(behind_all, json!([]));
    for (name, value) in [("KEYLEDGER_LOG", "inof"), ("KEYLEDGER_LOG_FORMAT", "xml")] {
        let output = app.server.command(&["team", "list"]).env(name, value).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(name) && said.contains(value), "{said}");
    }
    Ok(())
}

async fn secrets_come_from_files_and_pipes(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let file = app.server.folder().join("secret");
    // The end of the line that editors and `echo` leave is no part of a secret.
    std::fs::write(&file, "whsec_from_a_file\n")?;
    app.integrate("stripe", &["--webhook-secret", &format!("@{}", file.display())]).await?;
    for (option, secret, doubt) in [
        ("--webhook-secret", "we_1a2b", "begins with whsec_"),
        ("--api-key", "sk_test_1a2b", "a restricted one"),
        ("--api-key", "key_1a2b", "begins with rk_"),
        ("--api-key", "rk_test_1a2b", ""),
    ] {
        let set = ["integration", "set", "stripe", "--team", &app.team, option, secret];
        let output = app.server.cli_output(&set, None).await?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains(doubt), "{secret} is taken: {said}");
        assert_eq!(said.contains("note:"), !doubt.is_empty(), "{said}");
        assert!(!said.contains(secret), "{said}");
    }
    let piped = ["integration", "set", "stripe", "--team", &app.team, "--webhook-secret", "-"];
    let output = app.server.cli_output(&piped, Some("whsec_from_a_pipe\n")).await?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for secret in [STRIPE_SECRET, "whsec_from_a_file", "whsec_from_a_pipe"] {
        let body = serde_json::to_vec(&Checkout::unpaid(Layout::Basil).completed())?;
        let signature = sign::stripe(&[secret], now(), &body)?;
        let answer = app.post(&app.stripe_path(), &[("stripe-signature", &signature)], body).await?;
        assert_eq!(answer.status, 200, "{secret}: {answer:?}");
    }
    let shown = app.server.cli_output(&["integration", "show", "stripe", "--team", &app.team], None).await?;
    let said = String::from_utf8_lossy(&shown.stdout).into_owned() + &String::from_utf8_lossy(&shown.stderr);
    assert!(shown.status.success(), "{said}");
    for secret in [STRIPE_SECRET, "whsec_from_a_file", "whsec_from_a_pipe"] {
        assert!(!said.contains(secret), "a secret is never shown: {said}");
    }
    Ok(())
}

async fn commands_need_no_server(backend: Backend) -> TestResult {
    let mut app = sold(backend, 2).await?;
    let before = app.licenses().await?;
    assert!(app.server.terminate().await?.success());
    assert_eq!(app.licenses().await?, before);
    let teams = ["team", "list", "--database-url", app.server.database_url(), "--json"];
    assert_eq!(app.server.cli(&teams).await?[0]["id"], app.team, "the store may be named in the command, too");
    let second = id(&app.server.cli(&["product", "create", "--team", &app.team, "Second", "--json"]).await?)?;
    let products = app.server.cli(&["product", "list", "--team", &app.team, "--json"]).await?;
    assert!(products.to_string().contains(&second), "{products}");
    assert_eq!(app.server.cli(&["audit", "verify", "--json"]).await?["ok"], true);
    // A ledger that is not there is not in order.
    let nowhere = tempfile::tempdir()?.path().join("mistyped");
    let named = format!("sqlite:{}", nowhere.display());
    let copy = nowhere.with_extension("copy");
    let copy = copy.to_string_lossy();
    for args in [
        &["audit", "verify"][..],
        &["license", "list"],
        &["events", "list"],
        &["keys", "show"],
        &["projections", "status"],
        &["backup", "--to", &copy],
    ] {
        let args = [args, &["--json", "--database-url", &named]].concat();
        let refused = app.server.cli_output(&args, None).await?;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(1) && said.contains("there is no ledger in"), "{args:?}: {said}");
        assert!(!nowhere.exists(), "and is not made");
    }
    let unknown = app.server.cli_output(&["events", "list", "--type", "LicenceIssued"], None).await?;
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(unknown.status.code() == Some(2) && said.contains("no type of event `LicenceIssued`"), "{said}");

    // What was done meanwhile is known to the server that starts afterwards.
    app.server.restart().await?;
    app.stripe.add_product("prod_second", &[("product_id", &second)]);
    let checkout = Checkout::paid(Layout::Basil);
    app.stripe.add_session(&checkout.id, vec![session_line("li_1", "prod_second", 1)]);
    app.deliver(&[checkout.completed()]).await?;
    assert_eq!(app.licenses().await?.len(), 3);
    Ok(())
}

/// Guards: a demonstration that ends with nothing to click on.
async fn a_demonstration_leads_to_its_dashboard(backend: Backend) -> TestResult {
    let place = Place::new(backend, Some(&"5a".repeat(32))).await?;
    let mut demo = place.command(&["demo", "--listen", "127.0.0.1:0"]).stderr(Stdio::null()).spawn()?;
    let mut lines = BufReader::new(demo.stdout.take().ok_or("no output")?).lines();
    let link = async {
        while let Some(line) = lines.next_line().await? {
            if let Some(link) = line.strip_prefix("See it in a browser: ") {
                return Ok::<_, Error>(link.to_owned());
            }
        }
        Err("it ended without a link".into())
    };
    let link = tokio::time::timeout(4 * PATIENCE, link).await??;
    let page = reqwest::get(&link).await?;
    assert_eq!((page.status().as_u16(), page.url().as_str()), (200, link.as_str()));
    assert!(page.text().await?.contains("<form"), "{link}");
    Ok(demo.kill().await?)
}
