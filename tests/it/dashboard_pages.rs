//! Every page, for everybody: nothing serious stands in the way of people who see or move differently, in light and dark;
//! on a phone nothing sticks out; and where scripts are off everything is there.

use std::path::PathBuf;

use crate::support::browser::{Browser, Scripts};
use crate::support::compose::polymart;
use crate::support::visitor::PASSWORD;
use crate::support::{Backend, Error, TestApp, TestResult, on_both_stores};

on_both_stores!(every_page_is_there_for_everybody);

const PAGES: [&str; 16] = [
    "",
    "licenses",
    "customers",
    "products",
    "integrations",
    "inbox",
    "mails",
    "requests",
    "blacklist",
    "api-keys",
    "webhooks",
    "audit",
    "projections",
    "settings",
    "members",
    "account",
];

/// Where pictures of all pages go, for people to look at: set `KEYLEDGER_PICTURES` to a folder.
fn pictures() -> Option<PathBuf> {
    std::env::var_os("KEYLEDGER_PICTURES").map(PathBuf::from)
}

async fn signed_in(app: &TestApp, browser: &Browser) -> TestResult {
    let start = app.server.cli(&["member", "first-start", "--json"]).await?;
    browser.visit(start["path"].as_str().ok_or("no path")?).await?;
    look(browser, "welcome").await?;
    browser.fill("email", "ada@example.test").await?;
    browser.fill("new-password", PASSWORD).await?;
    browser.fill("password-again", PASSWORD).await?;
    browser.press("Begin").await?;
    browser.shows("Overview").await
}

/// Looks at the page that is open as people with different eyes and hands do.
async fn look(browser: &Browser, name: &str) -> TestResult {
    for scheme in ["light", "dark"] {
        browser.colours(scheme).await?;
        let mut serious = browser.barriers().await?;
        serious.retain(|barrier| ["serious", "critical"].contains(&barrier.impact.as_str()));
        let named: Vec<_> = serious.iter().map(|barrier| format!("{}: {}", barrier.id, barrier.nodes)).collect();
        assert!(named.is_empty(), "{name} in {scheme}: {named:#?}");
        for (device, width, height) in [("phone", 390, 844), ("desktop", 1280, 900)] {
            browser.size(width, height).await?;
            let wide = browser.run("return document.documentElement.scrollWidth - window.innerWidth").await?;
            assert!(wide.as_i64().is_some_and(|wide| wide <= 0), "{name} sticks out by {wide} on a {device}");
            if let Some(folder) = pictures() {
                browser.picture(&folder.join(format!("{name}-{device}-{scheme}.png"))).await?;
            }
        }
    }
    browser.colours("light").await
}

/// The pages of single things.
async fn things(app: &TestApp) -> Result<Vec<(String, String)>, Error> {
    let license =
        app.licenses().await?.first().and_then(|license| license["id"].as_str()).unwrap_or_default().to_owned();
    let entry = app.inbox().await?.first().and_then(|entry| entry["id"].as_str()).unwrap_or_default().to_owned();
    let webhooks = app.server.cli(&["webhook", "list", "--team", &app.team, "--json"]).await?;
    let webhook = webhooks[0]["id"].as_str().unwrap_or_default().to_owned();
    Ok(vec![
        ("license".to_owned(), format!("licenses/{license}")),
        ("delivery".to_owned(), format!("inbox/{entry}")),
        ("webhook".to_owned(), format!("webhooks/{webhook}")),
        ("product".to_owned(), format!("products/{}", app.product)),
        ("missing".to_owned(), "nothing-here".to_owned()),
    ])
}

async fn every_page_is_there_for_everybody(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    for days in ["", "expirationDays=10", "expirationDays=90&expirationStart=ACTIVATION&hwidLimit=2"] {
        app.sell(days).await?;
    }
    app.deliver_polymart(&polymart::ping()).await?;
    let url = "https://hooks.example.com/a/rather/long/address/that/has/to/be/wrapped/somewhere/on/a/phone";
    app.server.cli(&["webhook", "create", "--team", &app.team, "--url", url, "--json"]).await?;
    let name = "Ultimate Protection Plugin, Professional Edition for Networks (Lifetime, with Priority Support)";
    app.server.cli(&["product", "create", "--team", &app.team, name, "--json"]).await?;
    app.server.cli(&["apikey", "create", "--team", &app.team, "--scope", "developer", "--json"]).await?;

    let browser = Browser::start(&app.server).await?;
    browser.visit("/sign-in").await?;
    look(&browser, "sign-in").await?;
    signed_in(&app, &browser).await?;
    let root = browser.path().await?;
    let mut pages: Vec<_> = PAGES.iter().map(|page| ((*page).to_owned(), (*page).to_owned())).collect();
    pages[0].0 = "overview".to_owned();
    pages.extend(things(&app).await?);
    for (name, page) in &pages {
        browser.visit(&format!("{root}{page}")).await?;
        look(&browser, name).await?;
    }
    let complaints = browser.complaints().await?;
    let complaints: Vec<_> = complaints.into_iter().filter(|complaint| !complaint.contains("nothing-here")).collect();
    assert_eq!(complaints, Vec::<String>::new());

    // Without scripts: everything but looking after itself.
    let plain = Browser::start_with(&app.server, Scripts::Off).await?;
    plain.visit("/sign-in").await?;
    plain.fill("email", "ada@example.test").await?;
    plain.fill("password", PASSWORD).await?;
    plain.press("Sign in").await?;
    plain.shows("Overview").await?;
    for (name, page) in &pages {
        plain.visit(&format!("{root}{page}")).await?;
        plain.shows(if name == "missing" { "Nothing here" } else { "Sign out" }).await?;
    }
    Ok(())
}
