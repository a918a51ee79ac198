//! Every view is rebuilt while client programs, providers and sellers' programs go on as ever: none of them fails or
//! sees an older state than it has seen before.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::unlimited;
use crate::support::compose::{Checkout, Layout, polymart};
use crate::support::stripe_api::session_line;
use crate::support::{Backend, Error, TestApp, TestResult, on_both_stores, unique};

on_both_stores!(nobody_notices_a_rebuild);

/// What goes on meanwhile, and what of it was answered.
#[derive(Debug, Default)]
struct Load {
    over: AtomicBool,
    /// Licences whose sale was answered 200.
    sold: AtomicU64,
    deliveries: AtomicU64,
    verifications: AtomicU64,
    lists: AtomicU64,
}

impl Load {
    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::SeqCst)
    }

    /// A marketplace and Stripe deliver. What Polymart is answered 200 for is licensed.
    async fn deliver(&self, app: &TestApp) -> TestResult {
        while self.goes_on() {
            let event = polymart::purchase(polymart::user(), 7);
            let answer = app.post_polymart(&event, &app.product_query()).await?;
            assert_eq!(answer.status, 200, "{answer:?}");
            self.sold.fetch_add(1, Ordering::SeqCst);
            let checkout = Checkout::paid(Layout::Basil);
            app.stripe.add_session(&checkout.id, vec![session_line(&unique("li_"), "prod_plugin", 1)]);
            let answer = app.post_stripe(&checkout.completed()).await?;
            assert_eq!(answer.status, 200, "{answer:?}");
            self.deliveries.fetch_add(2, Ordering::SeqCst);
        }
        Ok(())
    }

    /// Client programs verify, good keys and bad ones: a seat is taken, a refusal is decided at the ledger's head.
    async fn verify(&self, app: &TestApp, key: &str) -> TestResult {
        while self.goes_on() {
            let good = app.verify(key, &json!({ "hardwareIdentifier": "the-same-device" })).await?;
            assert_eq!(good.said(), (200, "VALID"), "{}", good.body);
            let bad = app.verify("AAAAA-AAAAA-AAAAA-AAAAA-AAAAA", &json!({})).await?;
            assert_eq!(bad.said(), (404, "LICENSE_NOT_FOUND"), "{}", bad.body);
            self.verifications.fetch_add(2, Ordering::SeqCst);
        }
        Ok(())
    }

    /// A seller's program lists: it sees whatever was answered before it asked.
    async fn list(&self, app: &TestApp) -> TestResult {
        let developer = app.program("developer").await?;
        let made = developer.post("/customers", &json!({ "username": "zoe" })).await?.id()?;
        let mut most = 0;
        while self.goes_on() {
            let sold = self.sold.load(Ordering::SeqCst);
            let listed = developer.get("/licenses?pageSize=10").await?;
            let total = listed.data()?["totalResults"].as_u64().ok_or("no total")?;
            assert!(total >= sold, "{total} licences are listed, {sold} were sold before");
            assert!(total >= most, "{total} licences are listed, and {most} were before");
            most = total;
            let customer = developer.get(&format!("/customers/{made}")).await?;
            assert_eq!(customer.status, 200, "{customer:?}");
            let product = developer.get(&format!("/products/{}", app.product)).await?;
            assert_eq!(product.status, 200, "{product:?}");
            self.lists.fetch_add(3, Ordering::SeqCst);
        }
        Ok(())
    }

    /// Placeholders are asked for right after the sale, by buyers whose download overtakes nothing.
    async fn download(&self, app: &TestApp) -> TestResult {
        while self.goes_on() {
            let user = polymart::user();
            let answer = app.post_polymart(&polymart::purchase(user, 9), &app.product_query()).await?;
            assert_eq!(answer.status, 200, "{answer:?}");
            self.sold.fetch_add(1, Ordering::SeqCst);
            let value = app.placeholder(&polymart::placeholder(user, 9)).await?;
            assert_eq!(value.status, 200, "{value:?}");
        }
        Ok(())
    }
}

async fn rebuild_all(app: &TestApp, load: &Load) -> Result<(), Error> {
    let done = async {
        // Once by a command beside the server, once by the server itself, and back again; the old tables are dropped
        // by the second time.
        let rebuilt = app.server.cli(&["projections", "rebuild", "--json"]).await?;
        assert_eq!(rebuilt.as_array().map(Vec::len), Some(13), "{rebuilt}");
        let admin = app.admin().await?;
        for (path, version) in [("rebuild", 3), ("verify", 3), ("switch-back", 2)] {
            let begun = admin.post(&format!("/projections/{path}"), &json!({})).await?;
            assert_eq!(begun.status, 202, "{begun:?}");
            let ended = admin.ended(&begun).await?;
            assert_eq!(ended["state"], "done", "{ended}");
            let of_version = |result: &&Value| result["version"] == version;
            assert_eq!(ended["results"].as_array().into_iter().flatten().filter(of_version).count(), 13, "{ended}");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        Ok(())
    };
    let result = done.await;
    load.over.store(true, Ordering::SeqCst);
    result
}

async fn nobody_notices_a_rebuild(backend: Backend) -> TestResult {
    let app = TestApp::builder(backend).stripe().polymart().options(unlimited()).build().await?;
    app.stripe.add_product("prod_plugin", &[("product_id", &app.product)]);
    let (_, key) = app.sell("hwidLimit=2").await?;
    for _ in 0..100 {
        let event = polymart::purchase(polymart::user(), 3);
        assert_eq!(app.post_polymart(&event, &app.product_query()).await?.status, 200);
    }
    let load = Load::default();
    load.sold.store(101, Ordering::SeqCst);
    let (rebuilt, delivered, verified, listed, downloaded) = tokio::join!(
        rebuild_all(&app, &load),
        load.deliver(&app),
        load.verify(&app, &key),
        load.list(&app),
        load.download(&app),
    );
    rebuilt?;
    delivered?;
    verified?;
    listed?;
    downloaded?;
    for count in [&load.deliveries, &load.verifications, &load.lists] {
        assert!(count.load(Ordering::SeqCst) >= 10, "there was a load: {load:?}");
    }
    app.settle().await?;
    let log = app.server.log();
    let failed: Vec<_> =
        log.lines().filter(|line| line.contains(" ERROR ") || line.contains("cannot follow")).collect();
    assert!(failed.is_empty(), "what went wrong behind good answers: {failed:?}");
    // The builds before and after at the same position: the same rows.
    let digests = async || {
        let verified = app.server.cli(&["projections", "verify", "--json"]).await?;
        let all = verified.as_array().ok_or("no array")?;
        assert!(all.iter().all(|one| one["matches"] == true), "{verified}");
        let digest = |one: &Value| (one["name"].clone(), one["position"].clone(), one["digest"].clone());
        Ok::<_, Error>(all.iter().map(digest).collect::<Vec<_>>())
    };
    let old = digests().await?;
    app.server.cli(&["projections", "rebuild", "--json"]).await?;
    assert_eq!(digests().await?, old);
    Ok(())
}
