//! Client programs written for Lukittu ask whether a key may be used; what they are answered, and what that changes.

use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::support::client::{ask, device, unlimited};
use crate::support::{Backend, Options, TestApp, TestResult, eventually, on_both_stores, unix};

on_both_stores!(
    a_key_is_verified_and_the_answer_can_be_trusted,
    every_refusal_has_its_code_its_status_and_its_words,
    a_bad_request_names_the_field,
    the_first_accepted_verification_starts_the_clock_and_a_refused_one_does_not,
    what_was_asked_is_in_the_log_and_not_in_the_ledger,
    a_strangers_texts_are_not_kept_whole,
    an_unreadable_path_is_answered_like_any_bad_request,
    what_several_teams_were_asked_is_listed_newest_first,
    a_verification_is_explained_step_by_step,
    too_many_questions_are_told_to_wait,
    a_revocation_is_honoured_by_every_node,
    a_verification_under_way_is_answered_before_the_server_ends,
    a_stop_right_after_the_start_loses_nothing,
    what_a_command_has_changed_counts_when_it_ends,
    metrics_say_what_they_count,
);

async fn a_key_is_verified_and_the_answer_can_be_trusted(backend: Backend) -> TestResult {
    let app = TestApp::selling(backend, unlimited()).await?;
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
    let app = TestApp::selling(backend, unlimited()).await?;
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
    let app = TestApp::selling(backend, unlimited()).await?;
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

async fn the_first_accepted_verification_starts_the_clock_and_a_refused_one_does_not(backend: Backend) -> TestResult {
    let app = TestApp::selling(backend, unlimited()).await?;
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

async fn what_was_asked_is_in_the_log_and_not_in_the_ledger(backend: Backend) -> TestResult {
    let app = TestApp::selling(backend, unlimited()).await?;
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

async fn a_strangers_texts_are_not_kept_whole(backend: Backend) -> TestResult {
    let app = TestApp::selling(backend, unlimited()).await?;
    let (_, key) = app.sell("").await?;
    let fields = json!({
        "hardwareIdentifier": "é".repeat(1_000), "version": "1".repeat(255), "branch": "b".repeat(255),
    });
    assert_eq!(app.verify("AAAAA-AAAAA-AAAAA-AAAAA-AAAAA", &fields).await?.code(), "LICENSE_NOT_FOUND");
    assert_eq!(app.verify(&key, &fields).await?.said(), (200, "VALID"));
    let listed = eventually("the log is written", async || {
        let listed = app.server.cli(&["requests", "list", "--team", &app.team, "--json"]).await?;
        Ok(listed.as_array().filter(|all| all.len() == 2).cloned())
    })
    .await?;
    let of =
        |entry: &Value| ["device", "version", "branch"].map(|name| entry[name].as_str().map(|t| t.chars().count()));
    assert_eq!(of(&listed[1]), [Some(100); 3]);
    assert_eq!(of(&listed[0]), [Some(1_000), Some(255), Some(255)]);
    Ok(())
}

async fn an_unreadable_path_is_answered_like_any_bad_request(backend: Backend) -> TestResult {
    let app = TestApp::selling(backend, unlimited()).await?;
    let body = json!({ "licenseKey": "AAAAA-AAAAA-AAAAA-AAAAA-AAAAA", "challenge": "sign-me-too" });
    for action in ["verify", "heartbeat"] {
        let verdict = ask(&app.http, &app.server, "%FF", action, &body).await?;
        assert_eq!((verdict.said(), verdict.details()), ((400, "BAD_REQUEST"), "teamId: must be a UUID"));
        verdict.check_signature(&app.server, "sign-me-too").await?;
    }
    Ok(())
}

async fn what_several_teams_were_asked_is_listed_newest_first(backend: Backend) -> TestResult {
    let app = TestApp::selling(backend, unlimited()).await?;
    let (_, key) = app.sell("").await?;
    let other = app.server.cli(&["team", "create", "Another", "--json"]).await?;
    let other = other["id"].as_str().ok_or("no team")?.to_owned();
    let (list, mut asked) = (["requests", "list", "--json"], Vec::new());
    for round in 0..4 {
        let team = if round % 2 == 0 { &app.team } else { &other };
        let device = device();
        let body = json!({ "licenseKey": key, "hardwareIdentifier": device });
        ask(&app.http, &app.server, team, "verify", &body).await?;
        asked.insert(0, device);
        eventually("the log is written", async || {
            let listed = app.server.cli(&list).await?;
            Ok(listed.as_array().filter(|all| all.len() == asked.len()).map(drop))
        })
        .await?;
    }
    for limit in ["3", "4"] {
        let listed = app.server.cli(&[&list[..], &["--limit", limit]].concat()).await?;
        let devices: Vec<_> = listed.as_array().into_iter().flatten().map(|entry| &entry["device"]).collect();
        assert_eq!(devices, asked.iter().take(limit.parse()?).collect::<Vec<_>>());
    }
    Ok(())
}

async fn a_verification_is_explained_step_by_step(backend: Backend) -> TestResult {
    let app = TestApp::selling(backend, unlimited()).await?;
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
    let app = TestApp::selling(backend, options).await?;
    let (_, key) = app.sell("").await?;
    // A body that says nothing is told so at any time, and takes nobody's turn.
    let nonsense = json!({ "licenseKey": "x" });
    let ask_nonsense = async || ask(&app.http, &app.server, &app.team, "verify", &nonsense).await;
    for _ in 0..7 {
        assert_eq!(ask_nonsense().await?.said(), (400, "BAD_REQUEST"));
    }
    for _ in 0..5 {
        assert_eq!(app.verify(&key, &json!({})).await?.said(), (200, "VALID"));
    }
    let limited = app.verify(&key, &json!({ "challenge": "sign-me-too" })).await?;
    assert_eq!(limited.said(), (429, "RATE_LIMIT"));
    let wait: u64 = limited.headers["retry-after"].to_str()?.parse()?;
    assert!((1..=60).contains(&wait), "{wait}");
    limited.check_signature(&app.server, "sign-me-too").await?;
    assert_eq!(app.verify(&key, &json!({})).await?.said(), (429, "RATE_LIMIT"));
    assert_eq!(ask_nonsense().await?.said(), (400, "BAD_REQUEST"));
    // The log tells of both, and does not grow with them.
    let list = ["requests", "list", "--team", &app.team, "--json"];
    eventually("the log tells of what was refused", async || {
        let listed = app.server.cli(&list).await?;
        let codes: Vec<_> = listed.as_array().into_iter().flatten().filter_map(|one| one["code"].as_str()).collect();
        let count = |code| codes.iter().filter(|one| **one == code).count();
        let all = (count("VALID"), count("RATE_LIMIT"), count("BAD_REQUEST"));
        Ok((all == (5, 1, 1)).then_some(()))
    })
    .await?;
    // Sales have a limit of their own.
    app.sell("").await.map(drop)
}

async fn a_revocation_is_honoured_by_every_node(backend: Backend) -> TestResult {
    let app = TestApp::selling(backend, unlimited()).await?;
    let beside = app.server.start_beside().await?;
    let (id, key) = app.sell("").await?;
    let body = json!({ "licenseKey": key });
    for server in [&app.server, &beside] {
        assert_eq!(ask(&app.http, server, &app.team, "verify", &body).await?.said(), (200, "VALID"));
    }
    // The command is a third process.
    app.server.cli(&["license", "revoke", &id, "--json"]).await?;
    tokio::time::sleep(Duration::from_millis(800)).await;
    for server in [&app.server, &beside] {
        let verdict = ask(&app.http, server, &app.team, "verify", &body).await?;
        assert_eq!((verdict.said(), verdict.details()), ((403, "LICENSE_SUSPENDED"), "License revoked"));
    }
    Ok(())
}

async fn a_verification_under_way_is_answered_before_the_server_ends(backend: Backend) -> TestResult {
    let mut app = TestApp::selling(backend, unlimited()).await?;
    let (_, key) = app.sell("").await?;
    let (first, rest) = in_two_parts(&app.team, &key);
    let address = app.server.url("").trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(first.as_bytes()).await?;
    let asking = async {
        // Longer than what is known of the ledger is believed without asking it again.
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        stream.write_all(rest.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let begin = async {
        // The server has read the head.
        tokio::time::sleep(Duration::from_millis(200)).await;
        app.server.terminate().await
    };
    let (answer, ended) = tokio::join!(asking, begin);
    let answer = answer?;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(r#""code":"VALID""#), "{answer}");
    assert!(ended?.success());
    Ok(())
}

/// A verification as a slow client sends it.
fn in_two_parts(team: &str, key: &str) -> (String, String) {
    let body = json!({ "licenseKey": key }).to_string();
    let (first, rest) = body.split_at(9);
    let head = format!("POST /api/v1/client/teams/{team}/verification/verify HTTP/1.1\r\nhost: x\r\ncontent-length");
    (format!("{head}: {}\r\n\r\n{first}", body.len()), rest.to_owned())
}

/// Interleaving: the server says that it listens, is asked, and is told to stop before it has done anything else.
async fn a_stop_right_after_the_start_loses_nothing(backend: Backend) -> TestResult {
    let app = TestApp::selling(backend, unlimited()).await?;
    let (_, key) = app.sell("").await?;
    let (first, rest) = in_two_parts(&app.team, &key);
    for _ in 0..3 {
        let mut command = tokio::process::Command::from(app.server.command(&["serve", "--listen", "127.0.0.1:0"]));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let mut said = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        let line = said.next_line().await?.ok_or("it does not listen")?;
        let address = line.strip_prefix("listening on http://").ok_or_else(|| format!("it says {line}"))?;
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(first.as_bytes()).await?;
        kill(Pid::from_raw(i32::try_from(child.id().ok_or("it has ended")?)?), Signal::SIGTERM)?;
        tokio::time::sleep(Duration::from_millis(50)).await;
        stream.write_all(rest.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(r#""code":"VALID""#), "{answer}");
        assert!(child.wait().await?.success());
    }
    Ok(())
}

async fn what_a_command_has_changed_counts_when_it_ends(backend: Backend) -> TestResult {
    let app = TestApp::selling(backend, unlimited()).await?;
    let beside = app.server.start_beside().await?;
    let (id, key) = app.sell("").await?;
    let body = json!({ "licenseKey": key });
    for _ in 0..4 {
        for (action, said) in [("suspend", (403, "LICENSE_SUSPENDED")), ("reinstate", (200, "VALID"))] {
            app.server.cli(&["license", action, &id, "--json"]).await?;
            for server in [&app.server, &beside] {
                assert_eq!(ask(&app.http, server, &app.team, "verify", &body).await?.said(), said, "{action}");
            }
        }
    }
    let public_key = app.server.cli(&["team", "rotate-key", "--team", &app.team, "--json"]).await?;
    let public_key = public_key["publicKey"].as_str().ok_or("no public key")?.to_owned();
    app.verify(&key, &json!({ "challenge": "sign-me" })).await?.check_challenge(&public_key, "sign-me")
}

async fn metrics_say_what_they_count(backend: Backend) -> TestResult {
    let app = TestApp::selling(backend, unlimited()).await?;
    let (_, key) = app.sell("").await?;
    app.verify(&key, &json!({})).await?;
    let text = reqwest::get(app.server.url("/metrics")).await?.text().await?;
    let names = |kind: &str| -> std::collections::BTreeSet<&str> {
        text.lines().filter_map(|line| line.strip_prefix(kind)?.split(' ').next()).collect()
    };
    assert!(names("# TYPE ").contains("keyledger_verifications_total"), "{text}");
    assert_eq!(names("# TYPE "), names("# HELP "));
    Ok(())
}
