//! Stripe's API as far as keyledger asks it: lists in pages, expansion on request, Stripe's errors, and faults on
//! demand. It runs in the test's process, keeps what the test gave it, and remembers every call.

mod answers;
mod objects;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{Error, TestResult};
pub(crate) use objects::{invoice_line, session_line, subscription_item};

/// The restricted key of test mode that every fake knows.
pub(crate) const TEST_KEY: &str = "rk_test_51KeyledgerReadOnly";

/// The restricted key of live mode that every fake knows.
pub(crate) const LIVE_KEY: &str = "rk_live_51KeyledgerReadOnly";

/// A call that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// Path without the query.
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    /// The bearer token.
    pub(crate) key: String,
}

#[derive(Debug, Default)]
struct Data {
    products: BTreeMap<String, Value>,
    session_lines: BTreeMap<String, Vec<Value>>,
    invoice_lines: BTreeMap<String, Vec<Value>>,
    subscription_items: BTreeMap<String, Vec<Value>>,
    invoice_payments: Vec<Value>,
    /// What did not reach every endpoint, the newest first.
    undelivered: Vec<Value>,
    keys: Vec<String>,
    calls: Vec<Call>,
    /// What the next calls are answered instead.
    faults: VecDeque<u16>,
    delay: Duration,
}

type Shared = Arc<Mutex<Data>>;

fn lock(data: &Shared) -> MutexGuard<'_, Data> {
    data.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The served fake.
#[derive(Debug)]
pub(crate) struct FakeStripe {
    data: Shared,
    address: SocketAddr,
    serving: Option<JoinHandle<std::io::Result<()>>>,
}

impl FakeStripe {
    pub(crate) async fn start() -> Result<Self, Error> {
        let keys = vec![TEST_KEY.to_owned(), LIVE_KEY.to_owned()];
        let data = Shared::new(Mutex::new(Data { keys, ..Data::default() }));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let serving = Some(serve(listener, Arc::clone(&data)));
        Ok(Self { data, address, serving })
    }

    /// What `integration set stripe --api-base` takes.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A product with its metadata; adding it again changes it.
    pub(crate) fn add_product(&self, id: &str, metadata: &[(&str, &str)]) {
        lock(&self.data).products.insert(id.to_owned(), objects::product(id, metadata));
    }

    /// The line items of a checkout session, as [`session_line`] makes them.
    pub(crate) fn add_session(&self, id: &str, lines: Vec<Value>) {
        lock(&self.data).session_lines.insert(id.to_owned(), lines);
    }

    /// The lines of an invoice, as [`invoice_line`] makes them.
    pub(crate) fn add_invoice(&self, id: &str, lines: Vec<Value>) {
        lock(&self.data).invoice_lines.insert(id.to_owned(), lines);
    }

    /// The items of a subscription, as [`subscription_item`] makes them.
    pub(crate) fn add_subscription(&self, id: &str, items: Vec<Value>) {
        lock(&self.data).subscription_items.insert(id.to_owned(), items);
    }

    /// That an invoice was paid by a payment intent.
    pub(crate) fn add_invoice_payment(&self, invoice: &str, payment_intent: &str, amount: i64) {
        lock(&self.data).invoice_payments.push(objects::invoice_payment(invoice, payment_intent, amount));
    }

    /// An event that reached no endpoint. Stripe goes on listing it, whoever has taken it in meanwhile.
    pub(crate) fn add_undelivered(&self, event: &Value) {
        lock(&self.data).undelivered.insert(0, event.clone());
    }

    /// Forgets every key: from now on each call is answered 401.
    pub(crate) fn revoke_keys(&self) {
        lock(&self.data).keys.clear();
    }

    /// Knows this key from now on.
    pub(crate) fn accept_key(&self, key: &str) {
        lock(&self.data).keys.push(key.to_owned());
    }

    /// Answers the next `calls` calls with `status`.
    pub(crate) fn fail_next(&self, calls: usize, status: u16) {
        lock(&self.data).faults.extend(std::iter::repeat_n(status, calls));
    }

    /// Takes this long for every answer from now on.
    pub(crate) fn delay(&self, delay: Duration) {
        lock(&self.data).delay = delay;
    }

    /// Goes off the network, where connections are refused, or comes back to the same address.
    pub(crate) async fn set_down(&mut self, down: bool) -> TestResult {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            // The listener closes with the task; what the task ended with does not matter.
            let _ = serving.await;
        }
        if !down {
            let listener = TcpListener::bind(self.address).await?;
            self.serving = Some(serve(listener, Arc::clone(&self.data)));
        }
        Ok(())
    }

    /// Every call so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        lock(&self.data).calls.clone()
    }

    /// Calls that would have changed something at Stripe: there must never be one.
    pub(crate) fn writes(&self) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.method != "GET").collect()
    }
}

impl Drop for FakeStripe {
    fn drop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
        }
    }
}

fn serve(listener: TcpListener, data: Shared) -> JoinHandle<std::io::Result<()>> {
    let app = Router::new().fallback(answer).with_state(data);
    tokio::spawn(async move { axum::serve(listener, app).await })
}

async fn answer(
    State(shared): State<Shared>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let key = bearer.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default().to_owned();
    let path = request.uri().path().to_owned();
    let (delay, fault, known) = {
        let mut data = lock(&shared);
        let method = request.method().to_string();
        data.calls.push(Call { method, path: path.clone(), query: query.clone(), key: key.clone() });
        (data.delay, data.faults.pop_front(), data.keys.contains(&key))
    };
    tokio::time::sleep(delay).await;
    if let Some(status) = fault {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return answers::error(status, "api_error", "The test asked for this answer.").into_response();
    }
    if !known {
        return answers::unknown_key(&key).into_response();
    }
    if request.method() != Method::GET {
        return answers::error(StatusCode::METHOD_NOT_ALLOWED, "invalid_request_error", "This key may only read.")
            .into_response();
    }
    answers::read(&lock(&shared), &path, &query, &key).into_response()
}
