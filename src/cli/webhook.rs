//! `keyledger webhook …`

mod args;
mod show;

use std::time::Duration;

use anyhow::Context as _;
use clap::Subcommand;
use keyledger_events::TeamId;
use keyledger_projections::{Hook, HookState, Page};
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use super::args::TeamArg;
use super::global::{Global, Reads};
use super::list::List;
use super::output::{Output, note};
use super::secret::SecretSource;
use crate::admin::webhooks::{self, NewWebhook, WebhookChange};
use crate::admin::{ACTOR_CLI, AdminError};
use crate::app::App;
use crate::hooks::worker::Hooker;
use args::{AnyTeam, CreateArgs, DeliveriesArgs, OneArgs, RedeliverArgs, RotateArgs, TestArgs, UpdateArgs};

/// Deliveries read at once.
const PAGE: u32 = 1_000;
/// How long a test waits for a server that was faster than we.
const TEST_MAX: Duration = Duration::from_secs(20);
/// How often it looks.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

#[derive(Debug, Subcommand)]
pub(super) enum WebhookCommand {
    /// Register an endpoint: from now on it is told of everything that happens to licences.
    Create(CreateArgs),
    /// List a team's endpoints, the oldest first.
    List {
        #[command(flatten)]
        team: TeamArg,
    },
    /// Show an endpoint.
    Show(OneArgs),
    /// Change an endpoint; what is not named stays.
    Update(UpdateArgs),
    /// Post to an endpoint again.
    Enable(OneArgs),
    /// Post to an endpoint no more. What happens meanwhile it does not hear of.
    Disable(OneArgs),
    /// Remove an endpoint.
    Remove(OneArgs),
    /// Give an endpoint another secret. Until the overlap is over hooks are signed with both.
    RotateSecret(RotateArgs),
    /// List what was sent to an endpoint, or is to be, those of the latest events first.
    Deliveries(DeliveriesArgs),
    /// Send again: one delivery, or all that did not get through since a time.
    Redeliver(RedeliverArgs),
    /// Send an endpoint a hook of the type webhook.test, now, and say what it answered.
    Test(TestArgs),
}

/// An endpoint and its team.
async fn team_of(app: &App, team: &AnyTeam, webhook_id: Uuid) -> Result<TeamId, AdminError> {
    for team in crate::admin::teams::ids(app, team.team).await? {
        match webhooks::find(app, team, webhook_id).await {
            Err(AdminError::NotFound { .. }) => {}
            other => return other.map(|endpoint| endpoint.team),
        }
    }
    let list = "webhook list --team ID";
    Err(AdminError::NotFound { what: "webhook", id: webhook_id.to_string(), list })
}

impl OneArgs {
    async fn team(&self, app: &App) -> Result<TeamId, AdminError> {
        team_of(app, &self.team, self.id).await
    }
}

impl WebhookCommand {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        global
            .with_app(Reads::Views, async |app, output| match self {
                Self::Create(args) => args.run(app, output).await,
                Self::List { team } => {
                    let mut rows = List::begin(output, ["ID", "STATE", "TYPES", "LAST DELIVERED", "FOR", "URL"]);
                    for webhook in webhooks::list(app, team.team).await? {
                        rows.push(&webhook, || show::row(&webhook))?;
                    }
                    Ok(rows.finish("no webhooks: keyledger webhook create --team ID --url URL")?)
                }
                Self::Show(one) => {
                    let team = one.team(app).await?;
                    let endpoint = webhooks::find(app, team, one.id).await?;
                    show::one(&webhooks::describe(app, &endpoint).await?, output)
                }
                Self::Update(args) => args.run(app, output).await,
                Self::Enable(one) => switch(app, output, &one, true).await,
                Self::Disable(one) => switch(app, output, &one, false).await,
                Self::Remove(one) => {
                    let team = one.team(app).await?;
                    webhooks::remove(app, ACTOR_CLI, team, one.id).await?;
                    if output.json {
                        return Ok(output.document(&json!({ "id": one.id, "removed": true }))?);
                    }
                    note("done: nothing is posted there any more");
                    Ok(())
                }
                Self::RotateSecret(args) => args.run(app, output).await,
                Self::Deliveries(args) => args.run(app, output).await,
                Self::Redeliver(args) => args.run(app, output).await,
                Self::Test(args) => args.run(app, output).await,
            })
            .await
    }
}

async fn switch(app: &App, output: &mut Output, one: &OneArgs, enabled: bool) -> anyhow::Result<()> {
    let team = one.team(app).await?;
    let endpoint = webhooks::set_enabled(app, ACTOR_CLI, team, one.id, enabled).await?;
    if output.json {
        return Ok(output.document(&webhooks::describe(app, &endpoint).await?)?);
    }
    note(if enabled { "the webhook is on" } else { "the webhook is off" });
    Ok(())
}

impl CreateArgs {
    async fn run(self, app: &App, output: &mut Output) -> anyhow::Result<()> {
        let new = NewWebhook {
            url: self.url.read()?.expose_secret().to_owned(),
            description: self.description,
            types: self.types,
            include_keys: self.include_keys,
            secret: self.secret.as_ref().map(SecretSource::read).transpose()?,
        };
        let made = webhooks::create(app, ACTOR_CLI, self.team.team, new).await?;
        if output.json {
            return Ok(output.document(&show::with_secret(&made.webhook, &made.secret)?)?);
        }
        output.line(&format!("id      {}", made.webhook.id))?;
        output.line(&format!("secret  {}", made.secret.expose_secret()))?;
        output.flush()?;
        note("Keep the secret now: nobody can show it again. Your program checks hooks with it.");
        note(&format!("next: keyledger webhook test {}", made.webhook.id));
        Ok(())
    }
}

impl UpdateArgs {
    async fn run(self, app: &App, output: &mut Output) -> anyhow::Result<()> {
        let team = self.one.team(app).await?;
        let url = self.url.as_ref().map(SecretSource::read).transpose()?;
        let change = WebhookChange {
            url: url.map(|url| url.expose_secret().to_owned()),
            description: self.description,
            types: self.types,
            include_keys: self.include_keys,
        };
        let endpoint = webhooks::update(app, ACTOR_CLI, team, self.one.id, change).await?;
        show::one(&webhooks::describe(app, &endpoint).await?, output)
    }
}

impl RotateArgs {
    async fn run(self, app: &App, output: &mut Output) -> anyhow::Result<()> {
        let team = self.one.team(app).await?;
        let given = self.secret.as_ref().map(SecretSource::read).transpose()?;
        let (endpoint, secret) = webhooks::rotate(app, ACTOR_CLI, team, self.one.id, given, self.overlap_hours).await?;
        let shown = webhooks::describe(app, &endpoint).await?;
        if output.json {
            return Ok(output.document(&show::with_secret(&shown, &secret)?)?);
        }
        output.line(&format!("secret  {}", secret.expose_secret()))?;
        output.flush()?;
        note("Keep it now: nobody can show it again.");
        Ok(())
    }
}

impl DeliveriesArgs {
    async fn run(self, app: &App, output: &mut Output) -> anyhow::Result<()> {
        let team = self.one.team(app).await?;
        let states: Vec<HookState> = self.state.into_iter().map(HookState::from).collect();
        let columns = ["HAPPENED", "TYPE", "STATE", "ATTEMPTS", "STATUS", "REASON", "ID"];
        let mut rows = List::begin(output, columns);
        let (mut left, mut before) = (self.limit.limit.unwrap_or(u32::MAX), None);
        while left > 0 {
            let wanted = left.min(PAGE);
            let page = Page { before, limit: Some(wanted) };
            let found = webhooks::deliveries(app, team, self.one.id, &states, page).await?;
            for hook in &found {
                let shown = webhooks::describe_hook(app, hook).await?;
                rows.push(&shown, || show::delivery_row(&shown))?;
            }
            let count = u32::try_from(found.len()).unwrap_or(u32::MAX);
            before = found.last().map(|hook| hook.source.position);
            left = left.saturating_sub(count);
            if count < wanted {
                break;
            }
        }
        Ok(rows.finish("nothing was sent there yet")?)
    }
}

impl RedeliverArgs {
    async fn run(self, app: &App, output: &mut Output) -> anyhow::Result<()> {
        if let (Some(webhook_id), Some(since)) = (self.webhook, self.since) {
            let team = team_of(app, &self.team, webhook_id).await?;
            let count = webhooks::redeliver_failed(app, ACTOR_CLI, team, webhook_id, since).await?;
            if output.json {
                return Ok(output.document(&json!({ "webhookId": webhook_id, "redelivered": count }))?);
            }
            note(&format!("asked for {count} again; a running server sends them"));
            return Ok(());
        }
        let id = self.id.context("a delivery's id is missing")?;
        for team in crate::admin::teams::ids(app, self.team.team).await? {
            let hook = match webhooks::redeliver(app, ACTOR_CLI, team, id).await {
                Err(AdminError::NotFound { what: "delivery", .. }) => continue,
                other => other?,
            };
            if output.json {
                return Ok(output.document(&webhooks::describe_hook(app, &hook).await?)?);
            }
            note("asked for it again; a running server sends it");
            return Ok(());
        }
        Err(AdminError::NotFound { what: "delivery", id: id.to_string(), list: "webhook deliveries ID" }.into())
    }
}

impl TestArgs {
    /// Sends the hook from this process, unless a running server is faster.
    async fn run(self, app: &App, output: &mut Output) -> anyhow::Result<()> {
        let team = self.one.team(app).await?;
        let hooker = Hooker::new(app.clone(), self.hooks.poster()?);
        let asked = webhooks::test(app, ACTOR_CLI, team, self.one.id).await?;
        hooker.deliver(asked.clone()).await?;
        let hook = concluded(app, team, &asked).await?;
        let shown = webhooks::describe_hook(app, &hook).await?;
        if output.json {
            output.document(&shown)?;
        } else {
            output.line(&show::outcome(&shown))?;
        }
        output.flush()?;
        match hook.state {
            HookState::Delivered => Ok(()),
            _ => anyhow::bail!("the hook did not get through; it is tried again"),
        }
    }
}

/// The hook after its first attempt, whoever made it.
async fn concluded(app: &App, team: TeamId, asked: &Hook) -> Result<Hook, AdminError> {
    let begun = Instant::now();
    loop {
        let hook = webhooks::find_hook(app, team, asked.id).await?;
        if hook.state != HookState::Pending || begun.elapsed() > TEST_MAX {
            return Ok(hook);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
