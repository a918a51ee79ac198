//! An auditor asks what happened, who did it, when, and because of what; and what a licence was at any time.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::support::app::id;
use crate::support::audit::{Auditor, stripe_body_sha256};
use crate::support::compose::{Charge, DAY, Invoice, InvoiceLine, Layout, MONTH, Subscription, id_of};
use crate::support::{Backend, Error, TestApp, TestResult, now, on_both_stores, unix};

on_both_stores!(
    the_timeline_tells_who_what_when_and_because_of_what,
    a_licence_is_shown_as_of_any_moment_and_compared,
    what_was_told_late_belongs_to_the_day_it_happened_on,
    history_is_filtered_and_paged,
    commands_tell_what_the_routes_tell,
);

/// A subscription that was issued, renewed, and whose renewal was refunded in full.
struct Story {
    subscription: Subscription,
    first: Value,
    renewal: Value,
    refund: Value,
    license: Value,
    /// Hex of the SHA-256 of each body that was posted, by the id of the event in it.
    bodies: HashMap<String, String>,
    /// Where the ledger ended when the licence had been issued, and when it had been renewed.
    issued_at: i64,
    renewed_at: i64,
}

async fn head(app: &TestApp) -> Result<i64, Error> {
    let events = app.server.cli(&["events", "tail", "--limit", "1", "--json"]).await?;
    events[0]["position"].as_i64().ok_or_else(|| "an empty ledger".into())
}

async fn told(app: &TestApp) -> Result<Story, Error> {
    // A refunded renewal lets the licence run out; here it does not while the test looks at it.
    app.server.cli(&["team", "update", "--team", &app.team, "--renewal-grace-seconds", "864000", "--json"]).await?;
    let subscription = Subscription::of(Layout::Basil, "prod_plugin", now() - MONTH - DAY);
    let (item, begun) = (&subscription.items[0].id, subscription.begun);
    let month = |start| vec![InvoiceLine::month(item, "prod_plugin", start)];
    let first = Invoice::paid(Layout::Basil, &subscription.id, &subscription.customer, month(begun));
    let mut second = Invoice::renewal(Layout::Basil, &subscription.id, &subscription.customer, month(begun + MONTH));
    second.payments_included = true;
    let created = subscription.created();
    let refund = Charge::refunded_in_full(Layout::Basil, second.payment(), 1000).event(now() - 600);
    let (first, renewal) = (first.event(), second.event());
    app.deliver(&[&created, &first]).await?;
    let issued_at = head(app).await?;
    app.deliver(&[&renewal]).await?;
    let renewed_at = head(app).await?;
    app.deliver(&[&refund]).await?;
    let mut bodies = HashMap::new();
    for event in [&created, &first, &renewal, &refund] {
        bodies.insert(id_of(event).to_owned(), stripe_body_sha256(event)?);
    }
    let license = app.license().await?;
    Ok(Story { subscription, first, renewal, refund, license, bodies, issued_at, renewed_at })
}

/// The only entry of a type.
fn of_type<'e>(entries: &'e [Value], kind: &str) -> Result<&'e Value, Error> {
    let mut found = entries.iter().filter(|entry| entry["type"] == kind);
    match (found.next(), found.next()) {
        (Some(entry), None) => Ok(entry),
        (first, _) => Err(format!("not one {kind}, but {}", if first.is_some() { "more" } else { "none" }).into()),
    }
}

fn positions(entries: &[Value]) -> Vec<i64> {
    entries.iter().filter_map(|entry| entry["position"].as_i64()).collect()
}

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

async fn history_is_filtered_and_paged(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let story = told(&app).await?;
    // Another team's events lie in between, and are none of ours.
    app.server.cli(&["team", "create", "Somebody Else", "--json"]).await?;
    let auditor = app.auditor("auditor").await?;
    let all = app.server.cli(&["events", "list", "--team", &app.team, "--json"]).await?;
    let all = all.as_array().ok_or("no array")?;
    for limit in [1000, 7] {
        assert_eq!(&auditor.all("/events", "events", limit).await?, all, "in pages of {limit}");
    }
    let license = id(&story.license)?;
    let of_license: Vec<Value> =
        all.iter().filter(|event| event["stream"] == format!("license-{license}")).cloned().collect();
    assert!(of_license.len() >= 3);
    assert_eq!(auditor.all(&format!("/events?license={license}"), "events", 2).await?, of_license);
    assert_eq!(auditor.all(&format!("/events?stream=license-{license}"), "events", 2).await?, of_license);
    let two = auditor.all("/events?type=LicenseIssued,SubscriptionRenewed", "events", 10).await?;
    assert_eq!(two.len(), 2);
    let middle = &all[all.len() / 2];
    let time = middle["recordedAt"].as_str().ok_or("no time")?;
    let (before, from) = (
        auditor.all(&format!("/events?until={time}"), "events", 50).await?,
        auditor.all(&format!("/events?from={time}"), "events", 50).await?,
    );
    assert_eq!([before.clone(), from.clone()].concat(), *all);
    assert!(before.iter().all(|event| event["recordedAt"] != middle["recordedAt"]) && from.contains(middle));

    let one = auditor.data(&format!("/events/{}", middle["position"])).await?;
    for field in ["position", "type", "stream", "data", "occurredAt", "recordedAt", "actor", "leafHash"] {
        assert_eq!(one[field], middle[field], "{field}");
    }
    assert!(one["what"].is_string() && one["who"].is_string());
    let theirs = app.events().await?;
    let theirs = theirs.iter().find(|event| event["teamId"] != app.team).ok_or("nobody else")?;
    for (path, status) in [
        (format!("/events/{}", theirs["position"]), 404),
        ("/events/999999".to_owned(), 404),
        ("/events/x".to_owned(), 400),
        ("/events?colour=red".to_owned(), 400),
        ("/events?limit=0".to_owned(), 400),
        ("/events?from=yesterday".to_owned(), 400),
        (format!("/events?license={license}&stream=license-{license}"), 400),
        ("/timeline".to_owned(), 400),
        (format!("/timeline?license={license}&day=2026-01-01"), 400),
        ("/timeline?day=2026-02-30".to_owned(), 400),
        (format!("/timeline?license={}", app.team), 404),
        (format!("/timeline?customer={}", app.team), 404),
        ("/timeline?providerEvent=evt_nobody".to_owned(), 404),
    ] {
        assert_eq!(auditor.get(&path).await?.status, status, "{path}");
    }
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
