//! An auditor's program: what a key may read of a team's history, page by page or as it happens.

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::Response;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::app::{Answer, TestApp};
use super::{Error, PATIENCE};

/// A key of a team, used at the auditors' routes.
#[derive(Debug)]
pub(crate) struct Auditor<'a> {
    app: &'a TestApp,
    pub(crate) key: String,
    pub(crate) key_id: String,
    team: String,
}

impl TestApp {
    /// An auditor's program with a new key of this scope.
    pub(crate) async fn auditor(&self, scope: &str) -> Result<Auditor<'_>, Error> {
        let program = self.program(scope).await?;
        Ok(Auditor { app: self, key: program.key, key_id: program.key_id, team: self.team.clone() })
    }
}

impl Auditor<'_> {
    /// The same key at another team's address.
    pub(crate) fn at(&self, team: &str) -> Self {
        Self { app: self.app, key: self.key.clone(), key_id: self.key_id.clone(), team: team.to_owned() }
    }

    fn request(&self, path: &str) -> reqwest::RequestBuilder {
        let url = self.app.server.url(&format!("/api/v1/audit/teams/{}{path}", self.team));
        self.app.http.get(url).bearer_auth(&self.key)
    }

    /// What a path is answered; it follows the team.
    pub(crate) async fn get(&self, path: &str) -> Result<Answer, Error> {
        Answer::of(self.request(path).send().await?).await
    }

    /// The text that a path is answered.
    pub(crate) async fn text(&self, path: &str) -> Result<String, Error> {
        Ok(self.request(path).send().await?.error_for_status()?.text().await?)
    }

    /// The good answer's data.
    pub(crate) async fn data(&self, path: &str) -> Result<Value, Error> {
        Ok(self.get(path).await?.data()?.clone())
    }

    /// Everything that a list has under `name`, read in pages of `limit`.
    pub(crate) async fn all(&self, path: &str, name: &str, limit: u32) -> Result<Vec<Value>, Error> {
        let (mut found, mut after) = (Vec::new(), 0);
        loop {
            let join = if path.contains('?') { '&' } else { '?' };
            let page = self.data(&format!("{path}{join}after={after}&limit={limit}")).await?;
            let rows = page[name].as_array().ok_or_else(|| format!("no {name} in {page}"))?;
            assert!(rows.len() <= limit as usize, "a page of {} where {limit} are allowed", rows.len());
            found.extend(rows.iter().cloned());
            assert_eq!(page["hasNextPage"], !page["nextAfter"].is_null(), "{page}");
            match page["nextAfter"].as_i64() {
                Some(next) => after = next,
                None => return Ok(found),
            }
        }
    }

    /// Opens the stream of events.
    pub(crate) async fn stream(
        &self,
        query: &str,
        last_event_id: Option<i64>,
    ) -> Result<Result<Messages, Answer>, Error> {
        let mut request = self.request(&format!("/events/stream{query}"));
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id.to_string());
        }
        let response = request.send().await?;
        if response.status() != 200 {
            return Ok(Err(Answer::of(response).await?));
        }
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Ok(Ok(Messages { response, buffer: String::new(), read: VecDeque::new() }))
    }
}

/// A message of a stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Message {
    /// An event: its id and its data.
    Event(i64, Value),
    /// A line that is there to be there.
    Comment(String),
}

/// The messages of an open stream.
#[derive(Debug)]
pub(crate) struct Messages {
    response: Response,
    buffer: String,
    read: VecDeque<Message>,
}

impl Messages {
    /// The next message; `None` when the server has ended the stream.
    pub(crate) async fn next(&mut self) -> Result<Option<Message>, Error> {
        tokio::time::timeout(PATIENCE, self.read()).await.map_err(|_| "the stream says nothing")?
    }

    /// The next event; `None` when the server has ended the stream.
    pub(crate) async fn event(&mut self) -> Result<Option<(i64, Value)>, Error> {
        loop {
            match self.next().await? {
                Some(Message::Event(id, data)) => return Ok(Some((id, data))),
                Some(Message::Comment(_)) => {}
                None => return Ok(None),
            }
        }
    }

    /// Whether the stream stays silent for a while.
    pub(crate) async fn is_silent(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.event()).await.is_err()
    }

    async fn read(&mut self) -> Result<Option<Message>, Error> {
        loop {
            if let Some(message) = self.read.pop_front() {
                return Ok(Some(message));
            }
            let Some(chunk) = self.response.chunk().await? else { return Ok(None) };
            self.buffer.push_str(std::str::from_utf8(&chunk)?);
            while let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let messages = parse(block)?;
                self.buffer = rest.to_owned();
                self.read.extend(messages);
            }
        }
    }
}

fn parse(block: &str) -> Result<Vec<Message>, Error> {
    let (mut id, mut data, mut messages) = (None, None, Vec::new());
    for line in block.lines() {
        match line.split_once(':') {
            Some(("", comment)) => messages.push(Message::Comment(comment.trim().to_owned())),
            Some(("id", text)) => id = Some(text.trim().parse()?),
            Some(("data", text)) => data = Some(serde_json::from_str(text)?),
            Some(("retry", _)) => {}
            _ => return Err(format!("a line that is none of a stream of ours: {line:?}").into()),
        }
    }
    if let Some(data) = data {
        messages.push(Message::Event(id.ok_or("a message without an id")?, data));
    }
    Ok(messages)
}

/// Hex of the SHA-256 of an event as `post_stripe` sends it.
pub(crate) fn stripe_body_sha256(event: &Value) -> Result<String, Error> {
    Ok(hex::encode(Sha256::digest(serde_json::to_vec_pretty(event)?)))
}
