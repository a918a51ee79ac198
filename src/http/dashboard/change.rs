//! A form that changes something. Its type says who may send it: `Change<Administrator>`, or, where secrets are shown or
//! things destroyed, `Change<Confirmed<Administrator>>`, which asks for the password again when it was last given a while
//! ago.

use std::marker::PhantomData;

use askama::Template;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::{FromRequest, FromRequestParts as _, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use keyledger_events::event::member::MemberRole;

use super::fields::Fields;
use super::page::{Answer, page, to};
use super::problem::Problem;
use super::session::Flash;
use super::shell::Shell;
use super::viewer::Viewer;
use crate::admin::members;
use crate::http::{Front, body};

/// Who may look after the team itself.
pub(super) const OWNERS: &[MemberRole] = &[MemberRole::Owner];
/// Who may look after everything but the team itself.
pub(super) const ADMINISTRATORS: &[MemberRole] = &[MemberRole::Owner, MemberRole::Admin];
/// Who may help buyers.
pub(super) const SUPPORTERS: &[MemberRole] = &[MemberRole::Owner, MemberRole::Admin, MemberRole::Support];
/// Everybody: for what concerns nobody but oneself, and for what changes nothing.
const MEMBERS: &[MemberRole] = &[MemberRole::Owner, MemberRole::Admin, MemberRole::Support, MemberRole::Auditor];

/// The field of a form in which the password is given again.
const PASSWORD: &str = "confirm-password";
/// The field with which a form proves to be ours.
const CSRF: &str = "csrf";
/// The field of forms that are sent once.
const ONCE: &str = "once";
/// What the names of fields that are never kept or shown again contain.
const SECRETS: [&str; 6] = [CSRF, "password", "secret", "api-key", "code", "token"];

/// Who may send a form.
pub(super) trait Sender: Send {
    /// In which roles.
    const ROLES: &'static [MemberRole];
    /// Whether the password must have been given a moment ago.
    const CONFIRMED: bool = false;
}

/// An owner.
pub(super) struct Owner;
/// An owner or an admin.
pub(super) struct Administrator;
/// An owner, an admin or the support.
pub(super) struct Supporter;
/// Any member, about themselves, or about nothing that lasts.
pub(super) struct Anybody;
/// The same, whose password was given a moment ago.
pub(super) struct Confirmed<S>(PhantomData<S>);

impl Sender for Owner {
    const ROLES: &'static [MemberRole] = OWNERS;
}
impl Sender for Administrator {
    const ROLES: &'static [MemberRole] = ADMINISTRATORS;
}
impl Sender for Supporter {
    const ROLES: &'static [MemberRole] = SUPPORTERS;
}
impl Sender for Anybody {
    const ROLES: &'static [MemberRole] = MEMBERS;
}
impl<S: Sender> Sender for Confirmed<S> {
    const ROLES: &'static [MemberRole] = S::ROLES;
    const CONFIRMED: bool = true;
}

/// A form that was sent by somebody who may.
pub(super) struct Change<S> {
    /// Who sent it.
    pub(super) viewer: Viewer,
    /// What they filled in.
    pub(super) fields: Fields,
    sender: PhantomData<S>,
}

impl<S> Change<S> {
    /// What is written as who did it.
    pub(super) fn actor(&self) -> String {
        self.viewer.actor()
    }

    /// Does the work of a form once, where doing it twice comes to something else: loading the page of its answer again
    /// must not make a second thing, nor must a second click while the first one's work is under way.
    ///
    /// # Errors
    /// When somebody did or does it, or those of the work.
    pub(super) async fn once<T>(
        &self,
        front: &Front,
        work: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        let Some(form) = self.fields.id(ONCE, "The form")? else { return work.await };
        let (activity, team) = (&front.app.activity, self.viewer.team_id());
        if !activity.claim_form(team, form, front.app.clock.now()).await? {
            let message = "This form was sent already, and what it was for is done, once. What was shown then is not \
                           shown again. If nothing was done, load this page again and send the form that is on it.";
            return Err(Problem::new(StatusCode::CONFLICT, message));
        }
        let done = work.await;
        if done.is_err()
            && let Err(error) = activity.release_form(team, form).await
        {
            tracing::warn!(%error, "a form whose work could not be done cannot be sent again as it is");
        }
        done
    }

    /// Says on the next page what came of it, and sends the browser there: to `page` of the team when it was done; back
    /// to `from` with what was filled in when that cannot be used, or not as things stand. Other problems are pages of
    /// their own.
    ///
    /// # Errors
    /// Those other problems.
    pub(super) async fn done(&self, result: Result<String, Problem>, page: &str, from: &str) -> Answer {
        match result {
            Ok(text) => {
                self.viewer.session.say(Flash { text, ..Flash::default() }).await?;
                to(&self.viewer.at(page))
            }
            Err(problem) => match problem.beside_form() {
                None => Err(problem),
                Some(text) => {
                    let kept = self.fields.iter().filter(|(name, _)| !is_secret(name));
                    let fields = kept.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
                    let (text, form) = (text.to_owned(), self.viewer.path.clone());
                    self.viewer.session.say(Flash { failed: true, text, fields, form }).await?;
                    to(&self.viewer.at(from))
                }
            },
        }
    }
}

impl<S: Sender> FromRequest<Front> for Change<S> {
    type Rejection = Problem;

    async fn from_request(request: Request, front: &Front) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        same_origin(&parts.headers)?;
        let viewer = Viewer::from_request_parts(&mut parts, front).await?;
        let fields = Fields::of_body(&body::read(body).await?);
        let given = fields.raw(CSRF).unwrap_or_default();
        if verify_slices_are_equal(given.as_bytes(), viewer.signed_in.csrf.as_bytes()).is_err() {
            let message =
                "This form does not belong to your present session. Go back, reload the page and send it again.";
            return Err(Problem::forbidden(message));
        }
        if !viewer.is_one_of(S::ROLES) {
            let message = format!("Your role here is {}; this takes {}.", viewer.member.role, words(S::ROLES));
            return Err(Problem::forbidden(message));
        }
        let now = front.app.clock.now();
        if S::CONFIRMED && !viewer.signed_in.is_confirmed(now) {
            confirm(front, &viewer, &fields).await?;
        }
        Ok(Self { viewer, fields, sender: PhantomData })
    }
}

/// Whether a field is one that is never kept or shown again.
fn is_secret(name: &str) -> bool {
    SECRETS.iter().any(|secret| name.contains(secret))
}

/// The roles, as a sentence names them.
fn words(roles: &[MemberRole]) -> String {
    let all: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
    all.join(" or ")
}

/// A browser says where a form comes from; a form from elsewhere is somebody's trick.
///
/// # Errors
/// When it comes from elsewhere.
pub(super) fn same_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let ours = match (text("sec-fetch-site"), text(header::ORIGIN.as_str())) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            host.is_some() && host == text(header::HOST.as_str())
        }
        // No browser of today: there is nobody who could be tricked into sending it.
        (None, None) => true,
    };
    let message = "This form was sent from another site. Nothing was changed.";
    ours.then_some(()).ok_or_else(|| Problem::forbidden(message))
}

#[derive(Template)]
#[template(path = "dashboard/confirm.html")]
struct ConfirmPage<'a> {
    shell: Shell,
    fields: Vec<(&'a str, &'a str)>,
    wrong: bool,
}

/// Takes the password that came with the form, or asks for it; what was filled in is kept in the question.
async fn confirm(front: &Front, viewer: &Viewer, fields: &Fields) -> Result<(), Problem> {
    let given = fields.raw(PASSWORD);
    if let Some(password) = given {
        front.dashboard.attempt(viewer.session.address, &viewer.member.id.to_string())?;
        if members::check_password(&front.app, viewer.team_id(), viewer.member.id, password).await? {
            return viewer.session.confirm(viewer.signed_in.clone(), front.app.clock.now()).await;
        }
    }
    let kept = fields.iter().filter(|(name, _)| *name != PASSWORD).collect();
    let shell = Shell::of_team(viewer, "Your password, please".to_owned(), "", None);
    Err(Problem::instead(asked(&ConfirmPage { shell, fields: kept, wrong: given.is_some() })))
}

fn asked(question: &ConfirmPage<'_>) -> Response {
    page(question).unwrap_or_else(|problem| problem.into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_from_elsewhere_is_refused() -> Result<(), Box<dyn std::error::Error>> {
        let check = |pairs: &[(&'static str, &str)]| -> Result<bool, Box<dyn std::error::Error>> {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse()?);
            }
            Ok(same_origin(&headers).is_ok())
        };
        assert!(check(&[("sec-fetch-site", "same-origin")])?);
        for site in ["cross-site", "same-site", "none"] {
            assert!(!check(&[("sec-fetch-site", site), ("origin", "http://a:1"), ("host", "a:1")])?, "{site}");
        }
        assert!(check(&[("origin", "https://a.example"), ("host", "a.example")])?);
        assert!(!check(&[("origin", "https://b.example"), ("host", "a.example")])?);
        assert!(!check(&[("origin", "null"), ("host", "a.example")])?);
        assert!(check(&[("host", "a.example")])?);
        Ok(())
    }
}
