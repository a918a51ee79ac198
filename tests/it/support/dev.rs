//! A seller's own program: the developer API with a bearer key.

use reqwest::Method;
use serde_json::Value;

use super::app::{Answer, TestApp};
use super::{Error, Keyledger};

/// A key of a team, and where it is used.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    app: &'a TestApp,
    pub(crate) key: String,
    pub(crate) key_id: String,
    team: String,
}

impl TestApp {
    /// A program with a new key of this scope.
    pub(crate) async fn program(&self, scope: &str) -> Result<Program<'_>, Error> {
        let made = self.server.cli(&["apikey", "create", "--team", &self.team, "--scope", scope, "--json"]).await?;
        let text = |name: &str| made[name].as_str().map(str::to_owned).ok_or_else(|| format!("no {name}"));
        Ok(Program { app: self, key: text("key")?, key_id: text("id")?, team: self.team.clone() })
    }
}

impl Program<'_> {
    /// A program of the team with a key that was made elsewhere.
    pub(crate) fn with_key<'a>(app: &'a TestApp, key: &str, key_id: &str) -> Program<'a> {
        Program { app, key: key.to_owned(), key_id: key_id.to_owned(), team: app.team.clone() }
    }

    /// The same key at another team's address.
    pub(crate) fn at(&self, team: &str) -> Self {
        Self { app: self.app, key: self.key.clone(), key_id: self.key_id.clone(), team: team.to_owned() }
    }

    /// Calls the API; `path` follows the team.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Error> {
        self.call_with(method, path, body, &[]).await
    }

    /// The same with further headers.
    pub(crate) async fn call_with(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Error> {
        let url = self.app.server.url(&format!("/api/v1/dev/teams/{}{path}", self.team));
        let mut request = self.app.http.request(method, url).bearer_auth(&self.key);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        Answer::of(request.send().await?).await
    }

    /// Calls the administration; `path` follows the team.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Error> {
        self.admin_at(&self.app.server, method, path, body).await
    }

    /// The same at another server.
    pub(crate) async fn admin_at(
        &self,
        server: &Keyledger,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Error> {
        let url = server.url(&format!("/api/v1/admin/teams/{}{path}", self.team));
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

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Result<Answer, Error> {
        self.call(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Result<Answer, Error> {
        self.call(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Answer, Error> {
        self.call(Method::DELETE, path, None).await
    }
}

impl Answer {
    /// The code in the envelope's result.
    pub(crate) fn code(&self) -> &str {
        self.body["result"]["code"].as_str().unwrap_or_default()
    }

    /// The sentence in the envelope's result.
    pub(crate) fn details(&self) -> &str {
        self.body["result"]["details"].as_str().unwrap_or_default()
    }

    /// The data of a good answer.
    pub(crate) fn data(&self) -> Result<&Value, Error> {
        match self.body["result"]["valid"] == true {
            true => Ok(&self.body["data"]),
            false => Err(format!("{} {}: {}", self.status, self.code(), self.details()).into()),
        }
    }

    /// The id of what was made.
    pub(crate) fn id(&self) -> Result<String, Error> {
        super::app::id(self.data()?)
    }
}
