//! Somebody at the dashboard without a browser: a cookie, and forms as the pages have them.

use reqwest::redirect::Policy;

use super::{Error, Keyledger, TestResult};

/// The password of everybody.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// Somebody with a cookie, or none yet.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    http: reqwest::Client,
    base: String,
    pub(crate) cookie: Option<String>,
}

/// A page, or where the server sends the browser.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) to: String,
    pub(crate) text: String,
    pub(crate) headers: reqwest::header::HeaderMap,
}

/// A form that a page shows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Form {
    pub(crate) action: String,
    /// Hidden fields with their values, and those to fill in, empty.
    pub(crate) fields: Vec<(String, String)>,
}

impl Page {
    /// The forms that change something.
    pub(crate) fn forms(&self) -> Vec<Form> {
        let mut forms = Vec::new();
        for piece in self.text.split("<form ").skip(1) {
            let form = piece.split("</form>").next().unwrap_or_default();
            let head = form.split('>').next().unwrap_or_default();
            if !head.contains("method=\"post\"") {
                continue;
            }
            let fields = form.split('<').filter_map(|tag| {
                let name = attribute(tag, "name")?;
                Some((name, attribute(tag, "value").unwrap_or_default()))
            });
            forms.push(Form { action: attribute(head, "action").unwrap_or_default(), fields: fields.collect() });
        }
        forms
    }

    /// The paths of this server that the page links to.
    pub(crate) fn links(&self) -> Vec<String> {
        let links = self.text.split("<a ").skip(1).filter_map(|tag| attribute(tag.split('>').next()?, "href"));
        links
            .filter(|path| path.starts_with('/'))
            .map(|path| path.split('#').next().unwrap_or_default().to_owned())
            .collect()
    }

    /// What every form must carry.
    pub(crate) fn csrf(&self) -> String {
        let all = self.forms().into_iter().flat_map(|form| form.fields);
        all.into_iter().find(|(name, _)| name == "csrf").map(|(_, value)| value).unwrap_or_default()
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let rest = tag.split(&format!("{name}=\"")).nth(1)?;
    let value = rest.split('"').next()?;
    Some(
        value
            .replace("&#34;", "\"")
            .replace("&#39;", "'")
            .replace("&#60;", "<")
            .replace("&#62;", ">")
            .replace("&#38;", "&"),
    )
}

impl Visitor {
    /// Somebody whom the server does not know.
    pub(crate) fn new(server: &Keyledger) -> Result<Self, Error> {
        let http = reqwest::Client::builder().redirect(Policy::none()).build()?;
        Ok(Self { http, base: server.url(""), cookie: None })
    }

    /// The first owner, of a team that there is.
    pub(crate) async fn owner(server: &Keyledger, team: &str) -> Result<Self, Error> {
        let mut owner = Self::new(server)?;
        let path = server.cli(&["member", "first-start", "--json"]).await?;
        let token = path["path"].as_str().and_then(|path| path.split_once('=')).ok_or("no token")?.1.to_owned();
        let fields = [
            ("token", token.as_str()),
            ("team", team),
            ("email", "ada@example.test"),
            ("new-password", PASSWORD),
            ("password-again", PASSWORD),
        ];
        let page = owner.send("/welcome", &fields).await?;
        assert_eq!((page.status, page.to.as_str()), (303, format!("/teams/{team}/").as_str()), "{}", page.text);
        Ok(owner)
    }

    /// Somebody who was invited in a role and has joined.
    pub(crate) async fn member(server: &Keyledger, team: &str, role: &str) -> Result<Self, Error> {
        let email = format!("{role}@example.test");
        let made = server.cli(&["member", "invite", &email, "--team", team, "--role", role, "--json"]).await?;
        let token = made["path"].as_str().and_then(|path| path.split_once('=')).ok_or("no token")?.1.to_owned();
        let mut member = Self::new(server)?;
        let fields = [("token", token.as_str()), ("new-password", PASSWORD), ("password-again", PASSWORD)];
        let page = member.send("/invite", &fields).await?;
        assert_eq!(page.status, 303, "{}", page.text);
        Ok(member)
    }

    /// A page.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Page, Error> {
        let request = self.http.get(format!("{}{path}", self.base)).header("accept", "text/html");
        self.answered(request).await
    }

    /// Sends fields as they are.
    pub(crate) async fn send(&mut self, path: &str, fields: &[(&str, &str)]) -> Result<Page, Error> {
        self.send_from(path, fields, Some("same-origin")).await
    }

    /// The same, from another place on the web.
    pub(crate) async fn send_from(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        site: Option<&str>,
    ) -> Result<Page, Error> {
        let mut request = self.http.post(format!("{}{path}", self.base)).body(encoded(fields));
        request = request.header("content-type", "application/x-www-form-urlencoded");
        if let Some(site) = site {
            request = request.header("sec-fetch-site", site);
        }
        self.answered(request).await
    }

    /// Fills in and sends a form of a page of the team; the password is given again where that is asked for.
    pub(crate) async fn submit(&mut self, page: &str, path: &str, fields: &[(&str, &str)]) -> Result<Page, Error> {
        let csrf = self.get(page).await?.csrf();
        let mut all = vec![("csrf", csrf.as_str()), ("confirm-password", PASSWORD)];
        all.extend(fields);
        self.send(path, &all).await
    }

    async fn answered(&mut self, mut request: reqwest::RequestBuilder) -> Result<Page, Error> {
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        if let Some(set) = headers.get("set-cookie") {
            let set = set.to_str()?;
            let pair = set.split(';').next().unwrap_or_default();
            // An empty one is taken back.
            self.cookie = pair.split_once('=').filter(|(_, value)| !value.is_empty()).map(|_| pair.to_owned());
        }
        let to = headers.get("location").map(|to| to.to_str().unwrap_or_default().to_owned()).unwrap_or_default();
        Ok(Page { status, to, text: response.text().await?, headers })
    }
}

fn encoded(fields: &[(&str, &str)]) -> String {
    let mut written = url::form_urlencoded::Serializer::new(String::new());
    written.extend_pairs(fields);
    written.finish()
}

/// Nothing but what the page's policy allows may be in it.
pub(crate) fn check_headers(page: &Page) -> TestResult {
    let header = |name: &str| page.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let policy = header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'") && policy.contains("form-action 'self'"), "{policy}");
    assert_eq!((header("x-content-type-options"), header("cache-control")), ("nosniff", "no-store"));
    Ok(())
}
