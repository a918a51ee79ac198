//! An admin's own program: the admin API with a bearer key.

use reqwest::Method;
use serde_json::Value;

use super::app::{Answer, TestApp};
use super::{Error, after_retries};

/// A key, and where it is used.
#[derive(Debug)]
pub(crate) struct AdminProgram<'a> {
    app: &'a TestApp,
    key: String,
    /// What is written as who did it.
    pub(crate) actor: String,
}

impl TestApp {
    /// A program with a new key of the scope `admin`.
    pub(crate) async fn admin(&self) -> Result<AdminProgram<'_>, Error> {
        self.admin_with("admin").await
    }

    /// The same with a key of another scope, which will not get far.
    pub(crate) async fn admin_with(&self, scope: &str) -> Result<AdminProgram<'_>, Error> {
        let made = self.program(scope).await?;
        Ok(AdminProgram { app: self, actor: format!("api:{}", made.key_id), key: made.key })
    }
}

impl AdminProgram<'_> {
    /// Calls the API; `path` follows the team.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Error> {
        let url = self.app.server.url(&format!("/api/v1/admin/teams/{}{path}", self.app.team));
        let mut request = self.app.http.request(method, url).bearer_auth(&self.key);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        Answer::of(request.send().await?).await
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer, Error> {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Answer, Error> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Waits for work on views to end and tells what came of it.
    pub(crate) async fn ended(&self, begun: &Answer) -> Result<Value, Error> {
        let path = format!("/projections/tasks/{}", begun.id()?);
        after_retries("the work on views ends", async || {
            let task = self.get(&path).await?.data()?.clone();
            Ok((task["state"] != "running").then_some(task))
        })
        .await
    }
}
