//! Keys are rotated while buyers buy and programs verify, and what the old ones signed or sealed stays good.

use std::path::Path;
use std::time::Duration;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD as BASE64URL};
use rand::RngExt as _;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::{Verdict, ask, unlimited};
use crate::support::compose::{Checkout, Layout};
use crate::support::stripe_api::session_line;
use crate::support::{Backend, Error, Keyledger, TestApp, TestResult, eventually, on_both_stores};

on_both_stores!(
    buyers_buy_while_the_master_key_is_rotated,
    a_rotation_of_the_master_key_survives_kills,
    no_backup_is_taken_while_the_master_key_is_rotated,
    a_team_signs_with_another_key_and_old_signatures_are_good,
    the_server_signs_with_another_key_and_old_signatures_are_good,
);

/// A paid checkout of one unit.
fn checkout(app: &TestApp) -> Checkout {
    let checkout = Checkout::paid(Layout::Basil);
    app.stripe.add_session(&checkout.id, vec![session_line("li_1", "prod_plugin", 1)]);
    checkout
}

/// The arguments of a rotation: on PostgreSQL the master key comes from the environment.
fn rotation(app: &TestApp, backend: Backend, seconds: &str) -> Vec<String> {
    let mut args: Vec<String> =
        ["keys", "rotate-master", "--hand-over-seconds", seconds, "--json"].map(str::to_owned).to_vec();
    if backend == Backend::Postgres {
        args.extend(["--new-key-file".to_owned(), app.server.folder().join("new.key").display().to_string()]);
    }
    args
}

async fn rotate(app: &TestApp, backend: Backend, seconds: &str) -> Result<Value, Error> {
    let args = rotation(app, backend, seconds);
    app.server.cli(&args.iter().map(String::as_str).collect::<Vec<_>>()).await
}

/// What is sealed is opened, also after a restart with the new master key.
async fn check_readable(server: &Keyledger, app: &TestApp, emails: &[String]) -> TestResult {
    let events = server.cli(&["events", "list", "--reveal", "--json"]).await?.to_string();
    for email in emails {
        assert!(events.contains(email), "{email} cannot be read");
    }
    assert!(!events.contains("\"gone\"") && !events.contains("\"unreadable\""), "something cannot be read");
    let licenses = server.cli(&["license", "list", "--team", &app.team, "--json"]).await?;
    let licenses = licenses.as_array().ok_or("no list")?;
    assert_eq!(licenses.len(), emails.len());
    assert!(licenses.iter().all(|license| license["key"].is_string()), "every key opens");
    Ok(())
}

async fn buyers_buy_while_the_master_key_is_rotated(backend: Backend) -> TestResult {
    let mut app = TestApp::with_stripe(backend).await?;
    let beside = app.server.start_beside().await?;
    let first = checkout(&app);
    app.deliver(&[first.completed()]).await?;
    let key = app.license().await?["key"].as_str().ok_or("no key")?.to_owned();
    let buy = async {
        let mut emails = vec![first.email.clone()];
        for _ in 0..12 {
            let checkout = checkout(&app);
            assert_eq!(app.post_stripe(&checkout.completed()).await?.status, 200);
            emails.push(checkout.email);
            for server in [&app.server, &beside] {
                let verdict = ask(&app.http, server, &app.team, "verify", &json!({ "licenseKey": key })).await?;
                assert_eq!(verdict.said(), (200, "VALID"), "keys are found while the master key is rotated");
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        Ok::<_, Error>(emails)
    };
    let (rotated, emails) = tokio::join!(rotate(&app, backend, "4"), buy);
    let (rotated, emails) = (rotated?, emails?);
    assert!(rotated["keys"].as_u64().is_some_and(|keys| keys >= 3), "{rotated}");
    drop(beside);
    // A process that starts with the old key only is told.
    if backend == Backend::Postgres {
        let refused = app.server.cli_output(&["team", "list"], None).await?;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            !refused.status.success() && said.contains("KEYLEDGER_MASTER_KEY") && said.contains("rotated"),
            "{said}"
        );
    }
    app.server.change_environment(new_environment(&app, backend)?)?;
    app.settle().await?;
    check_readable(&app.server, &app, &emails).await?;
    app.server.restart().await?;
    check_readable(&app.server, &app, &emails).await?;
    assert_eq!(app.verify(&key, &json!({})).await?.said(), (200, "VALID"), "the key's fingerprint is the same");
    // The same buyer again is the same customer: ids made of fingerprints stay.
    let again = Checkout { email: first.email.clone(), ..checkout(&app) };
    app.deliver(&[again.completed()]).await?;
    let customers = app.events_of("CustomerRegistered").await?;
    assert_eq!(customers.len(), emails.len(), "nobody is registered twice");
    Ok(())
}

/// The master key for processes that start after the rotation.
fn new_environment(app: &TestApp, backend: Backend) -> Result<Vec<(String, String)>, Error> {
    Ok(match backend {
        Backend::Sqlite => Vec::new(),
        Backend::Postgres => {
            let key = std::fs::read_to_string(app.server.folder().join("new.key"))?;
            vec![("KEYLEDGER_MASTER_KEY".to_owned(), key)]
        }
    })
}

/// Interleaving: the command ends between any two instructions of a rotation.
async fn a_rotation_of_the_master_key_survives_kills(backend: Backend) -> TestResult {
    let mut app = TestApp::with_stripe(backend).await?;
    let sales: Vec<Checkout> = (0..5).map(|_| checkout(&app)).collect();
    app.deliver(&sales.iter().map(Checkout::completed).collect::<Vec<_>>()).await?;
    let emails: Vec<String> = sales.into_iter().map(|sale| sale.email).collect();
    for _ in 0..12 {
        let args = rotation(&app, backend, "0");
        let mut command = app.server.command(&[]);
        let mut child =
            command.args(&args).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn()?;
        tokio::time::sleep(Duration::from_millis(rand::rng().random_range(0..400))).await;
        let ended = child.try_wait()?;
        child.kill()?;
        child.wait()?;
        if ended.is_some() && backend == Backend::Postgres {
            // It was done; the next one wants a new file and the new key.
            app.server.change_environment(new_environment(&app, backend)?)?;
            std::fs::remove_file(app.server.folder().join("new.key"))?;
        }
    }
    // The last one is let be, whatever the ones before left behind.
    if let Err(error) = rotate(&app, backend, "1").await {
        // Killed after its end, before the test saw it: the key in the file is in force.
        assert!(backend == Backend::Postgres, "{error}");
    }
    app.server.change_environment(new_environment(&app, backend)?)?;
    app.server.restart().await?;
    check_readable(&app.server, &app, &emails).await
}

/// Interleaving: keys are copied while they are put under another master key. No one master key would open the copy.
async fn no_backup_is_taken_while_the_master_key_is_rotated(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    app.deliver(&[checkout(&app).completed()]).await?;
    let copies = tempfile::tempdir()?;
    let (to, apart) = (copies.path().join("ledger").display().to_string(), copies.path().join("keys"));
    let backup = ["backup", "--to", to.as_str(), "--keys-to", &apart.display().to_string()].map(str::to_owned);
    let backup = backup.each_ref().map(String::as_str);
    let args = rotation(&app, backend, "60");
    let mut command = app.server.command(&[]);
    let mut rotating = command.args(&args).stdout(std::process::Stdio::null()).spawn()?;
    let refused = eventually("a backup that is refused", async || {
        let taken = app.server.cli_output(&backup, None).await?;
        for folder in [to.as_ref(), apart.as_path()] {
            if folder.exists() {
                std::fs::remove_dir_all(folder)?;
            }
        }
        Ok((!taken.status.success()).then(|| String::from_utf8_lossy(&taken.stderr).into_owned()))
    })
    .await;
    // Cut short, it is still one that is not done.
    rotating.kill()?;
    rotating.wait()?;
    let refused = refused?;
    assert!(refused.contains("being rotated") && refused.contains("rotate-master"), "{refused}");
    assert!(!app.server.cli_output(&backup, None).await?.status.success(), "a copy under two master keys");
    assert!(!Path::new(&to).exists() && !apart.exists(), "nothing is left");
    rotate(&app, backend, "0").await?;
    app.server.change_environment(new_environment(&app, backend)?)?;
    app.server.cli(&[&backup[..], &["--json"]].concat()).await?;
    Ok(())
}

async fn challenged(app: &TestApp, server: &Keyledger, key: &str, challenge: &str) -> Result<Verdict, Error> {
    let body = json!({ "licenseKey": key, "challenge": challenge });
    ask(&app.http, server, &app.team, "verify", &body).await
}

async fn a_team_signs_with_another_key_and_old_signatures_are_good(backend: Backend) -> TestResult {
    let app = TestApp::selling(backend, unlimited()).await?;
    let beside = app.server.start_beside().await?;
    let (_, key) = app.sell("").await?;
    let admin = app.program("admin").await?;
    let keys = async || Ok::<_, Error>(admin.admin(Method::GET, "/signing-keys", None).await?.data()?.clone());
    let before = keys().await?;
    assert_eq!(before.as_array().map(Vec::len), Some(1));
    let old_key = before[0]["publicKey"].as_str().ok_or("no key")?.to_owned();
    let old = challenged(&app, &app.server, &key, "one").await?;
    old.check_challenge(&old_key, "one")?;

    let rotated = admin.admin(Method::POST, "/signing-keys/rotate", None).await?.data()?.clone();
    let new_key = rotated[1]["publicKey"].as_str().ok_or("no key")?.to_owned();
    assert_ne!(new_key, old_key);
    assert_eq!((&rotated[0]["publicKey"], &rotated[1]["until"]), (&json!(old_key), &Value::Null));
    assert_eq!(rotated[0]["until"], rotated[1]["from"]);
    challenged(&app, &app.server, &key, "two").await?.check_challenge(&new_key, "two")?;
    eventually("the other server signs with it", async || {
        let verdict = challenged(&app, &beside, &key, "three").await?;
        Ok(verdict.check_challenge(&new_key, "three").is_ok().then_some(()))
    })
    .await?;
    // What was signed before is good, by the key that is still shown.
    let listed = keys().await?;
    old.check_challenge(listed[0]["publicKey"].as_str().unwrap_or_default(), "one")?;
    let auditor = app.program("auditor").await?;
    assert_eq!(auditor.admin(Method::GET, "/signing-keys", None).await?.data()?, &listed, "public keys are no secret");

    let team = app.server.cli(&["team", "rotate-key", "--team", &app.team, "--json"]).await?;
    assert_eq!(team["signingKeys"].as_array().map(Vec::len), Some(3));
    let shown = app.server.cli(&["team", "show", "--team", &app.team, "--json"]).await?;
    assert_eq!(shown, team);
    assert_eq!(shown["publicKey"], shown["signingKeys"][2]["publicKey"]);
    let people = app.server.cli_output(&["team", "show", "--team", &app.team], None).await?;
    assert!(String::from_utf8_lossy(&people.stdout).contains(&old_key));
    Ok(())
}

async fn published(app: &TestApp, server: &Keyledger) -> Result<Vec<Value>, Error> {
    let keys: Value = app.http.get(server.url("/.well-known/keyledger-keys.json")).send().await?.json().await?;
    Ok(keys["keys"].as_array().ok_or("no keys")?.clone())
}

/// The id of the published key that signed an answer.
fn signer(verdict: &Verdict, keys: &[Value], challenge: &str) -> Result<Option<String>, Error> {
    let header = verdict.headers.get("keyledger-signature").ok_or("not signed")?.to_str()?;
    let (t, signature) = header.split_once(",ed25519=").ok_or("another form")?;
    let t = t.strip_prefix("t=").ok_or("another form")?;
    let message = [format!("{t}.{challenge}.").as_bytes(), &verdict.bytes].concat();
    let signature = BASE64.decode(signature)?;
    for key in keys {
        let x = BASE64URL.decode(key["x"].as_str().ok_or("no x")?)?;
        if UnparsedPublicKey::new(&ED25519, x).verify(&message, &signature).is_ok() {
            return Ok(key["kid"].as_str().map(str::to_owned));
        }
    }
    Ok(None)
}

async fn the_server_signs_with_another_key_and_old_signatures_are_good(backend: Backend) -> TestResult {
    let app = TestApp::selling(backend, unlimited()).await?;
    let beside = app.server.start_beside().await?;
    let (_, key) = app.sell("").await?;
    let old = challenged(&app, &app.server, &key, "one").await?;
    let first = published(&app, &app.server).await?;
    let first_kid = signer(&old, &first, "one")?.ok_or("not the published key's")?;
    assert_eq!((first.len(), &first[0]["until"]), (1, &Value::Null));

    // Announced for tomorrow: shown at once, and not signing yet.
    let announced = app.server.cli(&["keys", "rotate-server", "--json"]).await?;
    assert_eq!(announced["keys"].as_array().map(Vec::len), Some(2));
    for server in [&app.server, &beside] {
        let keys = eventually("it is published", async || {
            Ok(Some(published(&app, server).await?).filter(|keys| keys.len() == 2))
        })
        .await?;
        assert_eq!(keys[0]["until"], keys[1]["from"]);
        let verdict = challenged(&app, server, &key, "two").await?;
        assert_eq!(signer(&verdict, &keys, "two")?.as_deref(), Some(first_kid.as_str()));
    }
    // One that signs at once outranks the announced one, now and tomorrow.
    app.server.cli(&["keys", "rotate-server", "--in-hours", "0", "--json"]).await?;
    for server in [&app.server, &beside] {
        eventually("it signs", async || {
            let keys = published(&app, server).await?;
            let verdict = challenged(&app, server, &key, "three").await?;
            let kid = signer(&verdict, &keys, "three")?;
            Ok((keys.len() == 3 && kid.as_deref() == keys[2]["kid"].as_str()).then_some(()))
        })
        .await?;
    }
    let all = published(&app, &app.server).await?;
    assert_eq!(signer(&old, &all, "one")?.as_deref(), Some(first_kid.as_str()), "the old signature is good");
    let kids: std::collections::BTreeSet<_> = all.iter().filter_map(|key| key["kid"].as_str()).collect();
    assert_eq!(kids.len(), 3);
    let shown = app.server.cli(&["keys", "show", "--json"]).await?;
    assert_eq!(shown["keys"], json!(all));
    assert!(shown["master"]["id"].is_string() && shown["master"]["handedOver"] == false);
    Ok(())
}
