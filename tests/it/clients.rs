//! The clients in `clients/`, against a real server: they accept its answers, and go on for a while without it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::client::device;
use crate::support::{Backend, Error, TestApp, TestResult, eventually, in_project, node_modules, python};

#[tokio::test]
async fn the_python_client_works() -> TestResult {
    let mut command = Driver::new(python()?);
    command.args.push(in_project("tests/clients/drive.py"));
    story(&command).await
}

#[tokio::test]
async fn the_python_client_knows_ed25519_without_a_package() -> TestResult {
    let vectors = in_project("tests/clients/ed25519_vectors.py");
    let output = tokio::process::Command::new(python()?).arg(vectors).output().await?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[tokio::test]
async fn the_typescript_client_works() -> TestResult {
    let mut command = Driver::new(PathBuf::from("node"));
    command.args.push(in_project("tests/clients/drive.mjs"));
    // Where `scripts/lib/tools` put the compiler that older versions of Node need.
    command.env.push(("NODE_PATH", node_modules()));
    story(&command).await
}

#[tokio::test]
async fn the_java_client_works() -> TestResult {
    let classes = tempfile::tempdir()?;
    let sources = [in_project("clients/java/KeyledgerClient.java"), in_project("tests/clients/Drive.java")];
    let compiled = tokio::process::Command::new("javac").arg("-d").arg(classes.path()).args(sources).output().await?;
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let mut command = Driver::new(PathBuf::from("java"));
    command.args.extend(["-cp".into(), classes.path().to_owned(), "Drive".into()]);
    story(&command).await
}

/// How a client is called.
struct Driver {
    program: PathBuf,
    args: Vec<PathBuf>,
    env: Vec<(&'static str, PathBuf)>,
}

impl Driver {
    fn new(program: PathBuf) -> Self {
        Self { program, args: Vec::new(), env: Vec::new() }
    }

    async fn ask(&self, question: &Value) -> Result<Value, Error> {
        let mut command = tokio::process::Command::new(&self.program);
        command.args(&self.args).arg(question.to_string()).stdin(Stdio::null()).kill_on_drop(true);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        let output = command.output().await?;
        match output.status.success() {
            true => Ok(serde_json::from_slice(&output.stdout)?),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
        }
    }
}

/// What a program needs to know of its server.
async fn settings(app: &TestApp, store: &Path) -> Result<Value, Error> {
    let keys: Value = reqwest::get(app.server.url("/.well-known/keyledger-keys.json")).await?.json().await?;
    let teams = app.server.cli(&["team", "list", "--json"]).await?;
    Ok(json!({
        "base": app.server.url(""), "teamId": app.team, "serverKeys": keys, "teamPublicKey": teams[0]["publicKey"],
        "storePath": store, "graceSeconds": 3_600, "timeoutSeconds": 10, "action": "verify",
    }))
}

async fn story(driver: &Driver) -> TestResult {
    let mut app = TestApp::with_polymart(Backend::Sqlite).await?;
    let (id, key) = app.sell("hwidLimit=1").await?;
    let folder: TempDir = tempfile::tempdir()?;
    let mut question = settings(&app, &folder.path().join("answer.json")).await?;
    question["licenseKey"] = json!(key);
    question["hardwareIdentifier"] = json!(device());
    question["productId"] = json!(app.product);

    let valid = driver.ask(&question).await?;
    assert_eq!((&valid["valid"], &valid["offline"]), (&json!(true), &json!(false)), "{valid}");
    let mut beat = question.clone();
    beat["action"] = json!("heartbeat");
    assert_eq!(driver.ask(&beat).await?["valid"], true);
    let mut other = question.clone();
    other["hardwareIdentifier"] = json!(device());
    other["storePath"] = json!(folder.path().join("other.json"));
    let full = driver.ask(&other).await?;
    assert_eq!((&full["valid"], &full["code"]), (&json!(false), &json!("HWID_LIMIT_REACHED")));

    // Somebody else's server, with keys of its own, is not believed; nor is nobody.
    let stranger = TestApp::with_polymart(Backend::Sqlite).await?;
    let mut forged = other.clone();
    forged["serverKeys"] = settings(&stranger, folder.path()).await?["serverKeys"].clone();
    assert_eq!(driver.ask(&forged).await?["code"], "UNREACHABLE");
    drop(stranger);

    app.server.terminate().await?;
    let offline = driver.ask(&question).await?;
    assert_eq!((&offline["valid"], &offline["offline"]), (&json!(true), &json!(true)), "{offline}");
    let mut late = question.clone();
    late["clockOffsetSeconds"] = json!(3_700);
    assert_eq!(driver.ask(&late).await?["valid"], false, "the grace is over");

    app.server.restart().await?;
    question["base"] = json!(app.server.url(""));
    app.server.cli(&["license", "revoke", &id, "--json"]).await?;
    eventually("the revocation is heard", async || {
        Ok((driver.ask(&question).await?["code"] == "LICENSE_SUSPENDED").then_some(()))
    })
    .await?;
    assert!(!folder.path().join("answer.json").exists(), "a verdict against it ends the grace");
    Ok(())
}
