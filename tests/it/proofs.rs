//! Auditors prove that nobody rewrote history: over HTTP with their key, from the command line, and without the ledger.

use std::path::{Path, PathBuf};
use std::process::Output;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use keyledger_proof::merkle::Hash;
use keyledger_proof::{Checkpoint, VerifierKey, check};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::support::app::Answer;
use crate::support::compose::{Checkout, Layout};
use crate::support::stripe_api::session_line;
use crate::support::{Backend, Error, TestApp, TestResult, eventually, on_both_stores};

on_both_stores!(
    a_checkpoint_is_signed_and_anybody_may_check_it,
    an_auditor_proves_events_and_trees_over_http,
    an_export_verifies_without_the_ledger,
    an_auditor_takes_the_teams_history_away,
    a_changed_event_fails_the_verification,
    a_kept_checkpoint_finds_what_was_rewritten,
    an_export_leaves_what_is_there_as_it_is,
    an_auditor_is_told_of_a_change_however_they_ask,
);

/// A seller with a purchase, whose first events are under a checkpoint.
async fn sold(backend: Backend) -> Result<TestApp, Error> {
    let app = TestApp::with_stripe(backend).await?;
    let checkout = Checkout::paid(Layout::Basil);
    app.stripe.add_session(&checkout.id, vec![session_line("li_1", "prod_plugin", 2)]);
    app.deliver(&[checkout.completed()]).await?;
    Ok(app)
}

/// What an auditor of the team is answered.
async fn audit(app: &TestApp, key: &str, path: &str) -> Result<Answer, Error> {
    let url = app.server.url(&format!("/api/v1/audit/teams/{}{path}", app.team));
    Answer::of(app.http.get(url).bearer_auth(key).send().await?).await
}

async fn text(app: &TestApp, path: &str) -> Result<(u16, String), Error> {
    let answer = app.http.get(app.server.url(path)).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

async fn log_key(app: &TestApp) -> Result<VerifierKey, Error> {
    Ok(text(app, "/checkpoint/key").await?.1.trim().parse()?)
}

fn hashes(encoded: &Value) -> Result<Vec<Hash>, Error> {
    let hash = |text: &Value| -> Result<Hash, Error> {
        Ok(BASE64.decode(text.as_str().unwrap_or_default())?.try_into().map_err(|_| "no hash")?)
    };
    encoded.as_array().ok_or("no path")?.iter().map(hash).collect()
}

fn hash(encoded: &Value) -> Result<Hash, Error> {
    let bytes = hex::decode(encoded.as_str().unwrap_or_default())?;
    Ok(bytes.try_into().map_err(|_| "no hash")?)
}

async fn a_checkpoint_is_signed_and_anybody_may_check_it(backend: Backend) -> TestResult {
    let app = sold(backend).await?;
    // The server signs by itself; nobody asked it to.
    let note = eventually("a checkpoint is signed", async || {
        let (status, note) = text(&app, "/checkpoint").await?;
        Ok((status == 200).then_some(note))
    });
    let note = note.await?;
    let key = log_key(&app).await?;
    let checkpoint = Checkpoint::open(&key, &note)?;
    assert_eq!(checkpoint.origin, key.name());
    let events = app.events().await?.len();
    assert!((1..=u64::try_from(events)?).contains(&checkpoint.size), "{checkpoint:?}");

    let told = app.server.cli(&["audit", "key", "--json"]).await?;
    assert_eq!(told["log"], key.to_string());
    let signed = app.server.cli(&["audit", "checkpoint", "--sign", "--json"]).await?;
    assert_eq!((&signed["size"], &signed["log"]), (&json!(events), &told["log"]));
    let newest = Checkpoint::open(&key, signed["note"].as_str().ok_or("no note")?)?;
    assert_eq!((newest.size, newest.root), (u64::try_from(events)?, hash(&signed["root"])?));
    assert_eq!(text(&app, "/checkpoint").await?.1, signed["note"], "the server shows what a command signed");
    // What people see is the note, to be kept as it is.
    let shown = app.server.cli_output(&["audit", "checkpoint"], None).await?;
    assert_eq!(Checkpoint::open(&key, std::str::from_utf8(&shown.stdout)?)?, newest);

    let proof = app.server.cli(&["audit", "consistency", &checkpoint.size.to_string(), "--json"]).await?;
    let path = hashes(&proof["path"])?;
    check::consistency(checkpoint.size, &checkpoint.root, newest.size, &newest.root, &path)?;
    Ok(())
}

async fn an_auditor_proves_events_and_trees_over_http(backend: Backend) -> TestResult {
    let app = sold(backend).await?;
    let auditor = app.program("auditor").await?.key;
    let other = app.server.cli(&["team", "create", "Somebody Else", "--json"]).await?;
    let signed = app.server.cli(&["audit", "checkpoint", "--sign", "--json"]).await?;
    let (size, root) = (signed["size"].as_u64().ok_or("no size")?, hash(&signed["root"])?);
    let newest = audit(&app, &auditor, "/checkpoint").await?;
    assert_eq!(newest.data()?["note"], signed["note"]);
    for event in app.events().await? {
        let position = event["position"].as_u64().ok_or("no position")?;
        let proof = audit(&app, &auditor, &format!("/proofs/inclusion/{position}")).await?;
        if event["teamId"] == other["id"] {
            assert_eq!(proof.status, 404, "another team's event is none of this auditor's business");
            continue;
        }
        let proof = proof.data()?;
        assert_eq!((&proof["leafHash"], &proof["eventId"]), (&event["leafHash"], &event["eventId"]));
        check::inclusion(&hash(&event["leafHash"])?, position - 1, size, &root, &hashes(&proof["path"])?)?;
        let told = app.server.cli(&["audit", "prove", &position.to_string(), "--json"]).await?;
        assert_eq!(&told, proof, "the command tells the same");
    }
    let proof = audit(&app, &auditor, &format!("/proofs/consistency?from=3&to={size}")).await?;
    let proof = proof.data()?;
    check::consistency(3, &hash(&proof["fromRoot"])?, size, &root, &hashes(&proof["path"])?)?;
    for (path, status) in [
        ("/proofs/inclusion/0", 400),
        ("/proofs/inclusion/x", 400),
        ("/proofs/inclusion/999999", 404),
        ("/proofs/inclusion/1?size=x", 400),
        ("/proofs/inclusion/1?size=0", 404),
        ("/proofs/consistency", 400),
        ("/proofs/consistency?from=0", 400),
        ("/proofs/consistency?from=5&to=3", 400),
        ("/proofs/consistency?from=5&to=999999", 409),
        ("/export?format=xml", 400),
        ("/export?from=yesterday", 400),
        ("/export?type=Nonsense", 400),
        ("/export?after=x", 400),
    ] {
        let answer = audit(&app, &auditor, path).await?;
        assert_eq!(answer.status, status, "{path}: {}", answer.details());
        assert!(!answer.details().is_empty(), "{path}");
    }
    let developer = app.program("developer").await?.key;
    for path in ["/checkpoint", "/proofs/inclusion/1", "/proofs/consistency?from=1", "/export"] {
        assert_eq!(audit(&app, &developer, path).await?.status, 403, "{path}");
        assert_eq!(audit(&app, "kl_wrong", path).await?.status, 401, "{path}");
    }
    Ok(())
}

/// The small program without a database, which is built beside the large one.
fn keyledger_verify(args: &[&str]) -> Result<Output, Error> {
    let beside = PathBuf::from(env!("CARGO_BIN_EXE_keyledger")).with_file_name("keyledger-verify");
    if !beside.exists() {
        return Err(format!("{} is missing: cargo build --workspace makes it", beside.display()).into());
    }
    Ok(std::process::Command::new(beside).args(args).output()?)
}

fn verified(args: &[&str]) -> Result<Value, Error> {
    let output = keyledger_verify(&[args, &["--json"]].concat())?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {said}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn text_of(path: &Path) -> Result<&str, Error> {
    Ok(path.to_str().ok_or("a path that is no text")?)
}

async fn an_export_verifies_without_the_ledger(backend: Backend) -> TestResult {
    let app = sold(backend).await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("history.jsonl");
    let path = text_of(&file)?;
    let note = folder.path().join("kept");
    std::fs::write(&note, app.server.cli_output(&["audit", "checkpoint", "--sign"], None).await?.stdout)?;
    let made = app.server.cli(&["audit", "export", "--format", "jsonl", "--out", path, "--json"]).await?;
    let events = app.events().await?;
    assert_eq!((&made["events"], &made["file"]), (&json!(events.len()), &json!(path)), "{made}");
    let key = app.server.cli(&["audit", "key", "--json"]).await?["log"].as_str().ok_or("no key")?.to_owned();
    let verdict = verified(&["--key", &key, path])?;
    assert_eq!((&verdict["ok"], &verdict["events"]), (&json!(true), &json!(events.len())));
    // Each event of the bundle says what the ledger says.
    let bundle = std::fs::read_to_string(&file)?;
    for (line, event) in bundle.lines().skip(1).zip(&events) {
        let line: Value = serde_json::from_str(line)?;
        for field in ["position", "type", "version", "stream", "streamVersion", "teamId", "occurredAt", "actor", "data"]
        {
            assert_eq!(line[field], event[field], "{field}");
        }
    }
    assert!(!bundle.contains("@example.com"), "personal data stays sealed");

    let kept = verified(&["--key", &key, "--checkpoint", text_of(&note)?, path])?;
    assert_eq!(kept["ok"], true);
    let unpinned = keyledger_verify(&[path])?;
    assert!(unpinned.status.success() && String::from_utf8_lossy(&unpinned.stderr).contains("--key"));
    for (from, to) in
        [("\"LicenseIssued\"", "\"LicenseRevoked\""), ("cli", "clj"), ("\"exportedAt\":\"2", "\"exportedAt\":\"1")]
    {
        std::fs::write(&file, bundle.replacen(from, to, 1))?;
        assert!(bundle.contains(from), "{from}");
        let refused = keyledger_verify(&["--key", &key, path])?;
        assert_eq!(refused.status.code(), Some(1), "{from}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("line "), "{from}");
    }
    assert_eq!(keyledger_verify(&[])?.status.code(), Some(2));
    assert_eq!(keyledger_verify(&["--nonsense", path])?.status.code(), Some(2));
    assert_eq!(keyledger_verify(&["-x"])?.status.code(), Some(2));
    assert_eq!(keyledger_verify(&["/nowhere/at/all"])?.status.code(), Some(1));

    // Parts of it, and a table; standard output holds nothing else.
    let part = ["audit", "export", "--format", "jsonl", "--out", path, "--type", "LicenseIssued", "--team", &app.team];
    app.server.cli_output(&part, None).await?;
    assert_eq!(verified(&["--key", &key, path])?["events"], 2);
    let table = app.server.cli_output(&["audit", "export", "--format", "csv", "--out", "-"], None).await?;
    let table = String::from_utf8(table.stdout)?;
    assert!(table.starts_with("position,type,"), "{table}");
    assert_eq!(table.matches("\r\n").count(), events.len() + 1);
    let wrong = ["audit", "export", "--format", "jsonl", "--out", "/nowhere/at/all.jsonl"];
    assert_eq!(app.server.cli_output(&wrong, None).await?.status.code(), Some(1));
    Ok(())
}

async fn an_auditor_takes_the_teams_history_away(backend: Backend) -> TestResult {
    let app = sold(backend).await?;
    app.server.cli(&["team", "create", "Somebody Else", "--json"]).await?;
    let auditor = app.program("auditor").await?;
    app.server.cli(&["audit", "checkpoint", "--sign", "--json"]).await?;
    let get = async |query: &str| -> Result<(String, Vec<u8>), Error> {
        let url = app.server.url(&format!("/api/v1/audit/teams/{}/export{query}", app.team));
        let answer = app.http.get(url).bearer_auth(&auditor.key).send().await?;
        assert_eq!(answer.status(), 200);
        let kind = answer.headers()["content-type"].to_str()?.to_owned();
        Ok((kind, answer.bytes().await?.to_vec()))
    };
    let ours = app.events().await?.iter().filter(|event| event["teamId"] == app.team).count();
    let (kind, bundle) = get("").await?;
    assert_eq!(kind, "application/x-ndjson");
    let key = log_key(&app).await?;
    let verdict = keyledger_proof::bundle::verify(&bundle[..], Some(&key), &[])?;
    assert_eq!((verdict.events, verdict.filter.team), (u64::try_from(ours)?, Some(app.team.parse()?)));
    assert!(!String::from_utf8_lossy(&bundle).contains("Somebody Else"));
    let (_, issued) = get("?type=LicenseIssued,MailSent&after=3").await?;
    let verdict = keyledger_proof::bundle::verify(&issued[..], Some(&key), &[])?;
    assert_eq!((verdict.events, verdict.filter.after), (3, Some(3)));
    let (kind, table) = get("?format=csv").await?;
    assert!(kind.starts_with("text/csv"), "{kind}");
    assert_eq!(String::from_utf8(table)?.matches("\r\n").count(), ours + 1);
    Ok(())
}

/// Changes the ledger as its owner may, beside the running server. `@` stands before a table's name.
async fn by_hand(app: &TestApp, sql: &[&str]) -> TestResult {
    let url = app.server.database_url();
    match url.strip_prefix("sqlite:") {
        Some(folder) => {
            let file = keyledger_events::store::open_sqlite(&Path::new(folder).join("ledger.db"), true).await?;
            for trigger in ["event_is_never_updated", "checkpoint_is_never_deleted", "merkle_tile_is_never_deleted"] {
                sqlx::query(AssertSqlSafe(format!("DROP TRIGGER IF EXISTS {trigger}"))).execute(&file.writer).await?;
            }
            for sql in sql {
                sqlx::query(AssertSqlSafe(sql.replace('@', ""))).execute(&file.writer).await?;
            }
        }
        None => {
            let mut owner = PgConnection::connect(url).await?;
            for table in ["event", "checkpoint", "merkle_tile"] {
                let disable = format!("ALTER TABLE ledger.{table} DISABLE TRIGGER ALL");
                sqlx::query(AssertSqlSafe(disable)).execute(&mut owner).await?;
            }
            for sql in sql {
                sqlx::query(AssertSqlSafe(sql.replace('@', "ledger."))).execute(&mut owner).await?;
            }
        }
    }
    Ok(())
}

async fn a_changed_event_fails_the_verification(backend: Backend) -> TestResult {
    let app = sold(backend).await?;
    let good = app.server.cli(&["audit", "verify", "--json"]).await?;
    assert_eq!((&good["ok"], &good["badPosition"]), (&json!(true), &Value::Null), "{good}");
    assert!(good["eventsPerSecond"].as_f64().is_some_and(|rate| rate > 0.0), "{good}");
    by_hand(&app, &["UPDATE @event SET actor = 'nobody' WHERE position = 5"]).await?;
    let output = app.server.cli_output(&["audit", "verify", "--json"], None).await?;
    assert_eq!(output.status.code(), Some(1));
    let bad: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!((&bad["ok"], &bad["badPosition"]), (&json!(false), &json!(5)), "{bad}");
    assert!(bad["problem"].as_str().is_some_and(|problem| problem.contains("changed")), "{bad}");
    // People read the same on standard error.
    let output = app.server.cli_output(&["audit", "verify"], None).await?;
    assert!(String::from_utf8(output.stderr)?.contains("position 5"));

    // Without its head row it is no ledger any more, and yet it is told what is wrong with it.
    by_hand(&app, &["DELETE FROM @ledger_head"]).await?;
    let output = app.server.cli_output(&["audit", "verify", "--json"], None).await?;
    let bad: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!((output.status.code(), &bad["badPosition"]), (Some(1), &json!(5)), "{bad}");
    let output = app.server.cli_output(&["license", "list", "--json"], None).await?;
    let said = String::from_utf8(output.stderr)?;
    assert!(output.status.code() == Some(1) && said.contains("head row") && said.contains("audit verify"), "{said}");
    Ok(())
}

async fn an_export_leaves_what_is_there_as_it_is(backend: Backend) -> TestResult {
    let app = sold(backend).await?;
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    let export = async |to: &Path| {
        let args = ["audit", "export", "--format", "csv", "--out", text_of(to)?, "--json"];
        app.server.cli(&args).await
    };
    export(&at("plain.csv")).await?;
    let expected = std::fs::read(at("plain.csv"))?;
    // A link stays, whether its file was there before or not.
    std::fs::write(at("real.csv"), "of yesterday")?;
    for (link, real) in [("link.csv", "real.csv"), ("dangling.csv", "new.csv")] {
        std::os::unix::fs::symlink(real, at(link))?;
        export(&at(link)).await?;
        assert_eq!(std::fs::read_link(at(link))?, Path::new(real));
        assert_eq!(std::fs::read(at(real))?, expected, "{real}");
    }
    // A pipe takes it, and stays a pipe.
    let pipe = at("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status()?.success());
    let reading = tokio::task::spawn_blocking({
        let pipe = pipe.clone();
        move || std::fs::read(pipe)
    });
    export(&pipe).await?;
    assert_eq!(reading.await??, expected);
    // Two at once are two whole exports, and somebody else's file is none of ours.
    std::fs::write(at("both.csv.part"), "mine")?;
    let both = at("both.csv");
    let (one, other) = tokio::join!(export(&both), export(&both));
    assert_eq!(one?, other?);
    assert_eq!(std::fs::read(&both)?, expected);
    assert_eq!(std::fs::read(at("both.csv.part"))?, b"mine");
    let mut left: Vec<_> = std::fs::read_dir(folder.path())?.flatten().map(|entry| entry.file_name()).collect();
    left.sort_unstable();
    let names = ["both.csv", "both.csv.part", "dangling.csv", "link.csv", "new.csv", "pipe", "plain.csv", "real.csv"];
    assert_eq!(left, names, "no draft is left");
    Ok(())
}

async fn an_auditor_is_told_of_a_change_however_they_ask(backend: Backend) -> TestResult {
    let app = sold(backend).await?;
    let auditor = app.program("auditor").await?;
    app.server.cli(&["audit", "checkpoint", "--sign", "--json"]).await?;
    let issued = app.events_of("LicenseIssued").await?.swap_remove(0);
    let (position, stream) = (issued["position"].to_string(), issued["stream"].as_str().unwrap_or_default().to_owned());
    let license = stream.strip_prefix("license-").ok_or("no licence")?;
    let day = issued["recordedAt"].as_str().unwrap_or_default()[..10].to_owned();
    by_hand(&app, &[&format!("UPDATE @event SET actor = 'nobody' WHERE position = {position}")]).await?;
    let commands: [&[&str]; 5] = [
        &["license", "list", "--as-of", &position, "--json"],
        &["license", "show", license, "--as-of", &position, "--json"],
        &["events", "list", "--json"],
        &["timeline", "day", &day, "--json"],
        &["projections", "rebuild", "licenses", "--json"],
    ];
    for args in commands {
        let output = app.server.cli_output(args, None).await?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.contains(&format!("position {position} does not match its hash")), "{args:?}: {said}");
    }
    for path in [
        "/events".to_owned(),
        format!("/events/{position}"),
        format!("/proofs/inclusion/{position}"),
        format!("/timeline?license={license}"),
        format!("/timeline?day={day}"),
        format!("/licenses/{license}?asOf={position}"),
    ] {
        let answer = audit(&app, &auditor.key, &path).await?;
        assert_eq!((answer.status, &answer.body["result"]["code"]), (500, &json!("LEDGER_CHANGED")), "{path}");
        let details = answer.body["result"]["details"].as_str().unwrap_or_default();
        assert!(details.contains(&format!("position {position} ")) && details.contains("audit verify"), "{details}");
    }
    // The view that there was goes on serving.
    assert_eq!(app.licenses().await?.len(), 2);
    Ok(())
}

async fn a_kept_checkpoint_finds_what_was_rewritten(backend: Backend) -> TestResult {
    let app = sold(backend).await?;
    let folder = tempfile::tempdir()?;
    let kept = folder.path().join("kept");
    let keep = ["audit", "keep", "--to", text_of(&kept)?, "--json"];
    let first = app.server.cli(&keep).await?;
    assert_eq!(first["ok"], true, "{first}");
    let file = first["file"].as_str().ok_or("no file")?.to_owned();
    let later = app.server.cli(&["audit", "verify", "--checkpoint", &file, "--json"]).await?;
    assert_eq!((&later["ok"], &later["kept"]), (&json!(true), &json!(1)), "{later}");

    // The last event goes, and everything that could tell of it; the ledger alone looks untouched.
    let events = app.events().await?;
    let (_, before) = events.split_last().ok_or("no events")?;
    let mut tree = keyledger_proof::Frontier::default();
    for event in before {
        tree.push(hash(&event["leafHash"])?);
    }
    let recorded: jiff::Timestamp =
        before.last().and_then(|event| event["recordedAt"].as_str()).ok_or("no time")?.parse()?;
    let position = before.len();
    let frontier = hex::encode(tree.to_bytes());
    let frontier = match backend {
        Backend::Sqlite => format!("x'{frontier}'"),
        Backend::Postgres => format!("'\\x{frontier}'"),
    };
    let forged = [
        "DROP TRIGGER event_is_never_deleted".to_owned(),
        format!("DELETE FROM @event WHERE position > {position}"),
        format!(
            "UPDATE @ledger_head SET position = {position}, frontier = {frontier}, recorded_at = {}",
            recorded.as_microsecond()
        ),
        "DELETE FROM @checkpoint".to_owned(),
        "DELETE FROM @merkle_tile".to_owned(),
    ];
    let skipped = usize::from(backend == Backend::Postgres);
    let forged: Vec<&str> = forged.iter().skip(skipped).map(String::as_str).collect();
    by_hand(&app, &forged).await?;
    assert_eq!(app.server.cli(&["audit", "verify", "--json"]).await?["ok"], true, "the ledger fits itself");
    for args in [keep.to_vec(), vec!["audit", "verify", "--checkpoint", &file, "--json"]] {
        let output = app.server.cli_output(&args, None).await?;
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let bad: Value = serde_json::from_slice(&output.stdout)?;
        assert_eq!(bad["badPosition"], json!(events.len()), "{bad}");
    }
    Ok(())
}
