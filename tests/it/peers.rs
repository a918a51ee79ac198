//! The peers behave as what they stand for: a test that passes against them would pass against Stripe.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::app::Answer;
use crate::support::localstripe::LocalStripe;
use crate::support::stripe_api::{FakeStripe, TEST_KEY, session_line, subscription_item};
use crate::support::{Error, TestResult};

async fn get(stripe: &FakeStripe, path: &str, key: &str) -> Result<Answer, Error> {
    let request = reqwest::Client::new().get(format!("{}{path}", stripe.url())).bearer_auth(key);
    Answer::of(request.send().await?).await
}

#[tokio::test]
async fn lists_come_in_pages_and_expand_on_request() -> TestResult {
    let stripe = FakeStripe::start().await?;
    stripe.add_product("prod_1", &[("product_id", "x")]);
    stripe.add_session("cs_1", (0..25).map(|line| session_line(&format!("li_{line}"), "prod_1", 1)).collect());
    let path = "/v1/checkout/sessions/cs_1/line_items";
    let first = get(&stripe, path, TEST_KEY).await?.body;
    assert_eq!((first["data"].as_array().map(Vec::len), &first["has_more"]), (Some(10), &json!(true)));
    assert_eq!(first["data"][0]["price"]["product"], "prod_1");
    let rest = format!("{path}?limit=100&starting_after=li_9&expand%5B%5D=data.price.product");
    let rest = get(&stripe, &rest, TEST_KEY).await?.body;
    assert_eq!((rest["data"].as_array().map(Vec::len), &rest["has_more"]), (Some(15), &json!(false)));
    assert_eq!(rest["data"][0]["price"]["product"]["metadata"]["product_id"], "x");

    for bad in ["limit=0", "limit=101", "starting_after=li_99", "expand%5B0%5D=data.nonsense"] {
        let answer = get(&stripe, &format!("{path}?{bad}"), TEST_KEY).await?;
        assert_eq!((answer.status, &answer.body["error"]["type"]), (400, &json!("invalid_request_error")), "{bad}");
    }
    Ok(())
}

#[tokio::test]
async fn objects_keys_and_payments_are_found_or_refused() -> TestResult {
    let stripe = FakeStripe::start().await?;
    stripe.add_product("prod_1", &[]);
    stripe.add_subscription("sub_1", vec![subscription_item("sub_1", "si_1", "prod_1", 1, (0, 9))]);
    stripe.add_invoice_payment("in_1", "pi_1", 1000);
    let by_intent = "/v1/invoice_payments?payment%5Btype%5D=payment_intent&payment%5Bpayment_intent%5D=pi_1";
    for (path, key, status, at, expected) in [
        ("/v1/products/prod_1", TEST_KEY, 200, "/id", "prod_1"),
        ("/v1/products/prod_2", TEST_KEY, 404, "/error/code", "resource_missing"),
        ("/v1/products/prod_1", "sk_test_wrong", 401, "/error/type", "invalid_request_error"),
        ("/v1/invoices/in_9/lines", TEST_KEY, 404, "/error/code", "resource_missing"),
        ("/v1/subscription_items?subscription=sub_1", TEST_KEY, 200, "/data/0/id", "si_1"),
        (by_intent, TEST_KEY, 200, "/data/0/invoice", "in_1"),
        ("/v1/invoice_payments?payment%5Bpayment_intent%5D=pi_1", TEST_KEY, 400, "/error/param", "payment[type]"),
        ("/v1/nonsense", TEST_KEY, 404, "/error/type", "invalid_request_error"),
    ] {
        let answer = get(&stripe, path, key).await?;
        assert_eq!((answer.status, answer.body.pointer(at)), (status, Some(&json!(expected))), "{path}");
    }
    let write = reqwest::Client::new().post(format!("{}/v1/products", stripe.url())).bearer_auth(TEST_KEY);
    assert_eq!(write.send().await?.status(), 405);
    assert_eq!(stripe.writes().len(), 1);
    assert_eq!(stripe.calls().len(), 9, "every call is remembered, refused ones too");
    Ok(())
}

#[tokio::test]
async fn faults_come_when_they_are_asked_for() -> TestResult {
    let mut stripe = FakeStripe::start().await?;
    stripe.add_product("prod_1", &[]);
    stripe.fail_next(2, 503);
    for status in [503, 503, 200] {
        assert_eq!(get(&stripe, "/v1/products/prod_1", TEST_KEY).await?.status, status);
    }
    stripe.set_down(true).await?;
    assert!(get(&stripe, "/v1/products/prod_1", TEST_KEY).await.is_err());
    stripe.set_down(false).await?;
    stripe.delay(Duration::from_millis(300));
    let begun = Instant::now();
    assert_eq!(get(&stripe, "/v1/products/prod_1", TEST_KEY).await?.status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(300));
    Ok(())
}

#[tokio::test]
async fn localstripe_sells_and_ends_a_subscription() -> TestResult {
    let seller = LocalStripe::start().await?;
    let sold = seller.sell("a product").await?;
    let product = sold["product"].as_str().ok_or("no product")?;
    let request = reqwest::Client::new().get(format!("{}/v1/products/{product}", seller.url()));
    let product: Value = request.bearer_auth("sk_test_1234567890abcdef").send().await?.json().await?;
    assert_eq!(product["metadata"]["product_id"], "a product");
    seller.cancel(sold["subscription"].as_str().ok_or("no subscription")?).await
}
