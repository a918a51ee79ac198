//! A backup is taken while everything serves, and brings everything back, on either engine; what is not whole is never
//! taken for it.

mod keys;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::app::mails_in;
use crate::support::client::{device, unlimited};
use crate::support::compose::{Checkout, Layout, polymart};
use crate::support::place::Place;
use crate::support::stripe_api::session_line;
use crate::support::{Backend, Error, TestApp, TestResult, on_both_stores};

on_both_stores!(
    a_backup_taken_under_load_comes_back_on_either_engine,
    a_killed_backup_is_never_taken_for_a_whole_one,
    a_killed_restore_goes_on_and_is_refused_until_then,
    nothing_is_restored_under_a_running_server,
    every_damage_is_refused_and_named,
    copies_that_do_not_belong_together_are_refused,
);

const ENGINES: [Backend; 2] = [Backend::Sqlite, Backend::Postgres];

/// The folders of a copy.
struct Copies {
    _home: TempDir,
    ledger: PathBuf,
    keys: PathBuf,
}

impl Copies {
    fn new() -> Result<Self, Error> {
        let home = tempfile::tempdir()?;
        let (ledger, keys) = (home.path().join("ledger copy"), home.path().join("keys-copy"));
        Ok(Self { _home: home, ledger, keys })
    }

    fn backup(&self) -> [&str; 6] {
        ["backup", "--to", text(&self.ledger), "--keys-to", text(&self.keys), "--json"]
    }

    fn restore(&self) -> [&str; 6] {
        ["restore", "--from", text(&self.ledger), "--keys-from", text(&self.keys), "--json"]
    }

    fn files(&self) -> Result<Vec<PathBuf>, Error> {
        let mut files = Vec::new();
        for folder in [&self.ledger, &self.keys] {
            for entry in fs::read_dir(folder)? {
                files.push(entry?.path());
            }
        }
        Ok(files)
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

/// A backup of a server.
async fn backed_up(app: &TestApp) -> Result<(Copies, Value), Error> {
    let copies = Copies::new()?;
    let taken = app.server.cli(&copies.backup()).await?;
    Ok((copies, taken))
}

/// The master key of a server.
fn master(app: &TestApp) -> Result<String, Error> {
    if app.server.database_url().starts_with("postgres") {
        return Ok("5a".repeat(32));
    }
    Ok(fs::read_to_string(app.server.folder().join("data/master.key"))?)
}

/// A place for what is restored of a server.
async fn place_for(app: &TestApp, engine: Backend) -> Result<Place, Error> {
    Place::new(engine, Some(&master(app)?)).await
}

/// A seller who has sold through both providers: the licence with two seats, and its key.
async fn seller(backend: Backend) -> Result<(TestApp, String, String), Error> {
    let app = TestApp::builder(backend).stripe().polymart().options(unlimited()).build().await?;
    app.stripe.add_product("prod_plugin", &[("product_id", &app.product)]);
    let checkout = Checkout::paid(Layout::Basil);
    app.stripe.add_session(&checkout.id, vec![session_line("li_1", "prod_plugin", 2)]);
    app.deliver(&[checkout.completed()]).await?;
    let (license, key) = app.sell("hwidLimit=2&expirationDays=90&expirationStart=ACTIVATION").await?;
    assert_eq!(app.verify_from(&key, "a-device-that-was-there-before").await?.said(), (200, "VALID"));
    Ok((app, license, key))
}

/// Sells and verifies until it is told to stop.
async fn load(app: &TestApp, key: &str, stop: &AtomicBool) -> TestResult {
    let known = json!({ "hardwareIdentifier": "a-device-that-was-there-before", "challenge": "still-here?" });
    while !stop.load(Ordering::SeqCst) {
        let purchase = polymart::purchase(polymart::user(), 7);
        let query = app.product_query();
        let (sold, verified) = tokio::join!(app.post_polymart(&purchase, &query), app.verify(key, &known));
        assert_eq!((sold?.status, verified?.status), (200, 200), "a backup disturbs nobody");
    }
    Ok(())
}

/// Licences without what is known of their use, which is no part of a backup.
fn unused(mut licenses: Value) -> Value {
    for license in licenses.as_array_mut().into_iter().flatten() {
        license["lastUsedAt"] = Value::Null;
    }
    licenses
}

/// Interleaving: purchases are recorded, interpreted and mailed while the ledger is read page by page and its keys
/// after it.
async fn a_backup_taken_under_load_comes_back_on_either_engine(backend: Backend) -> TestResult {
    let (app, license, key) = seller(backend).await?;
    let stop = AtomicBool::new(false);
    let taking = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        let taken = backed_up(&app).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        stop.store(true, Ordering::SeqCst);
        taken
    };
    let (loaded, taken) = tokio::join!(load(&app, &key, &stop), taking);
    loaded?;
    let (copies, taken) = taken?;
    let head = taken["head"].as_u64().ok_or("no head")?;
    assert!(head > 20 && app.events().await?.len() > usize::try_from(head)?, "selling went on: {taken}");

    let as_of = head.to_string();
    let listed = ["license", "list", "--team", &app.team, "--as-of", &as_of, "--json"];
    let licenses = unused(app.server.cli(&listed).await?);
    let mut events = app.server.cli(&["events", "list", "--reveal", "--json"]).await?;
    events.as_array_mut().ok_or("no array")?.truncate(usize::try_from(head)?);
    for engine in ENGINES {
        let place = place_for(&app, engine).await?;
        let restored = place.cli(&copies.restore()).await?;
        assert_eq!((&restored["head"], &restored["root"]), (&taken["head"], &taken["root"]));
        let verified = place.cli(&["audit", "verify", "--json"]).await?;
        assert_eq!((&verified["ok"], &verified["root"]), (&json!(true), &taken["root"]), "{verified}");
        assert_eq!(place.cli(&["events", "list", "--reveal", "--json"]).await?, events, "every seal opens");
        assert_eq!(unused(place.cli(&listed).await?), licenses);

        // A copy of the restored ledger is the same, byte for byte.
        let again = Copies::new()?;
        place.cli(&again.backup()).await?;
        for file in ["ledger.jsonl", "keys.jsonl"] {
            let of = |copies: &Copies| fs::read(copies.ledger.join(file)).or_else(|_| fs::read(copies.keys.join(file)));
            assert_eq!(of(&again)?, of(&copies)?, "{file}");
        }

        let mails = place.folder().join("mails");
        let server = place.serve(unlimited().env("KEYLEDGER_MAIL_URL", format!("file:{}", mails.display()))).await?;
        let mut there = TestApp::around(server).await?;
        (there.team, there.product) = (app.team.clone(), app.product.clone());
        let verdict = there.verify_from(&key, "a-device-that-was-there-before").await?;
        assert_eq!(verdict.said(), (200, "VALID"), "its seat came along");
        assert_eq!(there.verify_from(&key, &device()).await?.said(), (200, "VALID"));
        assert_eq!(there.verify_from(&key, &device()).await?.said(), (403, "HWID_LIMIT_REACHED"));
        assert_eq!(there.license_of(&license).await?["key"], json!(key));
        // Providers deliver to it as before; what they told already changes nothing.
        let before = there.events().await?.len();
        there.deliver_polymart(&polymart::purchase(polymart::user(), 9)).await?;
        assert!(there.events().await?.len() > before);
        let listed = there.server.cli(&["mail", "list", "--json"]).await?;
        let mail = listed[0]["id"].as_str().ok_or("no mail was restored")?;
        there.server.cli(&["mail", "resend", mail, "--json"]).await?;
        there.settle().await?;
        let sent = mails_in(&mails)?;
        assert!(sent.iter().any(|mail| mail.to.contains('@') && mail.text.contains("Plugin")), "{sent:?}");
    }
    Ok(())
}

/// A ledger with this many licences of one purchase, and more events.
async fn large(backend: Backend, units: u64) -> Result<TestApp, Error> {
    let (app, ..) = seller(backend).await?;
    let checkout = Checkout::paid(Layout::Basil);
    app.stripe.add_session(&checkout.id, vec![session_line("li_1", "prod_plugin", units)]);
    app.deliver(&[checkout.completed()]).await?;
    Ok(app)
}

async fn a_killed_backup_is_never_taken_for_a_whole_one(backend: Backend) -> TestResult {
    let app = large(backend, 600).await?;
    let copies = Copies::new()?;
    let (mut life, mut killed) = (Duration::ZERO, 0);
    while !copies.ledger.exists() {
        let mut command = tokio::process::Command::from(app.server.command(&[]));
        let mut child = command.args(copies.backup()).kill_on_drop(true).spawn()?;
        if tokio::time::timeout(life, child.wait()).await.is_err() {
            child.kill().await?;
            killed += 1;
        }
        life += Duration::from_millis(11);
        assert!(life < Duration::from_secs(60), "no backup came to its end");
    }
    assert!(killed > 3, "the test must have killed some");
    let place = place_for(&app, Backend::Sqlite).await?;
    place.cli(&copies.restore()).await?;
    assert_eq!(place.cli(&["audit", "verify", "--json"]).await?["ok"], json!(true));
    let leftovers = copies.ledger.with_file_name("ledger copy.incomplete");
    assert!(!leftovers.exists(), "what was interrupted was taken over");
    let again = app.server.cli_output(&copies.backup(), None).await?;
    assert!(String::from_utf8_lossy(&again.stderr).contains("is not empty"), "{again:?}");
    Ok(())
}

/// Interleaving: the process ends between any two of its transactions.
async fn a_killed_restore_goes_on_and_is_refused_until_then(backend: Backend) -> TestResult {
    let app = large(backend, 1_000).await?;
    app.deliver_polymart(&polymart::purchase(polymart::user(), 9)).await?;
    let (copies, taken) = backed_up(&app).await?;
    for engine in ENGINES {
        let (mut halves, mut rounds) = (0, 0);
        while halves == 0 {
            rounds += 1;
            assert!(rounds <= 5, "no restore was ever interrupted half-way");
            let place = place_for(&app, engine).await?;
            let mut life = Duration::ZERO;
            loop {
                let mut child = place.command(&copies.restore()).spawn()?;
                let ended = tokio::time::timeout(life, child.wait()).await;
                if let Ok(status) = ended {
                    assert!(status?.success(), "a restore goes on where it was interrupted");
                    break;
                }
                child.kill().await?;
                let looked = place.output(&["team", "list", "--json"]).await?;
                if looked.status.success() {
                    let teams: Value = serde_json::from_slice(&looked.stdout)?;
                    let whole = place.cli(&["audit", "verify", "--json"]).await?["head"] == taken["head"];
                    assert!(teams == json!([]) || whole, "half a ledger answered {teams}");
                    if whole {
                        break;
                    }
                } else {
                    let said = String::from_utf8_lossy(&looked.stderr).into_owned();
                    assert!(said.contains("is being restored") && said.contains("keyledger restore"), "{said}");
                    let served = place.refusal(&["serve", "--listen", "127.0.0.1:0"]).await?;
                    assert!(served.contains("is being restored"), "{served}");
                    halves += 1;
                }
                life += Duration::from_millis(7);
                assert!(life < Duration::from_secs(60), "no restore came to its end");
            }
            let verified = place.cli(&["audit", "verify", "--json"]).await?;
            assert_eq!((&verified["ok"], &verified["root"]), (&json!(true), &taken["root"]), "{verified}");
            let again = place.refusal(&copies.restore()).await?;
            assert!(again.contains("there is a ledger with"), "{again}");
        }
    }
    Ok(())
}

/// Guards: a server that sells under keys which a restore has replaced, and signs checkpoints of another log.
async fn nothing_is_restored_under_a_running_server(backend: Backend) -> TestResult {
    let (app, ..) = seller(backend).await?;
    let (copies, taken) = backed_up(&app).await?;
    for engine in ENGINES {
        let place = place_for(&app, engine).await?;
        let server = place.serve(unlimited()).await?;
        let said = place.refusal(&copies.restore()).await?;
        assert!(said.contains("stop every keyledger"), "{said}");
        drop(server);
        let restored = place.cli(&copies.restore()).await?;
        assert_eq!(restored["root"], taken["root"]);
        assert_eq!(place.cli(&["audit", "verify", "--json"]).await?["ok"], json!(true));
    }
    Ok(())
}

async fn every_damage_is_refused_and_named(backend: Backend) -> TestResult {
    let (app, ..) = seller(backend).await?;
    let (copies, _) = backed_up(&app).await?;
    let place = place_for(&app, backend).await?;
    for path in copies.files()? {
        let whole = fs::read(&path)?;
        let name = path.file_name().and_then(|name| name.to_str()).ok_or("no name")?;
        let refused = async |what: &str| -> TestResult {
            let said = place.refusal(&copies.restore()).await?;
            assert!(said.contains(name), "{what} of {name}: {said}");
            Ok(())
        };
        for place in (0..9).map(|part| part * (whole.len() - 1) / 8) {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x04;
            fs::write(&path, &damaged)?;
            refused(&format!("byte {place}")).await?;
        }
        fs::write(&path, &whole[..whole.len() - 1])?;
        refused("the end").await?;
        fs::remove_file(&path)?;
        refused("all").await?;
        fs::write(&path, whole)?;
    }
    match backend {
        Backend::Sqlite => assert!(!place.folder().join("data").exists(), "nothing was restored of it"),
        Backend::Postgres => assert_eq!(place.cli(&["events", "list", "--json"]).await?, json!([])),
    }
    place.cli(&copies.restore()).await?;
    Ok(())
}

async fn copies_that_do_not_belong_together_are_refused(backend: Backend) -> TestResult {
    let (app, ..) = seller(backend).await?;
    let (old, _) = backed_up(&app).await?;
    app.deliver_polymart(&polymart::purchase(polymart::user(), 9)).await?;
    let (new, _) = backed_up(&app).await?;
    let (other, ..) = seller(backend).await?;
    let (foreign, _) = backed_up(&other).await?;
    let place = place_for(&app, backend).await?;
    let with = |ledger: &Path, keys: &Path| {
        ["restore", "--from", text(ledger), "--keys-from", text(keys), "--json"].map(str::to_owned)
    };
    for (ledger, keys, because) in [
        (&new.ledger, &old.keys, "were copied at position"),
        (&new.ledger, &foreign.keys, "belong to another ledger"),
        (&new.keys, &new.ledger, "is it the folder for the other option?"),
        (&new.ledger, &new.ledger, "is it the folder for the other option?"),
    ] {
        let args = with(ledger, keys);
        let said = place.refusal(&args.each_ref().map(String::as_str)).await?;
        assert!(said.contains(because), "{said}");
    }
    let wrong = Place::new(backend, Some(&"11".repeat(32))).await?;
    let said = wrong.refusal(&new.restore()).await?;
    assert!(said.contains("is not the one") && said.contains("nothing was restored"), "{said}");
    assert_eq!(wrong.cli(&["team", "list", "--json"]).await?, json!([]));
    // Into a ledger that has something already.
    place.cli(&["team", "create", "Somebody", "--json"]).await?;
    let said = place.refusal(&new.restore()).await?;
    assert!(said.contains("there is a ledger with 1 events already"), "{said}");
    // Keys may be newer than the ledger.
    let fresh = place_for(&app, backend).await?;
    let args = with(&old.ledger, &new.keys);
    fresh.cli(&args.each_ref().map(String::as_str)).await?;
    assert_eq!(fresh.cli(&["audit", "verify", "--json"]).await?["ok"], json!(true));
    Ok(())
}
