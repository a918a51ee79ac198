//! What strangers write stays text: names, notes, reasons, payloads.

use serde_json::json;

use crate::support::app::POLYMART_SECRET;
use crate::support::browser::Browser;
use crate::support::compose::polymart;
use crate::support::visitor::{PASSWORD, Visitor};
use crate::support::{Backend, TestApp, TestResult, on_both_stores, sign};

on_both_stores!(what_strangers_write_is_shown_and_never_run);

/// What has run scripts in pages before. Each sets a mark that the test looks for.
const CORPUS: [&str; 10] = [
    "<script>window.hacked=1</script>",
    "\"><img src=x onerror=window.hacked=1>",
    "'><svg/onload=window.hacked=1>",
    "</title><script>window.hacked=1</script>",
    "</textarea><script>window.hacked=1</script>",
    "javascript:window.hacked=1",
    "<a href=\"javascript:window.hacked=1\" autofocus onfocus=window.hacked=1>x</a>",
    "{{constructor.constructor('window.hacked=1')()}}",
    "<div hx-get=\"/\" hx-trigger=\"load\" hx-on::load=\"window.hacked=1\">x</div>",
    "\u{202e}<iframe srcdoc=\"<script>parent.hacked=1</script>\"></iframe>",
];

async fn what_strangers_write_is_shown_and_never_run(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    let root = format!("/teams/{}", app.team);
    let developer = app.program("developer").await?;
    for (number, text) in CORPUS.into_iter().enumerate() {
        let products = format!("{root}/products");
        owner.submit(&products, &products, &[("name", text)]).await?;
        let blacklist = format!("{root}/blacklist");
        // A device has no white space.
        let device = format!("0123456789{}", text.replace(char::is_whitespace, "/"));
        owner.submit(&blacklist, &blacklist, &[("kind", "device"), ("value", &device)]).await?;
        let keys = format!("{root}/api-keys");
        owner.submit(&keys, &keys, &[("name", text), ("scope", "developer")]).await?;
        let customer = json!({ "email": format!("x{number}@example.test"), "fullName": text, "username": text,
            "metadata": [{ "key": text, "value": text, "locked": false }] });
        let made = developer.post("/customers", &customer).await?;
        assert_eq!(made.status, 201, "{made:?}");
        // A delivery whose every text is hostile, signed as it must be.
        let event = json!({ "event": text, "time": 1, "nonce": format!("nonce {number} {text}"),
            "payload": { "product": { "id": text, "title": text }, "user": { "id": text } } });
        let body = serde_json::to_vec(&event)?;
        let path = format!("/api/v1/integrations/polymart?teamId={}&{}", app.team, app.product_query());
        let signature = sign::polymart(POLYMART_SECRET, &body)?;
        assert_eq!(app.post(&path, &[("x-polymart-signature", &signature)], body).await?.status, 200);
    }
    let settings = format!("{root}/settings");
    let hostile = CORPUS.join("\n");
    owner.submit(&settings, &settings, &[("name", CORPUS[0]), ("mail-message", &hostile)]).await?;
    app.deliver_polymart(&polymart::purchase(polymart::user(), 7)).await?;
    let license = app.license().await?["id"].as_str().ok_or("no id")?.to_owned();
    let suspend = format!("{root}/licenses/{license}/suspend");
    owner.submit(&format!("{root}/licenses/{license}"), &suspend, &[("reason", CORPUS[1])]).await?;

    let browser = Browser::start(&app.server).await?;
    browser.visit("/sign-in").await?;
    browser.fill("email", "ada@example.test").await?;
    browser.fill("password", PASSWORD).await?;
    browser.press("Sign in").await?;
    browser.shows("Overview").await?;
    let customers = owner.get(&format!("{root}/customers")).await?;
    let customer = customers.links().into_iter().find(|path| path.contains("/customers/")).ok_or("no customer")?;
    let inbox = owner.get(&format!("{root}/inbox")).await?;
    let entry = inbox.links().into_iter().find(|path| path.contains("/inbox/")).ok_or("no delivery")?;
    let pages =
        ["", "products", "customers", "blacklist", "api-keys", "inbox", "settings", "audit", "licenses", "mails"];
    let mut pages: Vec<_> = pages.iter().map(|page| format!("{root}/{page}")).collect();
    pages.extend([customer.clone(), entry.clone(), format!("{root}/licenses/{license}")]);
    for page in &pages {
        browser.visit(page).await?;
        browser.shows("Sign out").await?;
        let hacked = browser.run("return [window.hacked ?? null, document.querySelectorAll('iframe').length]").await?;
        assert_eq!(hacked, json!([null, 0]), "{page}");
    }
    // On demand, too.
    browser.visit(&entry).await?;
    browser.press("Show what was sent").await?;
    browser.shows("That you looked at it is recorded").await?;
    assert_eq!(browser.run("return window.hacked ?? null").await?, json!(null));
    browser.visit(&customer).await?;
    browser.press("Show what is known").await?;
    browser.shows("That you looked at it is recorded").await?;
    assert_eq!(browser.run("return window.hacked ?? null").await?, json!(null));
    // It is all there, as text.
    browser.visit(&format!("{root}/products")).await?;
    for text in &CORPUS[..9] {
        browser.shows(text).await?;
    }
    Ok(())
}
