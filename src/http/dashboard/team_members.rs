//! `/teams/{teamId}/members`: who signs in, what they may do, inviting and removing them.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use keyledger_events::event::member::MemberRole;
use secrecy::ExposeSecret as _;
use uuid::Uuid;

use super::change::{Change, Confirmed, Owner};
use super::page::{Answer, page};
use super::problem::Problem;
use super::shell::Shell;
use super::viewer::Viewer;
use super::when::When;
use crate::admin::members;
use crate::http::Front;

/// The pages.
pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/members", get(list).post(invite))
        .route("/members/{memberId}/role", post(change_role))
        .route("/members/{memberId}/remove", post(remove))
}

#[derive(Template)]
#[template(path = "dashboard/members.html")]
struct MembersPage {
    shell: Shell,
    rows: Vec<Row>,
    roles: [MemberRole; 4],
    /// The link of an invitation that was just made.
    made: Option<String>,
}

struct Row {
    id: Uuid,
    email: String,
    role: MemberRole,
    joined: bool,
    totp: bool,
    since: When,
    expires: Option<When>,
    own: bool,
}

async fn list(viewer: Viewer, State(front): State<Front>) -> Answer {
    shown(&front, &viewer, None).await
}

async fn shown(front: &Front, viewer: &Viewer, made: Option<String>) -> Answer {
    let team = viewer.team_id();
    let mut rows = Vec::new();
    for member in members::list(&front.app, team).await? {
        rows.push(Row {
            id: member.id,
            email: members::email(&front.app, team, &member).await?.unwrap_or_default(),
            role: member.role,
            joined: member.joined(),
            totp: member.totp.is_some(),
            since: When(member.created_at),
            expires: member.invitation.map(|invitation| When(invitation.expires_at)),
            own: member.id == viewer.member.id,
        });
    }
    let mut shell = viewer.shell("Members", "members").await?;
    shell.path = viewer.at("members");
    page(&MembersPage { shell, rows, roles: MemberRole::ALL, made })
}

fn role(text: Option<&str>) -> Result<MemberRole, Problem> {
    let parsed = text.unwrap_or_default().parse();
    parsed.map_err(|_| Problem::unusable("Choose a role: owner, admin, support or auditor."))
}

async fn invite(State(front): State<Front>, change: Change<Confirmed<Owner>>) -> Answer {
    let invited = async {
        let (role, email) = (role(change.fields.text("role"))?, change.fields.required("email", "The mail address")?);
        Ok(members::invite(&front.app, &change.actor(), change.viewer.team_id(), email, role).await?)
    };
    match change.once(&front, invited).await {
        Ok(made) => {
            let link = format!("{}/invite?token={}", change.viewer.origin, made.token.expose_secret());
            shown(&front, &change.viewer, Some(link)).await
        }
        Err(problem) => change.done(Err(problem), "members", "members").await,
    }
}

fn id(text: &str) -> Result<Uuid, Problem> {
    text.parse().map_err(|_| Problem::not_found(format!("“{text}” is no member's id.")))
}

async fn change_role(
    State(front): State<Front>,
    Path((_, member)): Path<(String, String)>,
    change: Change<Confirmed<Owner>>,
) -> Answer {
    let changed = async {
        let (team, role) = (change.viewer.team_id(), role(change.fields.text("role"))?);
        members::change_role(&front.app, &change.actor(), team, id(&member)?, role).await?;
        Ok(format!("The role is {role} now."))
    };
    change.done(changed.await, "members", "members").await
}

async fn remove(
    State(front): State<Front>,
    Path((_, member)): Path<(String, String)>,
    change: Change<Confirmed<Owner>>,
) -> Answer {
    let removed = async {
        members::remove(&front.app, &change.actor(), change.viewer.team_id(), id(&member)?).await?;
        Ok("They are no member any more, and signed out everywhere.".to_owned())
    };
    change.done(removed.await, "members", "members").await
}
