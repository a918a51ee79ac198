//! An admin finds deliveries again, reads their history, retries and ignores them, on the command line and over HTTP.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::app::STRIPE_SECRET;
use crate::support::compose::{Checkout, Layout, id_of, polymart};
use crate::support::stripe_api::{TEST_KEY, session_line};
use crate::support::{Backend, Error, TestApp, TestResult, now, on_both_stores, sign};

on_both_stores!(
    deliveries_are_searched,
    a_delivery_is_shown_with_its_history_and_its_payload_on_demand,
    all_that_is_rejected_for_one_reason_is_retried,
    a_delivery_is_ignored_for_good_and_says_by_whom_and_why,
    of_two_teams_that_have_a_delivery_one_is_named,
    ignoring_and_interpreting_at_once_end_in_one_conclusion,
    the_inbox_is_for_admins,
);

fn sale(app: &TestApp, product: &str) -> (Checkout, Value) {
    let checkout = Checkout::paid(Layout::Basil);
    app.stripe.add_session(&checkout.id, vec![session_line("li_1", product, 1)]);
    let event = checkout.completed();
    (checkout, event)
}

fn ids(listed: &Value) -> Vec<&str> {
    listed.as_array().into_iter().flatten().filter_map(|entry| entry["providerEventId"].as_str()).collect()
}

/// A seller with an applied, a rejected and an ignored delivery, in this order.
async fn busy(backend: Backend) -> Result<(TestApp, [Value; 3]), Error> {
    let app = TestApp::builder(backend).stripe().polymart().build().await?;
    app.stripe.add_product("prod_plugin", &[("product_id", &app.product)]);
    app.stripe.add_product("prod_bad", &[("product_id", "nonsense")]);
    let (applied, rejected) = (sale(&app, "prod_plugin").1, sale(&app, "prod_bad").1);
    app.deliver(&[&applied, &rejected]).await?;
    let ping = polymart::ping();
    app.deliver_polymart(&ping).await?;
    Ok((app, [applied, rejected, ping]))
}

async fn deliveries_are_searched(backend: Backend) -> TestResult {
    let (app, [applied, rejected, ping]) = busy(backend).await?;
    let ping = ping["nonce"].as_str().ok_or("no nonce")?;
    let list = async |options: &[&str]| {
        app.server.cli(&[&["inbox", "list", "--team", &app.team, "--json"], options].concat()).await
    };
    assert_eq!(ids(&list(&[]).await?), [ping, id_of(&rejected), id_of(&applied)]);
    assert_eq!(ids(&list(&["--provider", "polymart"]).await?), [ping]);
    assert_eq!(ids(&list(&["--type", "checkout.session.completed"]).await?), [id_of(&rejected), id_of(&applied)]);
    assert_eq!(ids(&list(&["--event-id", id_of(&applied)]).await?), [id_of(&applied)]);
    assert_eq!(ids(&list(&["--text", "NONSENSE"]).await?), [id_of(&rejected)]);
    assert_eq!(ids(&list(&["--outcome", "rejected", "--provider", "polymart"]).await?), Vec::<&str>::new());
    let received = list(&["--event-id", ping]).await?[0]["receivedAt"].as_str().ok_or("no time")?.to_owned();
    assert_eq!(ids(&list(&["--since", &received]).await?), [ping]);
    assert_eq!(ids(&list(&["--until", &received]).await?).len(), 2);

    let admin = app.admin().await?;
    let found = admin.get("/inbox?outcome=rejected&provider=stripe&text=nonsense").await?;
    assert_eq!(ids(&found.data()?["deliveries"]), [id_of(&rejected)], "{found:?}");
    let found = admin.get(&format!("/inbox?until={received}&pageSize=10")).await?;
    assert_eq!(ids(&found.data()?["deliveries"]).len(), 2, "{found:?}");
    // Pages lead on to one another.
    for _ in 0..10 {
        app.deliver_polymart(&polymart::ping()).await?;
    }
    let first = admin.get("/inbox?pageSize=10").await?;
    let next = first.data()?["nextBefore"].as_i64().ok_or("there is no next page")?;
    let second = admin.get(&format!("/inbox?pageSize=10&before={next}")).await?;
    let all = [ids(&first.data()?["deliveries"]), ids(&second.data()?["deliveries"])].concat();
    assert_eq!(all, ids(&list(&[]).await?));
    assert_eq!(second.data()?["hasNextPage"], false);
    for bad in ["outcome=x", "provider=x", "from=x", "until=1", "before=0", "before=x", "pageSize=11"] {
        let answer = admin.get(&format!("/inbox?{bad}")).await?;
        let name = bad.split('=').next().unwrap_or_default();
        assert!(answer.status == 400 && answer.details().contains(name), "{bad}: {answer:?}");
    }
    Ok(())
}

async fn a_delivery_is_shown_with_its_history_and_its_payload_on_demand(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    app.stripe.add_product("prod_bad", &[("product_id", "nonsense")]);
    let (checkout, event) = sale(&app, "prod_bad");
    app.deliver(&[&event]).await?;
    let entry = app.entry(id_of(&event)).await?;
    app.stripe.add_product("prod_bad", &[("product_id", &app.product)]);
    app.server.cli(&["inbox", "retry", &entry.id, "--team", &app.team]).await?;
    app.settle().await?;

    let shown = app.server.cli(&["inbox", "show", id_of(&event), "--json"]).await?;
    let history = shown["history"].as_array().ok_or("no history")?;
    let types: Vec<_> = history.iter().filter_map(|event| event["type"].as_str()).collect();
    let (first, last) =
        (["ProviderEventReceived", "ProviderEventAttempted", "ProviderEventRejected"], "ProviderEventApplied");
    assert_eq!(types[..4], [&first[..], &["ProviderEventReopened"]].concat(), "{types:?}");
    assert_eq!(types.last(), Some(&last));
    let actors: Vec<_> = history.iter().filter_map(|event| event["actor"].as_str()).collect();
    assert_eq!((actors[0], actors[3]), ("stripe", "cli"), "who reopened it is told");
    assert_eq!(shown["outcome"], "applied");
    assert!(!shown.to_string().contains(&checkout.email) && shown.get("payload").is_none(), "not unless asked for");
    assert!(history[0]["data"].get("body").is_none(), "a megabyte of sealed text helps nobody");
    let revealed = app.server.cli(&["inbox", "show", &entry.id, "--payload", "--json"]).await?;
    assert_eq!(revealed["payload"], event);
    let people = app.server.cli_output(&["inbox", "show", &entry.id], None).await?;
    let text = String::from_utf8(people.stdout)?;
    assert!(text.contains("ProviderEventReopened") && text.contains("retried by an admin"), "{text}");

    let admin = app.admin().await?;
    let over_http = admin.get(&format!("/inbox/{}", entry.id)).await?;
    assert_eq!(over_http.data()?["history"], shown["history"]);
    let read = "the body of a delivery was read";
    assert!(!app.server.log().contains(read));
    let payload = admin.get(&format!("/inbox/{}/payload", entry.id)).await?;
    assert_eq!((&payload.data()?["payload"], &payload.data()?["bodySha256"]), (&event, &shown["bodySha256"]));
    let log = app.server.log();
    let line = log.lines().find(|line| line.contains(read)).ok_or("reading it is not in the log")?;
    assert!(line.contains(&admin.actor) && line.contains(&entry.id), "{line}");
    assert!(!log.contains(&checkout.email));
    let missing = admin.get(&format!("/inbox/{}", uuid::Uuid::new_v4())).await?;
    assert_eq!((missing.status, missing.code()), (404, "NOT_FOUND"));
    Ok(())
}

async fn all_that_is_rejected_for_one_reason_is_retried(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    app.stripe.add_product("prod_one", &[("product_id", "mistyped-one")]);
    app.stripe.add_product("prod_two", &[("product_id", "mistyped-two")]);
    let sales: Vec<_> = ["prod_one", "prod_two", "prod_one"].map(|product| sale(&app, product).1).into();
    app.deliver(&sales).await?;
    for product in ["prod_one", "prod_two"] {
        app.stripe.add_product(product, &[("product_id", &app.product)]);
    }
    let admin = app.admin().await?;
    let nothing = admin.post("/inbox/retry", &json!({ "text": "mistyped-three" })).await?;
    assert_eq!(nothing.data()?, &json!({ "reopened": 0, "more": false }));
    let reopened = admin.post("/inbox/retry", &json!({ "text": "mistyped-one", "provider": "stripe" })).await?;
    assert_eq!(reopened.data()?, &json!({ "reopened": 2, "more": false }), "{reopened:?}");
    app.settle().await?;
    assert_eq!(app.licenses().await?.len(), 2);
    assert_eq!(app.entry(id_of(&sales[1])).await?.outcome, "rejected", "it was not meant");
    let rest = ["inbox", "retry", "--all", "--team", &app.team, "--text", "mistyped", "--json"];
    assert_eq!(ids(&app.server.cli(&rest).await?), [id_of(&sales[1])]);
    app.settle().await?;
    assert_eq!(app.licenses().await?.len(), 3);
    let old_name = ["inbox", "retry", "--all-rejected", "--team", &app.team, "--json"];
    assert_eq!(app.server.cli(&old_name).await?, json!([]));
    Ok(())
}

async fn a_delivery_is_ignored_for_good_and_says_by_whom_and_why(backend: Backend) -> TestResult {
    let (app, [applied, rejected, _]) = busy(backend).await?;
    let id = app.entry(id_of(&rejected)).await?.id;
    let ignore = ["inbox", "ignore", &id, "--team", &app.team, "--reason", "a test purchase of ours", "--json"];
    let ignored = app.server.cli(&ignore).await?;
    assert_eq!(
        (&ignored["outcome"], &ignored["reason"]),
        (&json!("ignored"), &json!("ignored by cli: a test purchase of ours"))
    );
    assert!(ignored["concludedAt"].is_string());
    let event = app.events_of("ProviderEventIgnored").await?.pop().ok_or("no event")?;
    assert_eq!(event["actor"], "cli");

    // The provider tries again, and so does the seller: it stays what it is.
    let before = app.events().await?.len();
    let answer = app.post_stripe(&rejected).await?;
    assert_eq!((answer.status, &answer.body["duplicate"]), (200, &json!(true)), "{answer:?}");
    let admin = app.admin().await?;
    let twice = admin.post(&format!("/inbox/{id}/ignore"), &json!({ "reason": "again" })).await?;
    assert_eq!((twice.status, twice.code()), (409, "CONFLICT"), "{twice:?}");
    assert!(twice.details().contains("a test purchase of ours"), "{twice:?}");
    let done = app.entry(id_of(&applied)).await?.id;
    let refused = admin.post(&format!("/inbox/{done}/ignore"), &json!({ "reason": "too late" })).await?;
    assert_eq!((refused.status, refused.code()), (409, "CONFLICT"), "{refused:?}");
    for bad in ["", " ", "two\nlines"] {
        let answer = admin.post(&format!("/inbox/{id}/ignore"), &json!({ "reason": bad })).await?;
        assert_eq!((answer.status, answer.code()), (400, "BAD_REQUEST"), "{answer:?}");
    }
    assert_eq!(app.events().await?.len(), before + 1, "nothing but the key was recorded");

    // An admin may think again.
    app.stripe.add_product("prod_bad", &[("product_id", &app.product)]);
    let retried = admin.post(&format!("/inbox/{id}/retry"), &json!({})).await?;
    assert_eq!(retried.data()?["outcome"], "applied", "{retried:?}");
    app.settle().await?;
    assert_eq!(app.licenses().await?.len(), 2);
    Ok(())
}

async fn of_two_teams_that_have_a_delivery_one_is_named(backend: Backend) -> TestResult {
    let (app, [_, rejected, _]) = busy(backend).await?;
    let id = id_of(&rejected);
    app.server.cli(&["inbox", "show", id, "--json"]).await?;
    let twice = app.server.cli_output(&["inbox", "retry", id, "--query", "ipLimit=2"], None).await?;
    assert!(String::from_utf8_lossy(&twice.stderr).contains("--query is for Polymart"), "{twice:?}");

    // Another team of the seller has an endpoint in the same account.
    let team = app.server.cli(&["team", "create", "Another Team", "--json"]).await?["id"].take();
    let team = team.as_str().ok_or("no team")?;
    let connect = ["integration", "set", "stripe", "--team", team, "--webhook-secret", STRIPE_SECRET];
    app.server.cli(&[connect.as_slice(), &["--api-key", TEST_KEY, "--api-base", &app.stripe.url()]].concat()).await?;
    let body = serde_json::to_vec(&rejected)?;
    let signature = sign::stripe(&[STRIPE_SECRET], now(), &body)?;
    let path = format!("/api/v1/integrations/stripe?teamId={team}");
    assert_eq!(app.post(&path, &[("stripe-signature", &signature)], body).await?.status, 200);
    for args in [&["inbox", "show", id][..], &["inbox", "retry", id], &["inbox", "ignore", id, "--reason", "a test"]] {
        let output = app.server.cli_output(args, None).await?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains("--team") && said.contains(team), "{args:?}: {said}");
    }
    let shown = app.server.cli(&["inbox", "show", id, "--team", team, "--json"]).await?;
    assert_eq!(shown["teamId"], team);
    assert_eq!(app.entry(id).await?.outcome, "rejected", "nothing was done to either");
    Ok(())
}

/// Guards: the interpreter has asked Stripe and decided while an admin concludes the same delivery; only one of the two
/// conclusions may stand, and with it its effect.
async fn ignoring_and_interpreting_at_once_end_in_one_conclusion(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    app.stripe.delay(Duration::from_millis(40));
    let admin = app.admin().await?;
    let mut sales = Vec::new();
    for n in 0..12_u64 {
        let (_, event) = sale(&app, "prod_plugin");
        assert_eq!(app.post_stripe(&event).await?.status, 200);
        tokio::time::sleep(Duration::from_millis(n * 8)).await;
        let id = app.entry(id_of(&event)).await?.id;
        let answer = admin.post(&format!("/inbox/{id}/ignore"), &json!({ "reason": "changed my mind" })).await?;
        assert!(answer.status == 200 || answer.status == 409, "{answer:?}");
        sales.push((id_of(&event).to_owned(), answer.status == 200));
    }
    // One is deferred when it is ignored: Stripe is down for it, once nobody asks about the others any more.
    app.settle().await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    app.stripe.fail_next(1, 503);
    let (_, deferred) = sale(&app, "prod_plugin");
    assert_eq!(app.post_stripe(&deferred).await?.status, 200);
    crate::support::eventually("it is deferred", async || {
        Ok(app.entry(id_of(&deferred)).await?.reason.contains("503").then_some(()))
    })
    .await?;
    let id = app.entry(id_of(&deferred)).await?.id;
    let answer = admin.post(&format!("/inbox/{id}/ignore"), &json!({ "reason": "no more tries" })).await?;
    let tried_again = answer.status == 409;
    sales.push((id_of(&deferred).to_owned(), !tried_again));
    app.settle().await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut issued = 0;
    for (id, ignored) in &sales {
        let shown = app.server.cli(&["inbox", "show", id, "--json"]).await?;
        let history = shown["history"].as_array().ok_or("no history")?;
        let conclusions = ["ProviderEventApplied", "ProviderEventIgnored", "ProviderEventRejected"];
        let concluded = history.iter().filter(|event| conclusions.iter().any(|name| event["type"] == *name));
        assert_eq!(concluded.count(), 1, "{history:?}");
        assert_eq!(shown["outcome"], if *ignored { "ignored" } else { "applied" }, "the admin was told the truth");
        issued += usize::from(!ignored);
    }
    assert_eq!(app.licenses().await?.len(), issued);
    assert_eq!(app.mails()?.len(), issued);
    Ok(())
}

async fn the_inbox_is_for_admins(backend: Backend) -> TestResult {
    let (app, [_, rejected, _]) = busy(backend).await?;
    let id = app.entry(id_of(&rejected)).await?.id;
    for scope in ["developer", "auditor"] {
        let other = app.admin_with(scope).await?;
        for path in ["/inbox".to_owned(), format!("/inbox/{id}"), format!("/inbox/{id}/payload")] {
            assert_eq!(other.get(&path).await?.code(), "FORBIDDEN", "{scope} {path}");
        }
        for path in ["/inbox/retry".to_owned(), format!("/inbox/{id}/retry"), format!("/inbox/{id}/ignore")] {
            let refused = other.post(&path, &json!({ "reason": "x" })).await?;
            assert_eq!((refused.status, refused.code()), (403, "FORBIDDEN"), "{scope} {path}");
        }
    }
    assert_eq!(app.entry(id_of(&rejected)).await?.outcome, "rejected");
    // Another team's admin does not find it.
    let other = app.server.cli(&["team", "create", "Somebody Else", "--json"]).await?;
    let other = other["id"].as_str().ok_or("no id")?;
    let key = app.server.cli(&["apikey", "create", "--team", other, "--scope", "admin", "--json"]).await?;
    let url = app.server.url(&format!("/api/v1/admin/teams/{other}/inbox/{id}"));
    let stranger = app.http.get(url).bearer_auth(key["key"].as_str().unwrap_or_default()).send().await?;
    assert_eq!(stranger.status(), 404);
    Ok(())
}
