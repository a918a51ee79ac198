//! The seller's story in a browser: from the first start to a revoked licence, and the auditor who checks it all.

use serde_json::json;

use crate::support::app::{Answer, POLYMART_SECRET, SIGNING_SECRET};
use crate::support::browser::{Browser, Scripts};
use crate::support::compose::polymart;
use crate::support::visitor::PASSWORD;
use crate::support::{Backend, Error, Keyledger, Options, TestResult, on_both_stores, sign};

on_both_stores!(a_seller_begins_sells_and_revokes_and_an_auditor_verifies);

/// The product's id at Polymart.
const POLYMART_PRODUCT: u64 = 4_711;

/// Signs up as the first owner with a new team; answers the team's path.
async fn first_start(server: &Keyledger, browser: &Browser) -> Result<String, Error> {
    browser.visit("/").await?;
    browser.shows("keyledger member first-start").await?;
    let start = server.cli(&["member", "first-start", "--json"]).await?;
    browser.visit(start["path"].as_str().ok_or("no path")?).await?;
    browser.fill("team-name", "Acme Software").await?;
    browser.fill("email", "ada@example.test").await?;
    browser.fill("new-password", PASSWORD).await?;
    browser.fill("password-again", PASSWORD).await?;
    browser.press("Begin").await?;
    browser.shows("Add a product").await?;
    browser.path().await
}

async fn product(browser: &Browser, root: &str) -> Result<String, Error> {
    browser.visit(&format!("{root}products")).await?;
    browser.fill("name", "Anti-Grief").await?;
    browser.press("Add the product").await?;
    browser.shows("Sold through Polymart").await?;
    browser.text_of("#product-id").await
}

async fn connected(browser: &Browser, root: &str) -> TestResult {
    browser.visit(&format!("{root}integrations")).await?;
    browser.run("document.querySelector('#polymart details').open = true").await?;
    let script = format!(
        "const form = document.querySelector('#polymart details form'); \
         form.querySelector('[name=webhook-secret]').value = '{POLYMART_SECRET}'; \
         form.querySelector('[name=secret]').value = '{SIGNING_SECRET}'; form.querySelector('button').click()"
    );
    browser.run(&script).await?;
    browser.shows("Saved.").await?;
    browser.shows("…").await
}

async fn a_seller_begins_sells_and_revokes_and_an_auditor_verifies(backend: Backend) -> TestResult {
    let server = Keyledger::start(backend, Options::default()).await?;
    let browser = Browser::start(&server).await?;
    let root = first_start(&server, &browser).await?;
    let team = root.trim_matches('/').rsplit('/').next().ok_or("no team")?.to_owned();
    let product = product(&browser, &root).await?;
    connected(&browser, &root).await?;

    // A signed delivery is posted while the page is open; the licence appears without a reload.
    browser.visit(&format!("{root}licenses")).await?;
    browser.shows("There are no licences yet").await?;
    let user = polymart::user();
    let event = polymart::purchase(user, POLYMART_PRODUCT);
    let body = serde_json::to_vec(&event)?;
    let url = server.url(&format!("/api/v1/integrations/polymart?teamId={team}&productId={product}"));
    let signature = sign::polymart(POLYMART_SECRET, &body)?;
    let posted = reqwest::Client::new().post(url).header("x-polymart-signature", signature).body(body).send().await?;
    assert_eq!(posted.status(), 200);
    browser.shows("Active").await?;
    browser.shows("Anti-Grief").await?;

    // The key is shown on demand, and verifies.
    browser.run("document.querySelector('td a.key').click()").await?;
    browser.shows("It never expires, because it was sold without an end").await?;
    browser.press("Show the key").await?;
    browser.shows("That you looked at it is recorded").await?;
    let key = browser.text_of("#key").await?;
    // News are asked for at the licence's own address: this page is the answer to a form.
    let asks = browser.run("return document.querySelector('#live').getAttribute('hx-get')").await?;
    let asks = asks.as_str().unwrap_or_default();
    assert!(asks.starts_with(&format!("/teams/{team}/licenses/")) && !asks.ends_with("/key"), "{asks}");
    assert_eq!(verified(&server, &team, &key).await?, (200, "VALID".to_owned()));

    // Revoked in the browser, it does not any more.
    browser.press("Revoke the licence").await?;
    browser.shows("The licence is revoked for good.").await?;
    browser.shows("Revoked").await?;
    browser.shows("the licence was revoked").await?;
    assert_eq!(verified(&server, &team, &key).await?, (403, "LICENSE_SUSPENDED".to_owned()));
    let revoked = server.cli(&["events", "list", "--json"]).await?;
    let revoked = revoked.as_array().and_then(|all| all.iter().find(|event| event["type"] == "LicenseRevoked"));
    let actor = revoked.and_then(|event| event["actor"].as_str()).unwrap_or_default();
    assert!(actor.starts_with("member:"), "{actor}");

    // The slider goes where a finger lets it go; with the keyboard, each step must not load the page.
    let moves = "const slider = document.querySelector('[data-submits]'); let sent = 0; \
        slider.form.addEventListener('submit', (event) => { event.preventDefault(); sent += 1; }); \
        const moved = (how) => { slider.dispatchEvent(new Event(how, { bubbles: true })); slider.value = 1; \
          slider.dispatchEvent(new Event('change', { bubbles: true })); return sent; }; \
        return [moved('keydown'), moved('pointerdown')];";
    assert_eq!(browser.run(moves).await?, json!([0, 1]));
    browser.visit(&format!("{}?version=1", browser.path().await?.split('?').next().unwrap_or_default())).await?;
    browser.shows("At position").await?;
    assert_eq!(browser.run("return document.activeElement.name").await?, json!("version"), "and goes on from there");

    auditor_verifies(&server, &team).await?;
    assert_eq!(browser.complaints().await?, Vec::<String>::new());
    Ok(())
}

async fn verified(server: &Keyledger, team: &str, key: &str) -> Result<(u16, String), Error> {
    let url = server.url(&format!("/api/v1/client/teams/{team}/verification/verify"));
    let body = json!({ "licenseKey": key }).to_string();
    let request = reqwest::Client::new().post(url).header("content-type", "application/json").body(body);
    let answer = Answer::of(request.send().await?).await?;
    Ok((answer.status, answer.body["result"]["code"].as_str().unwrap_or_default().to_owned()))
}

/// An auditor joins by invitation, with scripts off, and verifies the ledger.
async fn auditor_verifies(server: &Keyledger, team: &str) -> TestResult {
    let invite = ["member", "invite", "eve@example.test", "--team", team, "--role", "auditor", "--json"];
    let invitation = server.cli(&invite).await?;
    let browser = Browser::start_with(server, Scripts::Off).await?;
    browser.visit(invitation["path"].as_str().ok_or("no path")?).await?;
    browser.fill("new-password", PASSWORD).await?;
    browser.fill("password-again", PASSWORD).await?;
    browser.press("Join").await?;
    browser.shows("Overview").await?;
    browser.follow("Audit").await?;
    browser.press("Verify the ledger now").await?;
    // Without scripts the page does not look after itself: the auditor looks again.
    for _ in 0..50 {
        browser.visit(&format!("/teams/{team}/audit")).await?;
        if browser.text().await?.contains("events verified up to position") {
            return Ok(());
        }
    }
    Err(format!("the verification never ended: {}", browser.text().await?).into())
}
