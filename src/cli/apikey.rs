//! `keyledger apikey …`

use clap::{Subcommand, ValueEnum};
use keyledger_events::event::team::ApiKeyScope;
use keyledger_events::{TeamId, Timestamp};
use secrecy::ExposeSecret as _;
use serde_json::json;
use uuid::Uuid;

use super::args::{TeamArg, time};
use super::cell;
use super::global::{Global, Reads};
use super::list::List;
use super::output::{Output, note};
use crate::admin::api_keys::{EXPIRES_IN_DAYS_MAX, Expires, WantedApiKey};
use crate::admin::{ACTOR_CLI, api_keys};
use crate::app::App;

#[derive(Debug, Subcommand)]
pub(super) enum ApiKeyCommand {
    /// Make an API key. It is shown once: only its hash is kept.
    Create {
        #[command(flatten)]
        team: TeamArg,
        /// What it may do.
        #[arg(long)]
        scope: Scope,
        /// When it stops working; without it, never.
        #[arg(
            long,
            value_name = "DAYS",
            value_parser = clap::value_parser!(u32).range(1..=i64::from(EXPIRES_IN_DAYS_MAX))
        )]
        expires_in_days: Option<u32>,
        /// The moment at which it stops working: 2027-01-31T00:00:00Z.
        #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "expires_in_days")]
        expires: Option<Timestamp>,
        /// What it is for, so that you know it in the list.
        #[arg(long)]
        name: Option<String>,
    },
    /// List API keys, revoked ones among them. The keys themselves are nowhere.
    List {
        #[command(flatten)]
        team: TeamArg,
    },
    /// Revoke an API key: it opens nothing from then on.
    Revoke {
        /// The key's id.
        id: Uuid,
        #[command(flatten)]
        team: TeamArg,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Scope {
    /// The developer API.
    Developer,
    /// Reading history.
    Auditor,
    /// Running the ledger.
    Admin,
}

impl From<Scope> for ApiKeyScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Developer => Self::Developer,
            Scope::Auditor => Self::Auditor,
            Scope::Admin => Self::Admin,
        }
    }
}

impl ApiKeyCommand {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        global
            .with_app(Reads::Views, async |app, output| match self {
                Self::Create { team, scope, expires_in_days, expires, name } => {
                    let expires = match (expires, expires_in_days) {
                        (Some(end), _) => Expires::At(end),
                        (None, Some(days)) => Expires::InDays(days),
                        (None, None) => Expires::Never,
                    };
                    create(app, team.team, WantedApiKey { scope: scope.into(), name, expires }, output).await
                }
                Self::List { team } => list(app, team.team, output).await,
                Self::Revoke { id, team } => {
                    let changed = api_keys::revoke(app, ACTOR_CLI, team.team, id).await?;
                    if output.json {
                        return Ok(output.document(&json!({ "id": id, "revoked": true, "changed": changed }))?);
                    }
                    note(if changed {
                        "done: the key opens nothing any more"
                    } else {
                        "nothing to do: it was revoked"
                    });
                    Ok(())
                }
            })
            .await
    }
}

async fn create(app: &App, team: TeamId, wanted: WantedApiKey, output: &mut Output) -> anyhow::Result<()> {
    let (scope, name) = (wanted.scope, wanted.name.clone());
    let made = api_keys::create(app, ACTOR_CLI, team, wanted).await?;
    let key = made.key.expose_secret();
    if output.json {
        let made = json!({ "id": made.id, "key": key, "name": name, "scope": scope, "expiresAt": made.expires_at });
        return Ok(output.document(&made)?);
    }
    output.line(&format!("id   {}", made.id))?;
    output.line(&format!("key  {key}"))?;
    output.flush()?;
    let end = made.expires_at.map_or_else(String::new, |at| format!(" It works until {}.", cell::time(at)));
    note(&format!("Keep it now: nobody can show it again.{end}"));
    Ok(())
}

async fn list(app: &App, team: TeamId, output: &mut Output) -> anyhow::Result<()> {
    let mut rows = List::begin(output, ["ID", "NAME", "SCOPE", "STATE", "MADE", "EXPIRES", "LAST USED"]);
    for key in api_keys::list(app, team).await? {
        rows.push(&key, || {
            let scope = match key.scope {
                ApiKeyScope::Developer => "developer",
                ApiKeyScope::Auditor => "auditor",
                ApiKeyScope::Admin => "admin",
            };
            [
                key.id.to_string(),
                key.name.as_deref().map_or_else(|| "-".to_owned(), cell::text),
                scope.to_owned(),
                if key.revoked { "revoked" } else { "in force" }.to_owned(),
                cell::time(key.created_at),
                key.expires_at.map_or_else(|| "never".to_owned(), cell::time),
                cell::maybe_time(key.last_used_at),
            ]
        })?;
    }
    Ok(rows.finish("no API keys: keyledger apikey create --team ID --scope developer")?)
}
