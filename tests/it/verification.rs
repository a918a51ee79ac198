//! Client programs written for Lukittu ask whether a key may be used; what they are answered, and what that changes.

use serde_json::{Value, json};

use crate::support::client::{ask, device};
use crate::support::{Backend, Options, TestApp, TestResult, eventually, on_both_stores, unix};

on_both_stores!(
    a_key_is_verified_and_the_answer_can_be_trusted,
    every_refusal_has_its_code_its_status_and_its_words,
    a_bad_request_names_the_field,
    seats_are_taken_and_freed_by_the_seller,
    a_licence_with_a_device_limit_wants_a_device,
    addresses_have_seats_too,
    the_first_accepted_verification_starts_the_clock_and_a_refused_one_does_not,
    an_answer_shows_what_the_team_allows_and_nothing_else,
    strict_settings_want_a_customer_and_a_product,
    the_blacklist_refuses_addresses_devices_and_countries,
    what_was_asked_is_in_the_log_and_not_in_the_ledger,
    a_verification_is_explained_step_by_step,
    too_many_questions_are_told_to_wait,
    a_revocation_is_honoured_by_every_node,
);

async fn seller(backend: Backend) -> Result<TestApp, crate::support::Error> {
    let options = Options::default().env("KEYLEDGER_VERIFY_LIMIT_PER_MINUTE", "0");
    TestApp::builder(backend).polymart().options(options).build().await
}

async fn a_key_is_verified_and_the_answer_can_be_trusted(backend: Backend) -> TestResult {
    let app = seller(backend).await?;
    let (_, key) = app.sell("hwidLimit=2").await?;
    let teams = app.server.cli(&["team", "list", "--json"]).await?;
    let public_key = teams[0]["publicKey"].as_str().ok_or("no public key")?;
    let body = json!({
        "licenseKey": key, "productId": app.product, "challenge": "a-challenge-of-mine", "version": "1.2.3",
        "branch": "main", "hardwareIdentifier": device(),
    });
    for (action, details) in [("verify", "License is valid"), ("heartbeat", "Heartbeat successful")] {
        let verdict = ask(&app.http, &app.server, &app.team, action, &body).await?;
        assert_eq!(verdict.said(), (200, "VALID"), "{verdict:?}");
        assert_eq!((verdict.details(), &verdict.body["result"]["valid"]), (details, &json!(true)));
        assert_eq!(verdict.body["data"], Value::Null);
        unix(&verdict.body["result"]["timestamp"])?;
        verdict.check_challenge(public_key, "a-challenge-of-mine")?;
        verdict.check_signature(&app.server, "a-challenge-of-mine").await?;
        assert!(verdict.check_signature(&app.server, "another-challenge").await.is_err());
    }
    let without = app.verify_from(&key, &device()).await?;
    assert_eq!(without.said(), (200, "VALID"));
    assert!(without.body["result"].get("challengeResponse").is_none());
    assert!(!without.headers.contains_key("keyledger-signature"));
    Ok(())
}

async fn every_refusal_has_its_code_its_status_and_its_words(backend: Backend) -> TestResult {
    let app = seller(backend).await?;
    let (suspended, suspended_key) = app.sell("").await?;
    let (revoked, revoked_key) = app.sell("").await?;
    let (_, key) = app.sell("").await?;
    app.server.cli(&["license", "suspend", &suspended, "--json"]).await?;
    app.server.cli(&["license", "revoke", &revoked, "--json"]).await?;
    let other = uuid::Uuid::new_v4().to_string();
    let challenge = json!({ "challenge": "sign-the-refusal" });
    let with = |name: &str, value: &str| json!({ "challenge": "sign-the-refusal", name: value });
    for (key, fields, status, code, details) in [
        ("AAAAA-AAAAA-AAAAA-AAAAA-AAAAA", challenge.clone(), 404, "LICENSE_NOT_FOUND", "License not found"),
        (&suspended_key, challenge.clone(), 403, "LICENSE_SUSPENDED", "License suspended"),
        (&revoked_key, challenge.clone(), 403, "LICENSE_SUSPENDED", "License revoked"),
        (&key, with("productId", &other), 404, "PRODUCT_NOT_FOUND", "Product not found"),
    ] {
        let verdict = app.verify(key, &fields).await?;
        assert_eq!((verdict.said(), verdict.details()), ((status, code), details));
        assert_eq!((&verdict.body["data"], &verdict.body["result"]["valid"]), (&Value::Null, &json!(false)));
        assert!(
            verdict.body["result"].get("challengeResponse").is_none(),
            "only a valid licence's challenge is signed"
        );
        verdict.check_signature(&app.server, "sign-the-refusal").await?;
    }
    let nobody = ask(&app.http, &app.server, &other, "verify", &json!({ "licenseKey": key })).await?;
    assert_eq!((nobody.said(), nobody.details()), ((404, "TEAM_NOT_FOUND"), "Team not found"));
    // A team's key opens nothing at another team.
    let second = app.server.cli(&["team", "create", "Somebody Else", "--json"]).await?;
    let second = second["id"].as_str().ok_or("no id")?;
    let elsewhere = ask(&app.http, &app.server, second, "verify", &json!({ "licenseKey": key })).await?;
    assert_eq!(elsewhere.said(), (404, "LICENSE_NOT_FOUND"));
    // Reinstated by another process, it is valid again.
    app.server.cli(&["license", "reinstate", &suspended, "--json"]).await?;
    assert_eq!(app.verify(&suspended_key, &challenge).await?.said(), (200, "VALID"));
    Ok(())
}

async fn a_bad_request_names_the_field(backend: Backend) -> TestResult {
    let app = seller(backend).await?;
    let (_, key) = app.sell("").await?;
    for (field, value) in [
        ("customerId", json!("not-a-uuid")),
        ("productId", json!(7)),
        ("challenge", json!("two words")),
        ("version", json!("1")),
        ("branch", json!("b")),
        ("hardwareIdentifier", json!("short")),
        ("licenceKey", json!(key)),
    ] {
        let verdict = app.verify(&key, &json!({ field: value })).await?;
        assert_eq!(verdict.said(), (400, "BAD_REQUEST"), "{field}");
        assert!(verdict.details().starts_with(field), "{}", verdict.details());
    }
    let heartbeat = ask(&app.http, &app.server, &app.team, "heartbeat", &json!({ "licenseKey": key })).await?;
    assert_eq!(heartbeat.said(), (400, "BAD_REQUEST"));
    assert!(heartbeat.details().starts_with("hardwareIdentifier"));
    let no_team = ask(&app.http, &app.server, "no-uuid", "verify", &json!({ "licenseKey": key })).await?;
    assert_eq!(no_team.said(), (400, "BAD_REQUEST"));
    assert!(no_team.details().starts_with("teamId"));
    // The older name of the field works.
    let old = json!({ "licenseKey": key, "deviceIdentifier": device() });
    assert_eq!(ask(&app.http, &app.server, &app.team, "heartbeat", &old).await?.said(), (200, "VALID"));
    Ok(())
}

async fn seats_are_taken_and_freed_by_the_seller(backend: Backend) -> TestResult {
    let app = seller(backend).await?;
    let (id, key) = app.sell("hwidLimit=2").await?;
    let (one, two, three) = (device(), device(), device());
    for device in [&one, &two, &one, &two] {
        assert_eq!(app.verify_from(&key, device).await?.said(), (200, "VALID"));
    }
    let full = app.verify_from(&key, &three).await?;
    assert_eq!((full.said(), full.details()), ((403, "HWID_LIMIT_REACHED"), "HWID limit reached"));
    assert_eq!(app.events_of("DeviceBound").await?.len(), 2, "only a new device is an event");

    let seats = app.server.cli(&["license", "seats", &id, "--json"]).await?;
    let seats = seats.as_array().ok_or("no list")?;
    let seat = seats.iter().find(|seat| seat["identifier"] == one.as_str()).ok_or("the device is not listed")?;
    assert_eq!((&seat["kind"], &seat["status"]), (&json!("device"), &json!("active")));
    app.server.cli(&["license", "forget", &id, seat["id"].as_str().ok_or("no id")?, "--json"]).await?;
    assert_eq!(app.verify_from(&key, &three).await?.said(), (200, "VALID"));
    assert_eq!(app.verify_from(&key, &one).await?.said(), (403, "HWID_LIMIT_REACHED"));
    let released = app.events_of("DeviceReleased").await?;
    assert_eq!((&released[0]["data"]["reason"], &released[0]["actor"]), (&json!("forgotten"), &json!("cli")));
    let bound = app.events_of("DeviceBound").await?;
    assert_eq!(bound[0]["actor"], "client");
    assert!(bound.iter().all(|event| !event.to_string().contains(&one)), "a hardware identifier is sealed");
    Ok(())
}

async fn a_licence_with_a_device_limit_wants_a_device(backend: Backend) -> TestResult {
    let app = seller(backend).await?;
    let (_, key) = app.sell("hwidLimit=1").await?;
    let verdict = app.verify(&key, &json!({})).await?;
    assert_eq!(verdict.said(), (400, "BAD_REQUEST"));
    assert!(verdict.details().contains("hardwareIdentifier"), "{}", verdict.details());
    Ok(())
}

async fn addresses_have_seats_too(backend: Backend) -> TestResult {
    let options = Options::default()
        .env("KEYLEDGER_VERIFY_LIMIT_PER_MINUTE", "0")
        .env("KEYLEDGER_TRUSTED_PROXIES", "127.0.0.1/32");
    let app = TestApp::builder(backend).polymart().options(options).build().await?;
    let (_, key) = app.sell("ipLimit=1").await?;
    let path = format!("/api/v1/client/teams/{}/verification/verify", app.team);
    let from = async |address: &str| {
        let body = json!({ "licenseKey": key }).to_string().into_bytes();
        app.post(&path, &[("x-forwarded-for", address)], body).await
    };
    assert_eq!(from("203.0.113.1").await?.status, 200);
    assert_eq!(from("203.0.113.1").await?.status, 200);
    let second = from("203.0.113.2").await?;
    assert_eq!((second.status, &second.body["result"]["code"]), (403, &json!("IP_LIMIT_REACHED")));
    // What the client itself writes into the header is not believed.
    assert_eq!(from("203.0.113.1, 203.0.113.3").await?.status, 403);
    assert_eq!(app.events_of("AddressBound").await?.len(), 1);
    Ok(())
}

async fn the_first_accepted_verification_starts_the_clock_and_a_refused_one_does_not(backend: Backend) -> TestResult {
    let app = seller(backend).await?;
    let (id, key) = app.sell("expirationDays=90&expirationStart=ACTIVATION&hwidLimit=1").await?;
    assert_eq!(app.license_of(&id).await?["status"], "UPCOMING");
    let other = uuid::Uuid::new_v4();
    for refused in [json!({}), json!({ "hardwareIdentifier": device(), "productId": other })] {
        assert_ne!(app.verify(&key, &refused).await?.status, 200);
    }
    assert!(app.events_of("LicenseActivated").await?.is_empty());
    let first = device();
    assert_eq!(app.verify_from(&key, &first).await?.said(), (200, "VALID"));
    assert_eq!(app.verify_from(&key, &first).await?.said(), (200, "VALID"));
    let license = app.license_of(&id).await?;
    let days = unix(&license["expiresAt"])? - unix(&license["activatedAt"])?;
    assert_eq!((&license["status"], days), (&json!("ACTIVE"), 90 * 86_400));
    assert_eq!(app.events_of("LicenseActivated").await?.len(), 1);
    Ok(())
}

async fn an_answer_shows_what_the_team_allows_and_nothing_else(backend: Backend) -> TestResult {
    let app = seller(backend).await?;
    let (id, key) = app.sell("expirationDays=30&hwidLimit=3").await?;
    let allowed = json!({
        "licenseHwidLimit": true, "licenseIpLimit": true, "licenseExpirationType": true,
        "licenseExpirationStart": true, "licenseExpirationDate": true, "licenseExpirationDays": true,
        "productName": true, "customerEmail": true,
    });
    app.set_verification(&["--returned-fields", &allowed.to_string()]).await?;
    let license = app.license_of(&id).await?;
    let expected = json!({
        "license": {
            "ipLimit": null, "hwidLimit": 3, "seats": 3, "expirationType": "DURATION",
            "expirationStart": "CREATION", "expirationDate": license["expiresAt"], "expirationDays": 30,
        },
        "products": [{ "name": "Plugin" }],
    });
    eventually("the settings are in force", async || {
        Ok((app.verify_from(&key, "a-device-of-mine").await?.body["data"] == expected).then_some(()))
    })
    .await?;
    app.set_verification(&["--returned-fields", r#"{"productName":true}"#]).await?;
    eventually("the other settings are in force", async || {
        let data = app.verify_from(&key, "a-device-of-mine").await?.body["data"].clone();
        Ok((data == json!({ "products": [{ "name": "Plugin" }] })).then_some(()))
    })
    .await?;
    let wrong = ["team", "verification", "--team", &app.team, "--returned-fields", r#"{"everything":true}"#];
    assert_eq!(app.server.cli_output(&wrong, None).await?.status.code(), Some(2));
    Ok(())
}

async fn strict_settings_want_a_customer_and_a_product(backend: Backend) -> TestResult {
    let app = seller(backend).await?;
    let (_, key) = app.sell("").await?;
    assert_eq!(app.verify(&key, &json!({})).await?.said(), (200, "VALID"));
    app.set_verification(&["--strict-products", "true", "--strict-customers", "true"]).await?;
    eventually("the settings are in force", async || {
        Ok((app.verify(&key, &json!({})).await?.said() == (404, "PRODUCT_NOT_FOUND")).then_some(()))
    })
    .await?;
    // Polymart tells of no customer: a licence without any fits every one.
    assert_eq!(app.verify(&key, &json!({ "productId": app.product })).await?.said(), (200, "VALID"));
    Ok(())
}

async fn the_blacklist_refuses_addresses_devices_and_countries(backend: Backend) -> TestResult {
    let options = Options::default()
        .env("KEYLEDGER_VERIFY_LIMIT_PER_MINUTE", "0")
        .env("KEYLEDGER_COUNTRY_HEADER", "CF-IPCountry")
        .env("KEYLEDGER_TRUSTED_PROXIES", "127.0.0.1/32");
    let app = TestApp::builder(backend).polymart().options(options).build().await?;
    let (_, key) = app.sell("").await?;
    let path = format!("/api/v1/client/teams/{}/verification/verify", app.team);
    let from = async |address: &str, country: &str, device: &str| {
        let body = json!({ "licenseKey": key, "hardwareIdentifier": device }).to_string().into_bytes();
        let answer = app.post(&path, &[("x-forwarded-for", address), ("cf-ipcountry", country)], body).await?;
        Ok::<_, crate::support::Error>((answer.status, answer.body["result"]["code"].clone()))
    };
    let block = async |option: &str, value: &str| {
        app.server.cli(&["blacklist", "add", "--team", &app.team, option, value, "--json"]).await
    };
    let network = block("--address", "203.0.113.77/24").await?;
    assert_eq!(network["value"], "203.0.113.0/24");
    block("--device", "a-stolen-device").await?;
    block("--country", "kp").await?;
    for (address, country, device, code) in [
        ("203.0.113.5", "DE", "an-honest-device", "IP_BLACKLISTED"),
        ("198.51.100.5", "KP", "an-honest-device", "COUNTRY_BLACKLISTED"),
        ("198.51.100.5", "DE", "a-stolen-device", "HARDWARE_IDENTIFIER_BLACKLISTED"),
    ] {
        eventually(code, async || Ok((from(address, country, device).await? == (403, json!(code))).then_some(())))
            .await?;
    }
    assert_eq!(from("198.51.100.5", "DE", "an-honest-device").await?.0, 200);
    let id = network["id"].as_str().ok_or("no id")?;
    app.server.cli(&["blacklist", "remove", id, "--team", &app.team, "--json"]).await?;
    // Nobody is refused from memory: the removal counts at once.
    assert_eq!(from("203.0.113.5", "DE", "an-honest-device").await?.0, 200);
    let wrong = app.server.cli_output(&["blacklist", "add", "--team", &app.team, "--address", "here"], None).await?;
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("`here`"));
    Ok(())
}

async fn what_was_asked_is_in_the_log_and_not_in_the_ledger(backend: Backend) -> TestResult {
    let app = seller(backend).await?;
    let (id, key) = app.sell("hwidLimit=1").await?;
    let first = device();
    app.verify_from(&key, &first).await?;
    let before = app.events().await?.len();
    for _ in 0..5 {
        app.verify_from(&key, &device()).await?;
    }
    assert_eq!(app.events().await?.len(), before, "a stranger with a key cannot make the ledger grow");
    let list = ["requests", "list", "--team", &app.team, "--json"];
    let listed = eventually("the log is written", async || {
        let listed = app.server.cli(&list).await?;
        Ok(listed.as_array().filter(|all| all.len() == 6).cloned())
    })
    .await?;
    let accepted = &listed[5];
    assert_eq!((&accepted["code"], &accepted["device"]), (&json!("VALID"), &json!(first)));
    assert_eq!((&accepted["licenseId"], &accepted["kind"]), (&json!(id), &json!("verify")));
    assert_eq!((&accepted["address"], &listed[0]["code"]), (&json!("127.0.0.1"), &json!("HWID_LIMIT_REACHED")));
    assert!(!Value::Array(listed.clone()).to_string().contains(&key), "the log holds no key");
    let refused = app.server.cli(&[&list[..], &["--code", "hwid_limit_reached", "--limit", "2"]].concat()).await?;
    assert_eq!(refused.as_array().map(Vec::len), Some(2));
    let used = app.license_of(&id).await?;
    assert_eq!(used["lastUsedAt"].as_str().map(|text| &text[..16]), accepted["at"].as_str().map(|text| &text[..16]));
    Ok(())
}

async fn a_verification_is_explained_step_by_step(backend: Backend) -> TestResult {
    let app = seller(backend).await?;
    let (id, key) = app.sell("hwidLimit=1&expirationDays=7&expirationStart=ACTIVATION").await?;
    let explain = ["license", "explain", &key, "--team", &app.team, "--json"];
    let with = |more: &[&str]| explain.iter().chain(more).map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let told = async |more: &[&str]| {
        let args = with(more);
        app.server.cli(&args.iter().map(String::as_str).collect::<Vec<_>>()).await
    };
    let open = told(&["--device", "a-device-of-mine"]).await?;
    assert_eq!((&open["code"], &open["licenseId"]), (&json!("VALID"), &json!(id)));
    assert_eq!(open["effects"].as_array().map(Vec::len), Some(2), "activation and a seat: {open}");
    assert!(app.events_of("DeviceBound").await?.is_empty(), "explaining changes nothing");
    app.verify_from(&key, "another-device").await?;
    let full = told(&["--device", "a-device-of-mine"]).await?;
    assert_eq!(full["code"], "HWID_LIMIT_REACHED");
    let failed: Vec<_> = full["steps"].as_array().into_iter().flatten().filter(|s| s["outcome"] == "fails").collect();
    assert_eq!(failed.len(), 1);
    assert!(failed[0]["because"].as_str().is_some_and(|text| text.contains("1 of 1 seats")), "{failed:?}");
    app.server.cli(&["license", "suspend", &id, "--json"]).await?;
    let suspended = told(&[]).await?;
    assert_eq!(suspended["code"], "LICENSE_SUSPENDED");
    let people = app.server.cli_output(&explain[..5], None).await?;
    let people = String::from_utf8_lossy(&people.stdout).into_owned();
    assert!(people.contains("FAILS") && people.contains("suspended by the seller"), "{people}");
    Ok(())
}

async fn too_many_questions_are_told_to_wait(backend: Backend) -> TestResult {
    let options = Options::default().env("KEYLEDGER_VERIFY_LIMIT_PER_MINUTE", "5");
    let app = TestApp::builder(backend).polymart().options(options).build().await?;
    let (_, key) = app.sell("").await?;
    for _ in 0..5 {
        assert_eq!(app.verify(&key, &json!({})).await?.said(), (200, "VALID"));
    }
    let limited = app.verify(&key, &json!({ "challenge": "sign-me-too" })).await?;
    assert_eq!(limited.said(), (429, "RATE_LIMIT"));
    let wait: u64 = limited.headers["retry-after"].to_str()?.parse()?;
    assert!((1..=60).contains(&wait), "{wait}");
    limited.check_signature(&app.server, "sign-me-too").await?;
    // Sales have a limit of their own.
    app.sell("").await.map(drop)
}

async fn a_revocation_is_honoured_by_every_node(backend: Backend) -> TestResult {
    let app = seller(backend).await?;
    let beside = app.server.start_beside().await?;
    let (id, key) = app.sell("").await?;
    let body = json!({ "licenseKey": key });
    for server in [&app.server, &beside] {
        assert_eq!(ask(&app.http, server, &app.team, "verify", &body).await?.said(), (200, "VALID"));
    }
    // The command is a third process.
    app.server.cli(&["license", "revoke", &id, "--json"]).await?;
    tokio::time::sleep(std::time::Duration::from_millis(800)).await;
    for server in [&app.server, &beside] {
        let verdict = ask(&app.http, server, &app.team, "verify", &body).await?;
        assert_eq!((verdict.said(), verdict.details()), ((403, "LICENSE_SUSPENDED"), "License revoked"));
    }
    Ok(())
}
