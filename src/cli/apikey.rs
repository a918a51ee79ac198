//! `keyledger apikey …`

use clap::{Subcommand, ValueEnum};
use keyledger_events::event::team::ApiKeyScope;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::args::TeamArg;
use super::cell;
use super::global::{Global, Reads};
use super::output::note;
use crate::admin::api_keys::EXPIRES_IN_DAYS_MAX;
use crate::admin::{ACTOR_CLI, api_keys};

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
        let Self::Create { team, scope, expires_in_days } = self;
        global
            .with_app(Reads::Views, async |app, output| {
                let made = api_keys::create(app, ACTOR_CLI, team.team, scope.into(), expires_in_days).await?;
                let key = made.key.expose_secret();
                if output.json {
                    let scope = ApiKeyScope::from(scope);
                    let made = json!({ "id": made.id, "key": key, "scope": scope, "expiresAt": made.expires_at });
                    return Ok(output.document(&made)?);
                }
                output.line(&format!("id   {}", made.id))?;
                output.line(&format!("key  {key}"))?;
                output.flush()?;
                let end = made.expires_at.map_or_else(String::new, |at| format!(" It works until {}.", cell::time(at)));
                note(&format!("Keep it now: nobody can show it again.{end}"));
                Ok(())
            })
            .await
    }
}
