//! An auditor asks what a licence was at any time or position, and what became of it between two of them.

use serde_json::{Value, json};

use crate::support::app::id;
use crate::support::compose::{MONTH, id_of};
use crate::support::story::{head, of_type, told};
use crate::support::{Backend, TestApp, TestResult, on_both_stores, unix};

on_both_stores!(a_licence_is_shown_as_of_any_moment_and_compared);

async fn a_licence_is_shown_as_of_any_moment_and_compared(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let story = told(&app).await?;
    let auditor = app.auditor("auditor").await?;
    let license = id(&story.license)?;
    let begun = story.subscription.begun;
    let head = head(&app).await?;
    for (position, paid_until) in
        [(story.issued_at, begun + MONTH), (story.renewed_at, begun + 2 * MONTH), (head, begun + MONTH)]
    {
        let shown = auditor.data(&format!("/licenses/{license}?asOf={position}")).await?;
        assert_eq!(unix(&shown["paidUntil"])?, paid_until, "as of {position}");
        // The time of record of that position's event is the same moment.
        let event = auditor.data(&format!("/events/{position}")).await?;
        let time = event["recordedAt"].as_str().ok_or("no time")?;
        let then = auditor.data(&format!("/licenses/{license}?asOf={time}")).await?;
        assert_eq!(then["paidUntil"], shown["paidUntil"], "as of {time}");
        let listed = ["license", "list", "--team", &app.team, "--as-of", &position.to_string(), "--json"];
        assert_eq!(app.server.cli(&listed).await?[0]["paidUntil"], shown["paidUntil"], "in the list as of {position}");
    }
    let early = auditor.get(&format!("/licenses/{license}?asOf=1")).await?;
    assert_eq!((early.status, early.code()), (409, "CONFLICT"), "{early:?}");
    assert!(early.details().contains("not issued yet"), "{early:?}");
    let beyond = auditor.get(&format!("/licenses/{license}?asOf={}", head + 100)).await?;
    assert_eq!((beyond.status, beyond.code()), (400, "BAD_REQUEST"), "{beyond:?}");
    let nonsense = auditor.get(&format!("/licenses/{license}?asOf=yesterday")).await?;
    assert!(nonsense.status == 400 && nonsense.details().contains("asOf"), "{nonsense:?}");

    let compare = |from: i64, to: i64| format!("/licenses/{license}/diff?from={from}&to={to}");
    let diff = auditor.data(&compare(story.issued_at, story.renewed_at)).await?;
    let changed = |diff: &Value, field: &str| {
        let mut changes = diff["changes"].as_array().into_iter().flatten();
        changes.find(|change| change["field"] == field).cloned()
    };
    let paid = changed(&diff, "paidUntil").ok_or_else(|| format!("the renewal changed nothing: {diff}"))?;
    assert_eq!((unix(&paid["from"])?, unix(&paid["to"])?), (begun + MONTH, begun + 2 * MONTH));
    assert_eq!(changed(&diff, "productIds"), None, "what is the same is left out: {diff}");
    let between = diff["events"].as_array().ok_or("no events")?;
    let renewed = of_type(between, "SubscriptionRenewed")?;
    assert_eq!(renewed["because"]["bodySha256"], story.bodies[id_of(&story.renewal)]);
    let born = auditor.data(&compare(1, story.issued_at)).await?;
    assert!(born["from"]["license"].is_null(), "{born}");
    assert_eq!(changed(&born, "status").map(|change| change["from"].clone()), Some(Value::Null));
    let same = auditor.data(&compare(head, head)).await?;
    assert_eq!((&same["changes"], &same["events"]), (&json!([]), &json!([])));
    let backwards = auditor.get(&compare(head, story.issued_at)).await?;
    assert!(backwards.status == 400 && backwards.details().contains("earlier moment comes first"), "{backwards:?}");
    Ok(())
}
