//! Who looks at a page: a member of the team that the page is about.

use axum::extract::{FromRequestParts, OriginalUri, RawPathParams};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse as _, Redirect};
use keyledger_events::event::member::MemberRole;
use keyledger_events::{Position, StreamId, StreamKind, TeamId};
use keyledger_projections::{Member, TeamConfig, view};
use uuid::Uuid;

use super::fields::Fields;
use super::problem::Problem;
use super::session::{Membership, Session, SignedIn};
use super::shell::Shell;
use crate::admin::{members, teams};
use crate::app::App;
use crate::http::Front;

/// Places of the menu where each thing has a page of its own.
const SECTIONS_OF_THINGS: [&str; 6] = ["customers", "inbox", "licenses", "mails", "products", "webhooks"];

/// A member at a page of their team.
#[derive(Debug, Clone)]
pub(super) struct Viewer {
    /// The team as it is now.
    pub(super) team: TeamConfig,
    /// The member.
    pub(super) member: Member,
    /// Who is signed in.
    pub(super) signed_in: SignedIn,
    /// Their browser's session.
    pub(super) session: Session,
    /// The page's query.
    pub(super) query: Fields,
    /// The page's path.
    pub(super) path: String,
    /// The address of this server as the browser knows it: `https://keys.example.com`.
    pub(super) origin: String,
    /// How far the views were before the page was made.
    pub(super) seen: Position,
    /// Whether a page that is open asks for its newer self.
    refreshing: bool,
}

impl Viewer {
    /// The team's id.
    pub(super) fn team_id(&self) -> TeamId {
        self.team.id
    }

    /// What is written as who did it.
    pub(super) fn actor(&self) -> String {
        members::actor(self.member.id)
    }

    /// Whether the member may do what these roles may.
    pub(super) fn is_one_of(&self, roles: &[MemberRole]) -> bool {
        roles.contains(&self.member.role)
    }

    /// Whether they may see who buyers are: auditors see that somebody bought, and not who.
    pub(super) fn sees_people(&self) -> bool {
        self.is_one_of(super::change::SUPPORTERS)
    }

    /// The frame of a page. `section` is its place in the menu.
    ///
    /// # Errors
    /// When the session cannot be read.
    pub(super) async fn shell(&self, title: impl Into<String>, section: &'static str) -> Result<Shell, Problem> {
        // What is said once is said to a person, not to a page that looks after itself.
        let flash = if self.refreshing { None } else { self.session.said().await? };
        Ok(Shell::of_team(self, title.into(), section, flash))
    }

    /// The path of another page of the team.
    pub(super) fn at(&self, page: &str) -> String {
        format!("/teams/{}/{page}", self.team.id)
    }
}

impl FromRequestParts<Front> for Viewer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, front: &Front) -> Result<Self, Problem> {
        let session = Session::from_request_parts(parts, front).await?;
        // Inside the routes of a team the path lacks its beginning.
        let OriginalUri(uri) =
            OriginalUri::from_request_parts(parts, front).await.unwrap_or_else(|never| match never {});
        let Some(signed_in) = session.signed_in().await? else { return Err(to_sign_in(&parts.method, &uri)) };
        let wanted = team_in_path(parts, front).await?;
        let memberships = &signed_in.memberships;
        let membership = match wanted {
            Some(team) => memberships.iter().find(|membership| membership.team == team),
            None => memberships.first(),
        };
        // Whether there is such a team at all is nobody's business but its members'.
        let strange = || Problem::not_found("There is no such team, or you are not a member of it.");
        let membership = membership.ok_or_else(strange)?;
        let Some(member) = current(&front.app, membership.team, membership.id).await? else {
            session.end().await?;
            return Err(to_sign_in(&parts.method, &uri));
        };
        if !membership.holds(&member) {
            // Not ended: it may be the one that is changing the password right now.
            return Err(to_sign_in(&parts.method, &uri));
        }
        Ok(Self {
            team: teams::find(&front.app, membership.team).await?,
            member,
            signed_in,
            session,
            query: Fields::of_query(&uri),
            path: uri.path().to_owned(),
            origin: origin(&parts.headers),
            seen: applied(&front.app),
            refreshing: parts.headers.contains_key("hx-request"),
        })
    }
}

/// How far all views are.
pub(super) fn applied(app: &App) -> Position {
    let status = app.runner.status();
    let status = status.borrow();
    status.views.values().map(|view| view.position).min().unwrap_or(Position::START)
}

/// The address of this server as the browser knows it. It is shown to its own reader and used for nothing else.
fn origin(headers: &HeaderMap) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text("host").unwrap_or("127.0.0.1:8080");
    let scheme = match text("x-forwarded-proto") {
        Some("https") => "https",
        _ => "http",
    };
    format!("{scheme}://{host}")
}

/// Whether a browser will keep no session from us: over plain HTTP it does so on the machine itself alone. One that thinks
/// its way to us safe says where a form comes from, whatever a proxy passes on.
pub(super) fn keeps_no_session(headers: &HeaderMap) -> bool {
    let origin = origin(headers);
    let Some(host) = origin.strip_prefix("http://") else { return false };
    let local = ["localhost", "127.", "[::1]"].iter().any(|local| host.starts_with(local));
    !local && !headers.contains_key("sec-fetch-site")
}

/// The member as the ledger has them at the time of asking; `None` for who is none any more.
async fn current(app: &App, team: TeamId, id: Uuid) -> Result<Option<Member>, Problem> {
    let views = app.views.team(team);
    let mut known = views.member(id).await?;
    let version = app.ledger.stream_version(team, StreamId::new(StreamKind::Member, id)).await?;
    if known.as_ref().is_none_or(|member| member.version != version) {
        app.catch_up(&[view::MEMBERS]).await?;
        known = views.member(id).await?;
    }
    Ok(known.filter(|member| member.joined() && !member.removed))
}

/// Those of somebody's memberships in which they still are the member that they signed in as.
///
/// # Errors
/// When views or ledger do not answer.
pub(super) async fn in_force(app: &App, signed_in: &SignedIn) -> Result<Vec<Membership>, Problem> {
    let mut in_force = Vec::with_capacity(signed_in.memberships.len());
    for membership in &signed_in.memberships {
        let member = current(app, membership.team, membership.id).await?;
        if member.is_some_and(|member| membership.holds(&member)) {
            in_force.push(*membership);
        }
    }
    Ok(in_force)
}

/// Whether somebody is still the member that they signed in as, in each of their teams.
///
/// # Errors
/// When views or ledger do not answer.
pub(super) async fn holds(app: &App, signed_in: &SignedIn) -> Result<bool, Problem> {
    Ok(in_force(app, signed_in).await?.len() == signed_in.memberships.len())
}

async fn team_in_path(parts: &mut Parts, front: &Front) -> Result<Option<TeamId>, Problem> {
    let params = RawPathParams::from_request_parts(parts, front).await;
    let params = params.map_err(|_| Problem::not_found("The address is not readable."))?;
    let Some((_, text)) = params.iter().find(|(name, _)| *name == "teamId") else { return Ok(None) };
    text.parse().map(Some).map_err(|_| Problem::not_found(format!("“{text}” is no team's id.")))
}

/// To the sign-in, and from there back to the page; what was sent is lost, and that is said there.
fn to_sign_in(method: &Method, uri: &Uri) -> Problem {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    if method == Method::GET {
        query.append_pair("next", uri.path_and_query().map_or("/", |path| path.as_str()));
    } else {
        match page_of_form(uri.path()) {
            Some(page) => query.append_pair("next", &page).append_pair("ended", "true"),
            None => query.append_pair("next", "/"),
        };
    }
    Problem::instead(Redirect::to(&format!("/sign-in?{}", query.finish())).into_response())
}

/// The page that a form of a team's is on, from the path that the form is sent to.
pub(super) fn page_of_form(path: &str) -> Option<String> {
    let parts: Vec<_> = path.split('/').collect();
    let [_, "teams", _, section, ..] = parts.as_slice() else { return None };
    let depth = if SECTIONS_OF_THINGS.contains(section) { 5 } else { 4 };
    Some(parts.iter().take(depth).copied().collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_from_elsewhere_keeps_no_session() -> Result<(), Box<dyn std::error::Error>> {
        for (pairs, lost) in [
            (&[("host", "192.168.1.5:8080")][..], true),
            (&[("host", "keys.example.com"), ("x-forwarded-proto", "http")], true),
            (&[("host", "keys.example.com"), ("x-forwarded-proto", "https")], false),
            (&[("host", "keys.example.com"), ("sec-fetch-site", "none")], false),
            (&[("host", "127.0.0.1:8080")], false),
            (&[("host", "localhost:8080")], false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse()?);
            }
            assert_eq!(keeps_no_session(&headers), lost, "{pairs:?}");
        }
        Ok(())
    }

    #[test]
    fn a_form_leads_back_to_its_page() {
        for (form, page) in [
            ("/teams/1/products", "/teams/1/products"),
            ("/teams/1/licenses/2/seats/3/forget", "/teams/1/licenses/2"),
            ("/teams/1/members/2/role", "/teams/1/members"),
            ("/teams/1/settings/verification", "/teams/1/settings"),
        ] {
            assert_eq!(page_of_form(form).as_deref(), Some(page));
        }
        assert_eq!(page_of_form("/sign-out"), None);
    }
}
