//! An auditor asks what happened, who did it, when, and because of what.

use serde_json::{Value, json};

use crate::support::app::id;
use crate::support::audit::Auditor;
use crate::support::compose::id_of;
use crate::support::story::{Story, of_type, positions, told};
use crate::support::{Backend, TestApp, TestResult, now, on_both_stores, unix};

on_both_stores!(
    the_timeline_tells_who_what_when_and_because_of_what,
    what_was_told_late_belongs_to_the_day_it_happened_on,
    commands_tell_what_the_routes_tell,
);

async fn the_timeline_tells_who_what_when_and_because_of_what(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let story = told(&app).await?;
    let auditor = app.auditor("auditor").await?;
    let license = id(&story.license)?;
    let entries = auditor.all(&format!("/timeline?license={license}"), "entries", 500).await?;
    for (kind, event, words) in [
        ("LicenseIssued", &story.first, "issued"),
        ("SubscriptionRenewed", &story.renewal, "renewed"),
        ("PaymentRefunded", &story.refund, "went back"),
    ] {
        let entry = of_type(&entries, kind)?;
        assert_eq!((&entry["actor"], &entry["who"]), (&json!("stripe"), &json!("Stripe")), "{entry}");
        assert!(entry["what"].as_str().is_some_and(|what| what.contains(words)), "{entry}");
        assert_eq!(unix(&entry["occurredAt"])?, event["created"].as_i64().unwrap_or_default(), "{entry}");
        assert!((now() - unix(&entry["recordedAt"])?).abs() < 60, "{entry}");
        let because = &entry["because"];
        assert_eq!((&because["provider"], &because["providerEventId"]), (&json!("stripe"), &event["id"]), "{entry}");
        assert_eq!(because["type"], event["type"]);
        assert_eq!(because["bodySha256"], story.bodies[id_of(event)], "the hash of the very bytes that were posted");
    }
    // The purchase's own facts are there, and the mail with its key, which was sent because the licence was issued.
    of_type(&entries, "RefundRecorded")?;
    let sent = of_type(&entries, "MailSent")?;
    assert_eq!((&sent["actor"], &sent["because"]["providerEventId"]), (&json!("mailer"), &story.first["id"]), "{sent}");
    for entry in &entries {
        let because = &entry["because"];
        let known = because["providerEventId"].as_str().and_then(|id| story.bodies.get(id));
        assert_eq!(because["bodySha256"].as_str(), known.map(String::as_str), "{entry}");
    }
    let sorted = positions(&entries);
    assert!(sorted.is_sorted() && sorted.len() == entries.len());

    // In pages, it is the same.
    for limit in [1, 2, 7] {
        assert_eq!(auditor.all(&format!("/timeline?license={license}"), "entries", limit).await?, entries);
    }
    everything_that_concerns_the_rest(&app, &auditor, &story).await?;
    nothing_sealed_is_shown(&app, &auditor, &story).await
}

async fn everything_that_concerns_the_rest(app: &TestApp, auditor: &Auditor<'_>, story: &Story) -> TestResult {
    let delivery = id_of(&story.first);
    let entries = auditor.all(&format!("/timeline?providerEvent={delivery}"), "entries", 3).await?;
    let (begin, issued) = (entries.first().ok_or("no entries")?, of_type(&entries, "LicenseIssued")?);
    assert_eq!(
        (&begin["type"], &begin["data"]["provider_event_id"]),
        (&json!("ProviderEventReceived"), &json!(delivery))
    );
    assert_eq!(begin["because"]["bodySha256"], story.bodies[delivery], "it is its own cause");
    for kind in ["ProviderEventApplied", "MailRequested", "MailSent", "PeriodPaid"] {
        let entry = of_type(&entries, kind)?;
        assert!(kind == "MailSent" || entry["position"].as_i64() >= begin["position"].as_i64(), "{entry}");
    }
    assert!(!entries.iter().any(|entry| entry["type"] == "SubscriptionRenewed"), "another delivery's doing");
    let received = begin["stream"].as_str().and_then(|name| name.strip_prefix("inbox-")).ok_or("no inbox stream")?;
    assert_eq!(auditor.all(&format!("/timeline?providerEvent={received}"), "entries", 50).await?, entries);

    let customer = issued["data"]["customer_id"].as_str().ok_or("no customer")?;
    let entries = auditor.all(&format!("/timeline?customer={customer}"), "entries", 4).await?;
    for kind in ["CustomerRegistered", "LicenseIssued", "SubscriptionRenewed", "PaymentRefunded", "MailSent"] {
        of_type(&entries, kind)?;
    }
    let settings = auditor.all("/timeline?settings=true", "entries", 5).await?;
    let kinds = ["TeamRegistered", "ProductRegistered", "SecretAdded", "IntegrationEnabled", "ApiKeyCreated"];
    for kind in kinds {
        assert!(settings.iter().any(|entry| entry["type"] == kind), "{kind}");
    }
    assert!(settings.iter().all(|entry| entry["actor"] == "cli" && entry["because"].is_null()));
    let all = app.events().await?;
    let day = all.last().and_then(|event| event["recordedAt"].as_str()).and_then(|at| at.get(..10)).ok_or("no day")?;
    let today = auditor.all(&format!("/timeline?day={day}"), "entries", 9).await?;
    assert_eq!(positions(&today), positions(&all), "all of it was recorded today");
    Ok(())
}

/// What stands sealed in the ledger is sealed for auditors; they prove it by its bytes and need not read it.
async fn nothing_sealed_is_shown(app: &TestApp, auditor: &Auditor<'_>, story: &Story) -> TestResult {
    let license = id(&story.license)?;
    let mail = app.mails()?.pop().ok_or("no mail")?;
    let key = story.license["key"].as_str().ok_or("no key")?;
    let paths = [
        format!("/timeline?license={license}"),
        "/events?limit=1000".to_owned(),
        format!("/licenses/{license}"),
        format!("/licenses/{license}/diff?from={}&to={}", story.issued_at, story.renewed_at),
        "/reports/purchases".to_owned(),
    ];
    for path in paths {
        let text = auditor.text(&path).await?;
        assert!(!text.contains(key) && !text.contains(&mail.to), "{path} gives something away");
    }
    let shown = auditor.data(&format!("/licenses/{license}")).await?;
    assert!(shown["key"]["sealed"].is_string(), "{shown}");
    Ok(())
}

async fn what_was_told_late_belongs_to_the_day_it_happened_on(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let story = told(&app).await?;
    let auditor = app.auditor("admin").await?;
    let issued = app.events_of("LicenseIssued").await?.remove(0);
    let day = issued["occurredAt"].as_str().and_then(|at| at.get(..10)).ok_or("no day")?;
    let entries = auditor.all(&format!("/timeline?day={day}"), "entries", 2).await?;
    let told: Vec<_> = app.events().await?;
    let expected = told.iter().filter(|event| event["occurredAt"].as_str().is_some_and(|at| at.starts_with(day)));
    let expected: Vec<i64> = expected.filter_map(|event| event["position"].as_i64()).collect();
    assert!(expected.len() >= 3 && positions(&entries) == expected, "{entries:?}");
    assert_eq!(of_type(&entries, "LicenseIssued")?["because"]["bodySha256"], story.bodies[id_of(&story.first)]);
    assert_eq!(auditor.all("/timeline?day=2001-01-01", "entries", 9).await?, [Value::Null; 0]);
    Ok(())
}

async fn commands_tell_what_the_routes_tell(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let story = told(&app).await?;
    let auditor = app.auditor("auditor").await?;
    let (license, key) = (id(&story.license)?, story.license["key"].as_str().ok_or("no key")?);
    let issued = app.events_of("LicenseIssued").await?.remove(0);
    let customer = issued["data"]["customer_id"].as_str().ok_or("no customer")?;
    let delivery = id_of(&story.first);
    let day = issued["occurredAt"].as_str().and_then(|at| at.get(..10)).ok_or("no day")?;
    let pairs: [(&[&str], String); 6] = [
        (&["license", &license], format!("license={license}")),
        (&["license", key], format!("license={license}")),
        (&["customer", customer], format!("customer={customer}")),
        (&["provider-event", delivery], format!("providerEvent={delivery}")),
        (&["day", day], format!("day={day}")),
        (&["settings"], "settings=true".to_owned()),
    ];
    for (args, query) in pairs {
        let told = app.server.cli(&[&["timeline"], args, &["--json"]].concat()).await?;
        let entries = auditor.all(&format!("/timeline?{query}"), "entries", 100).await?;
        assert_eq!(told.as_array(), Some(&entries), "{args:?}");
        let some = app.server.cli(&[&["timeline"], args, &["--limit", "2", "--json"]].concat()).await?;
        assert_eq!(some.as_array().map(Vec::as_slice), entries.get(..2), "{args:?}");
    }
    // What concerns a customer, event by event, is a filter of the ledger too.
    let concerning = app.server.cli(&["events", "list", "--customer", customer, "--json"]).await?;
    let entries = auditor.all(&format!("/timeline?customer={customer}"), "entries", 100).await?;
    assert_eq!(concerning.as_array().map(|events| positions(events)), Some(positions(&entries)));
    let some = ["events", "tail", "--customer", customer, "--type", "LicenseIssued", "--json"];
    assert_eq!(app.server.cli(&some).await?, json!([issued]));

    let table = app.server.cli_output(&["timeline", "license", &license], None).await?;
    let table = String::from_utf8(table.stdout)?;
    assert!(table.contains("the licence was renewed") && table.contains(&story.bodies[delivery]), "{table}");

    let (from, to) = (story.issued_at.to_string(), story.renewed_at.to_string());
    let diff = app.server.cli(&["license", "diff", &license, "--from", &from, "--to", &to, "--json"]).await?;
    let shown = auditor.data(&format!("/licenses/{license}/diff?from={from}&to={to}")).await?;
    assert_eq!((&diff["changes"], &diff["events"]), (&shown["changes"], &shown["events"]));
    assert_eq!(diff["to"]["license"]["key"], story.license["key"], "an admin at the command line may see it");
    let words = app.server.cli_output(&["license", "diff", &license, "--from", &from, "--to", &to], None).await?;
    let words = String::from_utf8(words.stdout)?;
    assert!(words.contains("paidUntil") && words.contains("the licence was renewed"), "{words}");

    app.server.cli(&["team", "create", "Somebody Else", "--json"]).await?;
    let nobody = uuid::Uuid::new_v4().to_string();
    let cases: [(&[&str], &str); 5] = [
        (&["timeline", "day", day], "--team"),
        (&["timeline", "customer", &nobody], &nobody),
        (&["timeline", "provider-event", "evt_nobody"], "evt_nobody"),
        (&["events", "list", "--customer", &nobody], &nobody),
        (&["license", "diff", &license, "--from", &to, "--to", &from], "earlier moment comes first"),
    ];
    for (args, named) in cases {
        let output = app.server.cli_output(args, None).await?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.contains(named) && output.stdout.is_empty(), "{args:?}: {said}");
    }
    Ok(())
}
