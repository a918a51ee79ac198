//! The description of the HTTP API is true: a program that reads it throws all it can think of at a server.

use serde_json::json;

use crate::support::client::unlimited;
use crate::support::{Backend, TestApp, TestResult, in_project, python};

/// Requests that schemathesis makes up for each operation. More find more, and take longer.
const EXAMPLES: &str = "25";

#[tokio::test]
async fn schemathesis_finds_no_answer_that_the_description_does_not_have() -> TestResult {
    let app = TestApp::selling(Backend::Sqlite, unlimited()).await?;
    let (license, key) = app.sell("hwidLimit=2").await?;
    let program = app.program("admin").await?;
    let customer = program.post("/customers", &json!({ "username": "zoe" })).await?.id()?;
    let real = [("licenseId", &license), ("licenseKey", &key), ("customerId", &customer), ("productId", &app.product)];
    // Every request goes to this team: a made-up one would be told 401 and nothing else.
    let described = std::fs::read_to_string(in_project("docs/openapi.json"))?;
    let ours = described.replace("{teamId}", &app.team);
    let mut document: serde_json::Value = serde_json::from_str(&ours)?;
    // A stream has no end to wait for; it has stories of its own.
    if let Some(paths) = document["paths"].as_object_mut() {
        paths.retain(|path, _| !path.ends_with("/events/stream"));
    }
    for operation in document["paths"].as_object_mut().into_iter().flatten().flat_map(|(_, path)| path.as_object_mut())
    {
        for parameters in operation.values_mut().filter_map(|one| one.get_mut("parameters")?.as_array_mut()) {
            parameters.retain(|parameter| parameter["name"] != "teamId");
            for parameter in parameters.iter_mut().filter(|parameter| parameter["in"] == "path") {
                // Half of the requests are about something that is there.
                let there = real.iter().find(|(name, _)| parameter["name"] == *name).map(|(_, value)| json!(value));
                if let Some(there) = there {
                    let any = parameter["schema"].take();
                    parameter["schema"] = json!({ "anyOf": [{ "type": "string", "enum": [there] }, any] });
                }
            }
        }
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("openapi.json");
    std::fs::write(&file, serde_json::to_vec(&document)?)?;
    let tool = python()?.with_file_name("st");
    let mut command = tokio::process::Command::new(tool);
    command.arg("run").arg(&file).args(["--url", &app.server.url(""), "--max-examples", EXAMPLES]);
    command.args(["-H", &format!("Authorization: Bearer {}", program.key), "--phases", "examples,coverage,fuzzing"]);
    command.args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance"]);
    command.args(["--checks", "response_schema_conformance,negative_data_rejection", "--seed", "7", "--no-color"]);
    command.current_dir(folder.path()).kill_on_drop(true);
    let output = command.output().await?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[tokio::test]
async fn the_description_and_the_page_are_served_with_nothing_from_elsewhere() -> TestResult {
    let app = TestApp::with_polymart(Backend::Sqlite).await?;
    let served: serde_json::Value = reqwest::get(app.server.url("/api/openapi.json")).await?.json().await?;
    let committed: serde_json::Value = serde_json::from_slice(&std::fs::read(in_project("docs/openapi.json"))?)?;
    assert_eq!(served, committed);
    let page = reqwest::get(app.server.url("/api/docs")).await?;
    assert!(page.headers()["content-security-policy"].to_str()?.starts_with("default-src 'none'"));
    let page = page.text().await?;
    assert!(page.contains("/api/v1/dev/teams/{teamId}/licenses") && page.contains("verification/heartbeat"));
    assert!(
        !page.contains("http://") && !page.contains("https://") && !page.contains("<script"),
        "no asset from elsewhere"
    );
    Ok(())
}
