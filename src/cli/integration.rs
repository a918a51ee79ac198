//! `keyledger integration …`

use clap::{Args, Subcommand, ValueEnum};
use keyledger_events::Event;
use keyledger_events::TeamId;
use keyledger_events::event::inbox::Provider;
use keyledger_events::event::integration::SecretKind;
use keyledger_projections::{Integration, Secret};
use uuid::Uuid;

use super::args::TeamArg;
use super::cell;
use super::global::{Global, Reads};
use super::output::{Output, note};
use super::secret::{SecretSource, read_all};
use crate::admin::integrations::{self, Changed, IntegrationChange, IntegrationJson, NewSecret, webhook_path};
use crate::admin::{ACTOR_CLI, teams};

#[derive(Debug, Subcommand)]
pub(super) enum IntegrationCommand {
    /// Set up or change a connection; each option changes just that. Secrets are added beside those that are there.
    #[command(subcommand)]
    Set(SetCommand),
    /// Show a team's connections: which secrets there are, never the secrets.
    Show {
        #[command(flatten)]
        team: TeamArg,
        /// Only this one.
        provider: Option<ProviderArg>,
    },
    /// End a secret: what is signed with it from now on is refused.
    RetireSecret {
        #[command(flatten)]
        team: TeamArg,
        /// The secret's id, from `integration show`.
        secret_id: Uuid,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum SetCommand {
    /// Stripe: webhooks, and reading what was bought.
    Stripe(StripeArgs),
    /// Polymart (Voxel Shop): webhooks and placeholders.
    Polymart(PolymartArgs),
}

#[derive(Debug, Args)]
#[group(id = "change", required = true, multiple = true, args = ["webhook_secret", "api_key", "api_base", "active"])]
pub(super) struct StripeArgs {
    #[command(flatten)]
    team: TeamArg,
    /// A webhook's signing secret (whsec_…): @FILE, `-` for standard input, or the secret itself. May be repeated.
    #[arg(long, value_name = "SECRET")]
    webhook_secret: Vec<SecretSource>,
    /// A restricted API key (rk_live_… or rk_test_…) that may read, given likewise. May be repeated.
    #[arg(long, value_name = "KEY")]
    api_key: Vec<SecretSource>,
    /// The base URL of Stripe's API, if it is not Stripe's own; an empty one is Stripe's own again.
    #[arg(long, value_name = "URL")]
    api_base: Option<String>,
    /// Whether deliveries are taken. The first secret switches a connection on.
    #[arg(long, value_name = "true|false", action = clap::ArgAction::Set)]
    active: Option<bool>,
}

#[derive(Debug, Args)]
#[group(id = "change", required = true, multiple = true, args = ["webhook_secret", "signing_secret", "active"])]
pub(super) struct PolymartArgs {
    #[command(flatten)]
    team: TeamArg,
    /// A product's webhook secret: @FILE, `-` for standard input, or the secret itself. May be repeated.
    #[arg(long, value_name = "SECRET")]
    webhook_secret: Vec<SecretSource>,
    /// A placeholder's signing secret, given likewise. May be repeated.
    #[arg(long, value_name = "SECRET")]
    signing_secret: Vec<SecretSource>,
    /// Whether deliveries are taken. The first secret switches a connection on.
    #[arg(long, value_name = "true|false", action = clap::ArgAction::Set)]
    active: Option<bool>,
}

/// A provider on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum ProviderArg {
    Stripe,
    Polymart,
}

impl From<ProviderArg> for Provider {
    fn from(provider: ProviderArg) -> Self {
        match provider {
            ProviderArg::Stripe => Self::Stripe,
            ProviderArg::Polymart => Self::Polymart,
        }
    }
}

impl SetCommand {
    fn change(&self) -> anyhow::Result<(TeamId, Provider, IntegrationChange)> {
        let (team, provider, sources, api_base, active) = match self {
            Self::Stripe(args) => {
                let secrets = [(SecretKind::Webhook, &args.webhook_secret), (SecretKind::ApiKey, &args.api_key)];
                (args.team.team, Provider::Stripe, secrets, args.api_base.clone(), args.active)
            }
            Self::Polymart(args) => {
                let secrets =
                    [(SecretKind::Webhook, &args.webhook_secret), (SecretKind::Signing, &args.signing_secret)];
                (args.team.team, Provider::Polymart, secrets, None, args.active)
            }
        };
        let named = |(kind, sources): (SecretKind, &Vec<SecretSource>)| {
            sources.iter().map(move |it| (kind, it.clone())).collect::<Vec<_>>()
        };
        let (kinds, sources): (Vec<_>, Vec<_>) = sources.into_iter().flat_map(named).unzip();
        let values = read_all(&sources)?;
        let secrets = kinds.into_iter().zip(values).map(|(kind, value)| NewSecret { kind, value }).collect();
        Ok((team, provider, IntegrationChange { secrets, api_base, active }))
    }
}

impl IntegrationCommand {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        // Before the ledger is opened: what cannot be read must leave nothing behind.
        let change = match &self {
            Self::Set(set) => Some(set.change()?),
            Self::Show { .. } | Self::RetireSecret { .. } => None,
        };
        global
            .with_app(Reads::Views, async |app, output| match self {
                Self::Set(_) => {
                    let Some((team, provider, change)) = change else { return Ok(()) };
                    let changed = integrations::set(app, ACTOR_CLI, team, provider, &change).await?;
                    for doubt in change.secrets.iter().filter_map(|secret| integrations::doubt(provider, secret)) {
                        note(&format!("note: {doubt}"));
                    }
                    report(team, provider, &changed, output)
                }
                Self::Show { team, provider } => {
                    let config = teams::find(app, team.team).await?;
                    let provider = provider.map(Provider::from);
                    let wanted = |it: &&Integration| provider.is_none_or(|provider| it.provider == provider);
                    let shown: Vec<_> = config.integrations.values().filter(wanted).collect();
                    show(team.team, provider, &shown, output)
                }
                Self::RetireSecret { team, secret_id } => {
                    let changed = integrations::retire(app, ACTOR_CLI, team.team, secret_id).await?;
                    let provider = changed.integration.as_ref().map_or(Provider::Stripe, |it| it.provider);
                    report(team.team, provider, &changed, output)
                }
            })
            .await
    }
}

/// What a change came to: a document for machines, a note for people.
fn report(team: TeamId, provider: Provider, changed: &Changed, output: &mut Output) -> anyhow::Result<()> {
    if output.json {
        return Ok(
            output.document(&changed.integration.as_ref().map(|integration| IntegrationJson::of(team, integration)))?
        );
    }
    for event in &changed.events {
        note(&sentence(event));
    }
    if changed.events.is_empty() {
        note("nothing to change: it is so already");
    }
    let state = match &changed.integration {
        Some(integration) if integration.enabled => "on",
        Some(_) => "off",
        None => "not set up",
    };
    note(&format!("the {provider} connection is {state}"));
    Ok(())
}

fn sentence(event: &Event) -> String {
    match event {
        Event::IntegrationEnabled(_) => "switched on".to_owned(),
        Event::IntegrationDisabled(_) => "switched off: deliveries are kept, and answered 409".to_owned(),
        Event::IntegrationUpdated(updated) => match &updated.api_base {
            Some(base) => format!("the API is asked at {base}"),
            None => "the API is asked at the provider's own address".to_owned(),
        },
        Event::SecretAdded(added) => {
            let mode = added.livemode.map_or("", |live| if live { " (live mode)" } else { " (test mode)" });
            format!("added the {}{mode} {}", kind(added.kind), masked(&added.hint))
        }
        Event::SecretRetired(retired) => format!("retired the secret {}", retired.secret_id),
        other => other.name().to_owned(),
    }
}

fn kind(kind: SecretKind) -> &'static str {
    match kind {
        SecretKind::Webhook => "webhook secret",
        SecretKind::Signing => "signing secret",
        SecretKind::ApiKey => "API key",
    }
}

fn masked(hint: &str) -> String {
    format!("…{}", cell::text(hint))
}

fn show(team: TeamId, provider: Option<Provider>, shown: &[&Integration], output: &mut Output) -> anyhow::Result<()> {
    if output.json {
        let mut documents = shown.iter().map(|integration| IntegrationJson::of(team, integration));
        if provider.is_some() {
            return Ok(output.document(&documents.next())?);
        }
        return Ok(output.document(&documents.collect::<Vec<_>>())?);
    }
    if shown.is_empty() {
        let which = provider.map_or_else(|| "no connection yet".to_owned(), |it| format!("no {it} connection yet"));
        note(&format!("{which}: keyledger integration set --help"));
    }
    for integration in shown {
        let state = if integration.enabled { "on" } else { "off" };
        output.line(&format!("{} is {state}", integration.provider))?;
        output.line(&format!("webhook URL  https://YOUR-HOST{}", webhook_path(team, integration.provider)))?;
        if let Some(base) = &integration.api_base {
            output.line(&format!("API          {base}"))?;
        }
        let mut table = cell::table(&["SECRET ID", "KIND", "MODE", "ENDS IN", "STATE", "ADDED"]);
        for secret in &integration.secrets {
            table.add_row(row(secret));
        }
        output.table(&table, "no secrets yet")?;
    }
    Ok(())
}

fn row(secret: &Secret) -> [String; 6] {
    [
        secret.secret_id.to_string(),
        kind(secret.kind).to_owned(),
        secret.livemode.map_or("-", |live| if live { "live" } else { "test" }).to_owned(),
        masked(&secret.hint),
        if secret.retired { "retired" } else { "in force" }.to_owned(),
        cell::time(secret.added_at),
    ]
}
