//! localstripe, an independent stand-in for Stripe with signed webhooks, and Stripe's SDK to drive it.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::{Error, TestResult, eventually, in_project, python};

/// A localstripe server of a test's own.
#[derive(Debug)]
pub(crate) struct LocalStripe {
    base: String,
    server: Child,
    http: reqwest::Client,
    /// localstripe keeps its data in the folder that it runs in.
    _folder: TempDir,
}

impl LocalStripe {
    pub(crate) async fn start() -> Result<Self, Error> {
        let folder = tempfile::tempdir()?;
        // It binds [::], so the port must be free there; between this look and its start nobody else takes it.
        let port = TcpListener::bind("[::]:0").or_else(|_| TcpListener::bind("127.0.0.1:0"))?.local_addr()?.port();
        let mut command = Command::new(python()?);
        command.args(["-m", "localstripe", "--from-scratch", "--port", &port.to_string()]);
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = command.spawn()?;
        let base = format!("http://127.0.0.1:{port}");
        let started = Self { base, server, http: reqwest::Client::new(), _folder: folder };
        eventually("localstripe answers", async || {
            // Anything it answers will do, a refusal for want of a key too.
            Ok(started.http.get(format!("{}/v1/products", started.base)).send().await.ok())
        })
        .await?;
        Ok(started)
    }

    /// What `integration set stripe --api-base` takes.
    pub(crate) fn url(&self) -> &str {
        &self.base
    }

    /// Has every event posted to `url`, signed with `secret`.
    pub(crate) async fn post_events_to(&self, url: &str, secret: &str) -> TestResult {
        let config = format!("{}/_config/webhooks/keyledger", self.base);
        let body = format!("url={}&secret={secret}", url.replace('&', "%26").replace('?', "%3F"));
        let request = self.http.post(config).header("content-type", "application/x-www-form-urlencoded").body(body);
        request.send().await?.error_for_status()?;
        Ok(())
    }

    /// Sells a subscription of one unit whose product's metadata names `product_id`; answers Stripe's ids of
    /// `product`, `customer` and `subscription`.
    pub(crate) async fn sell(&self, product_id: &str) -> Result<Value, Error> {
        self.drive(product_id, "sell").await
    }

    /// Ends a subscription at once.
    pub(crate) async fn cancel(&self, subscription: &str) -> TestResult {
        self.drive(subscription, "cancel").await.map(drop)
    }

    async fn drive(&self, what: &str, action: &str) -> Result<Value, Error> {
        let mut command = tokio::process::Command::new(python()?);
        command.arg(in_project("tests/peers/drive_localstripe.py")).args([&self.base, what, action]);
        let output = command.kill_on_drop(true).output().await?;
        match output.status.success() {
            true => Ok(serde_json::from_slice(&output.stdout)?),
            false => {
                Err(format!("Stripe's SDK could not {action}: {}", String::from_utf8_lossy(&output.stderr)).into())
            }
        }
    }
}

impl Drop for LocalStripe {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
