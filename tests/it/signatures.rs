//! Signatures agree with Stripe's own SDK, in both directions.

use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;

use crate::support::app::{Answer, STRIPE_SECRET};
use crate::support::compose::{Checkout, Layout};
use crate::support::{Backend, Error, TestApp, TestResult, in_project, now, on_both_stores, python, sign};

on_both_stores!(
    a_delivery_signed_by_stripes_sdk_is_accepted,
    a_rotation_may_be_signed_twice,
    the_age_of_a_signature_has_a_limit
);

/// Runs Stripe's SDK over `payload`; answers whether it was content, and what it printed.
async fn sdk(action: &str, secret: &str, rest: &str, payload: &[u8]) -> Result<(bool, String), Error> {
    let mut command = tokio::process::Command::new(python()?);
    command.arg(in_project("tests/peers/sdk_signature.py")).args([action, secret, rest]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(payload).await?;
    }
    let output = child.wait_with_output().await?;
    match output.status.code() {
        Some(0) => Ok((true, String::from_utf8(output.stdout)?.trim().to_owned())),
        Some(3) => Ok((false, String::new())),
        _ => Err(format!("the SDK failed: {}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

/// A body with letters outside ASCII, pretty-printed as Stripe's are.
fn body() -> Result<Vec<u8>, Error> {
    Ok(serde_json::to_vec_pretty(&Checkout { name: "Zoë Ünal", ..Checkout::paid(Layout::Basil) }.completed())?)
}

async fn post(app: &TestApp, header: &str, body: &[u8]) -> Result<Answer, Error> {
    app.post(&app.stripe_path(), &[("stripe-signature", header)], body.to_vec()).await
}

async fn a_delivery_signed_by_stripes_sdk_is_accepted(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let body = body()?;
    let (_, header) = sdk("sign", STRIPE_SECRET, &now().to_string(), &body).await?;
    let answer = post(&app, &header, &body).await?;
    assert_eq!(answer.status, 200, "{answer:?}");
    let (_, forged) = sdk("sign", "whsec_other", &now().to_string(), &body).await?;
    assert_eq!(post(&app, &forged, &body).await?.status, 400);
    Ok(())
}

async fn a_rotation_may_be_signed_twice(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    app.integrate("stripe", &["--webhook-secret", "whsec_the_next"]).await?;
    let cases: [(&[&str], &str, u16); 5] = [
        (&["whsec_retired", STRIPE_SECRET], "", 200),
        (&[STRIPE_SECRET, "whsec_retired"], ",v0=00", 200),
        (&["whsec_the_next"], "", 200),
        (&["whsec_retired", "whsec_unknown"], "", 400),
        (&["whsec_retired"], ",v1=", 400),
    ];
    for (secrets, more, status) in cases {
        let body = body()?;
        let header = sign::stripe(secrets, now(), &body)? + more;
        let answer = post(&app, &header, &body).await?;
        assert_eq!(answer.status, status, "{secrets:?}{more}: {answer:?}");
        let known = secrets.contains(&STRIPE_SECRET);
        assert_eq!(sdk("verify", STRIPE_SECRET, &header, &body).await?.0, known, "the SDK agrees: {secrets:?}");
    }
    Ok(())
}

async fn the_age_of_a_signature_has_a_limit(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    for (age, status) in [(290, 200), (310, 400)] {
        let body = body()?;
        let header = sign::stripe(&[STRIPE_SECRET], now() - age, &body)?;
        assert_eq!(post(&app, &header, &body).await?.status, status, "{age} s old");
        assert_eq!(sdk("verify", STRIPE_SECRET, &header, &body).await?.0, status == 200, "the SDK agrees: {age} s old");
    }
    // Stripe's SDKs accept a time in the future; keyledger does not.
    let body = body()?;
    let header = sign::stripe(&[STRIPE_SECRET], now() + 310, &body)?;
    assert_eq!(post(&app, &header, &body).await?.status, 400);
    Ok(())
}
