//! `keyledger member …`

use clap::{Subcommand, ValueEnum};
use keyledger_events::event::member::MemberRole;
use keyledger_projections::Member;
use secrecy::ExposeSecret as _;
use serde_json::json;
use uuid::Uuid;

use super::args::TeamArg;
use super::cell;
use super::global::{Global, Reads};
use super::list::List;
use super::output::{Output, note};
use crate::admin::{ACTOR_CLI, members};
use crate::app::App;

#[derive(Debug, Subcommand)]
pub(super) enum MemberCommand {
    /// Print the path that makes whoever opens it the first owner of a team. It works until there is one.
    FirstStart,
    /// Invite somebody, or a member anew who cannot sign in any more: then their password and codes are forgotten, and they
    /// are signed out. The path is shown once.
    Invite {
        /// The mail address that they will sign in with.
        email: String,
        #[command(flatten)]
        team: TeamArg,
        /// What they may do.
        #[arg(long)]
        role: Role,
    },
    /// List members and invited people.
    List {
        #[command(flatten)]
        team: TeamArg,
    },
    /// Give a member another role.
    SetRole {
        /// The member's id.
        id: Uuid,
        #[command(flatten)]
        team: TeamArg,
        /// What they may do.
        #[arg(long)]
        role: Role,
    },
    /// End a membership, and every session of it.
    Remove {
        /// The member's id.
        id: Uuid,
        #[command(flatten)]
        team: TeamArg,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Role {
    /// Everything.
    Owner,
    /// Everything but members and the team itself.
    Admin,
    /// Helping buyers.
    Support,
    /// Looking, and nothing else.
    Auditor,
}

impl From<Role> for MemberRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Owner => Self::Owner,
            Role::Admin => Self::Admin,
            Role::Support => Self::Support,
            Role::Auditor => Self::Auditor,
        }
    }
}

impl MemberCommand {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        global
            .with_app(Reads::Views, async |app, output| match self {
                Self::FirstStart => first_start(app, output).await,
                Self::Invite { email, team, role } => {
                    let made = members::invite_anew(app, ACTOR_CLI, team.team, &email, role.into()).await?;
                    let path = format!("/invite?token={}", made.token.expose_secret());
                    if output.json {
                        let made = json!({ "id": made.member_id, "path": path, "expiresAt": made.expires_at });
                        return Ok(output.document(&made)?);
                    }
                    output.line(&path)?;
                    output.flush()?;
                    let until = cell::time(made.expires_at);
                    note(&format!("Send it behind your server's address. It works once, until {until}."));
                    if made.anew {
                        note(
                            "They are a member already: password and codes are forgotten, and only this lets them in.",
                        );
                    }
                    Ok(())
                }
                Self::List { team } => list(app, team, output).await,
                Self::SetRole { id, team, role } => {
                    let changed = members::change_role(app, ACTOR_CLI, team.team, id, role.into()).await?;
                    done(output, id, changed, "nothing to do: that is the member's role")
                }
                Self::Remove { id, team } => {
                    members::remove(app, ACTOR_CLI, team.team, id).await?;
                    done(output, id, true, "")
                }
            })
            .await
    }
}

fn done(output: &mut Output, id: Uuid, changed: bool, nothing: &str) -> anyhow::Result<()> {
    if output.json {
        return Ok(output.document(&json!({ "id": id, "changed": changed }))?);
    }
    note(if changed { "done" } else { nothing });
    Ok(())
}

async fn first_start(app: &App, output: &mut Output) -> anyhow::Result<()> {
    let Some(path) = members::first_start_path(app).await? else {
        anyhow::bail!(
            "there is an owner already; `keyledger member invite --team ID --role ROLE EMAIL` invites others, and the \
             owner anew who cannot sign in any more"
        );
    };
    if output.json {
        return Ok(output.document(&json!({ "path": path }))?);
    }
    output.line(&path)?;
    output.flush()?;
    note("Open it behind your server's address, as in http://127.0.0.1:8080/welcome?token=…");
    Ok(())
}

async fn list(app: &App, TeamArg { team, .. }: TeamArg, output: &mut Output) -> anyhow::Result<()> {
    let mut rows = List::begin(output, ["ID", "ADDRESS", "ROLE", "STATE", "CODE", "SINCE"]);
    for member in members::list(app, team).await? {
        let email = members::email(app, team, &member).await?;
        let state = state(&member);
        let shown = json!({
            "id": member.id, "teamId": team, "email": email, "role": member.role, "state": state,
            "totp": member.totp.is_some(), "createdAt": member.created_at,
        });
        rows.push(&shown, || {
            [
                member.id.to_string(),
                email.as_deref().map_or_else(|| "-".to_owned(), cell::text),
                member.role.to_string(),
                state.to_owned(),
                if member.totp.is_some() { "yes" } else { "no" }.to_owned(),
                cell::time(member.created_at),
            ]
        })?;
    }
    Ok(rows.finish("no members: keyledger member first-start")?)
}

fn state(member: &Member) -> &'static str {
    if member.joined() { "joined" } else { "invited" }
}
