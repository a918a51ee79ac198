//! Signing in, with a second step for those who want one, and signing out.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri};

use super::change::{Anybody, Change, same_origin};
use super::fields::Fields;
use super::page::{Answer, page, page_under, to};
use super::problem::Problem;
use super::session::{Halfway, Membership, Session};
use super::shell::Shell;
use super::viewer::{holds, keeps_no_session};
use crate::admin::members;
use crate::http::{Front, body};

#[derive(Template)]
#[template(path = "dashboard/sign_in.html")]
struct SignInPage<'a> {
    shell: Shell,
    next: &'a str,
    email: &'a str,
    wrong: bool,
    /// Whether a form was sent when nobody was signed in any more.
    ended: bool,
    /// Whether the browser will not stay signed in, because nothing keeps the session from others on its way.
    plain: bool,
}

#[derive(Template)]
#[template(path = "dashboard/sign_in_code.html")]
struct CodePage {
    shell: Shell,
    wrong: bool,
}

/// `GET /sign-in`
pub(super) async fn show(State(front): State<Front>, session: Session, headers: HeaderMap, uri: Uri) -> Answer {
    let query = Fields::of_query(&uri);
    let next = own_path(query.raw("next"));
    if let Some(signed_in) = session.signed_in().await?
        && holds(&front.app, &signed_in).await?
    {
        return to(next);
    }
    let (shell, ended) = (Shell::bare("Sign in", session.said().await?), query.ticked("ended"));
    page(&SignInPage { shell, next, email: "", wrong: false, ended, plain: keeps_no_session(&headers) })
}

/// `POST /sign-in`
pub(super) async fn password(State(front): State<Front>, session: Session, request: Request) -> Answer {
    let fields = own_form(request).await?;
    let next = own_path(fields.raw("next"));
    let (email, password) = (fields.text("email").unwrap_or_default(), fields.raw("password").unwrap_or_default());
    front.dashboard.attempt(session.address, email)?;
    let known = members::memberships(&front.app, email, password).await?;
    if known.is_empty() {
        let shell = Shell::bare("Sign in", None);
        return refused(&SignInPage { shell, next, email, wrong: true, ended: false, plain: false });
    }
    let wants_code = known.iter().any(|(_, member)| member.totp.is_some());
    let memberships = known.iter().map(|(team, member)| Membership::of(*team, member)).collect();
    let now = front.app.clock.now();
    if wants_code {
        session.begin_code(Halfway { memberships, since: now, next: next.to_owned() }).await?;
        return to("/sign-in/code");
    }
    session.sign_in(memberships, now).await?;
    to(next)
}

/// `GET /sign-in/code`
pub(super) async fn show_code(State(front): State<Front>, session: Session) -> Answer {
    match session.halfway(front.app.clock.now()).await? {
        None => to("/sign-in"),
        Some(_) => page(&CodePage { shell: Shell::bare("Your code", None), wrong: false }),
    }
}

/// `POST /sign-in/code`
pub(super) async fn code(State(front): State<Front>, session: Session, request: Request) -> Answer {
    let fields = own_form(request).await?;
    let now = front.app.clock.now();
    let Some(halfway) = session.halfway(now).await? else { return to("/sign-in") };
    let code = fields.text("code").unwrap_or_default();
    let mut opened = Vec::new();
    for membership in &halfway.memberships {
        front.dashboard.attempt(session.address, &membership.id.to_string())?;
        let member = front.app.views.team(membership.team).member(membership.id).await?;
        let Some(member) = member.filter(|member| !member.removed && membership.holds(member)) else { continue };
        // Each membership has a secret of its own; what the code does not open is left out.
        let opens = match member.totp {
            None => true,
            Some(_) => members::check_totp(&front.app, membership.team, &member, code).await?,
        };
        if opens {
            opened.push((*membership, member.totp.is_some()));
        }
    }
    if !opened.iter().any(|(_, by_code)| *by_code) {
        return refused(&CodePage { shell: Shell::bare("Your code", None), wrong: true });
    }
    session.sign_in(opened.into_iter().map(|(membership, _)| membership).collect(), now).await?;
    to(own_path(Some(&halfway.next)))
}

/// `POST /sign-out`
pub(super) async fn sign_out(change: Change<Anybody>) -> Answer {
    change.viewer.session.end().await?;
    to("/sign-in")
}

/// The same page again, with what was wrong.
fn refused(template: &impl Template) -> Answer {
    page_under(StatusCode::UNPROCESSABLE_ENTITY, template)
}

/// A form of somebody who is not signed in yet.
///
/// # Errors
/// When it comes from another site.
pub(super) async fn own_form(request: Request) -> Result<Fields, Problem> {
    let (parts, form) = request.into_parts();
    let headers: &HeaderMap = &parts.headers;
    same_origin(headers)?;
    Ok(Fields::of_body(&body::read(form).await?))
}

/// A path of this server, to go on to; what leads elsewhere leads to the first page.
fn own_path(next: Option<&str>) -> &str {
    let own = |path: &&str| {
        let begins = path.starts_with('/') && !path.starts_with("//") && !path.starts_with("/\\");
        begins && !path.chars().any(|character| character.is_control() || character == '\\')
    };
    next.filter(own).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site() {
        assert_eq!(own_path(Some("/teams/1/licenses?before=3")), "/teams/1/licenses?before=3");
        for bad in ["//evil.example", "/\\evil.example", "https://evil.example", "", "/a\\b", "/a\nb", "javascript:x"] {
            assert_eq!(own_path(Some(bad)), "/", "{bad:?}");
        }
    }
}
