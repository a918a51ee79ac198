//! `keyledger team …`

use clap::{Args, Subcommand};
use keyledger_events::event::team::{RemindersUpdated, TeamUpdated};
use keyledger_projections::{Integration, TeamConfig};
use serde_json::{Value, json};

use super::args::TeamArg;
use super::global::{Global, Reads};
use super::list::List;
use super::output::note;
use super::verification::VerificationArgs;
use super::{cell, output::Output};
use crate::admin::team_settings::{self, SettingsChange};
use crate::admin::{ACTOR_CLI, signing_keys, teams};

#[derive(Debug, Subcommand)]
pub(super) enum TeamCommand {
    /// Make a team, with a key pair that client programs check answers with.
    Create {
        /// What buyers see in mails.
        name: String,
    },
    /// List the teams, the oldest first.
    List,
    /// Change a team's settings; what is not named stays.
    Update(UpdateArgs),
    /// Show a team: its settings, and the public keys that its programs check answers with, old ones too.
    Show {
        #[command(flatten)]
        team: TeamArg,
    },
    /// Give a team another key pair to sign challenges with, from now on. What the old one signed can still be verified.
    RotateKey {
        #[command(flatten)]
        team: TeamArg,
    },
    /// Show or change how verifications are answered; what is not named stays.
    Verification(VerificationArgs),
}

#[derive(Debug, Args)]
#[group(
    id = "change",
    required = true,
    multiple = true,
    args = ["name", "mail_message", "mail_image_url", "renewal_grace_seconds", "owner_email", "reminder_days", "reminder_mail"]
)]
pub(super) struct UpdateArgs {
    #[command(flatten)]
    team: TeamArg,
    /// What buyers see in mails.
    #[arg(long)]
    name: Option<String>,
    /// A paragraph of yours in every mail; an empty one removes it.
    #[arg(long, value_name = "TEXT")]
    mail_message: Option<String>,
    /// The address of a picture at the head of every mail; an empty one removes it.
    #[arg(long, value_name = "URL")]
    mail_image_url: Option<String>,
    /// How long past its paid period a subscription's licence stays valid [default: 10800, three hours].
    #[arg(long, value_name = "SECONDS")]
    renewal_grace_seconds: Option<u32>,
    /// Where you are told of a webhook that was disabled; an empty address takes it back.
    #[arg(long, value_name = "ADDRESS")]
    owner_email: Option<String>,
    /// How many days before its end a licence's buyer is reminded; 0 for never [default: 7].
    #[arg(long, value_name = "DAYS")]
    reminder_days: Option<u32>,
    /// Whether the buyer gets a mail then [default: true].
    #[arg(long, value_name = "true|false")]
    reminder_mail: Option<bool>,
}

impl TeamCommand {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        // One begins with making a team, or with looking whether there is one.
        if !matches!(self, Self::Create { .. } | Self::List) {
            global.expect_ledger()?;
        }
        global
            .with_app_or_new(Reads::Views, async |app, output| match self {
                Self::Create { name } => {
                    let team = teams::create(app, ACTOR_CLI, &name).await?;
                    if output.json {
                        let made = json!({ "id": team.id, "name": team.name, "publicKey": team.public_key });
                        return Ok(output.document(&made)?);
                    }
                    output.line(&format!("made the team \"{}\"", team.name))?;
                    output.line(&format!("id          {}", team.id))?;
                    output.line(&format!("public key  {}", team.public_key))?;
                    output.flush()?;
                    note(&format!("next: keyledger product create --team {} \"NAME\"", team.id));
                    Ok(())
                }
                Self::Verification(args) => args.run(app, output).await,
                Self::Show { team } => show(&teams::find(app, team.team).await?, output),
                Self::RotateKey { team } => {
                    let team = signing_keys::rotate(app, ACTOR_CLI, team.team).await?;
                    if output.json {
                        return Ok(output.document(&describe(&team))?);
                    }
                    show(&team, output)?;
                    note(
                        "The last key signs from now on: programs that hold only the ones before it must learn of it.",
                    );
                    Ok(())
                }
                Self::List => list(&teams::list(app).await?, output),
                Self::Update(args) => {
                    let change = SettingsChange {
                        team: TeamUpdated {
                            name: args.name,
                            mail_message: args.mail_message,
                            mail_image_url: args.mail_image_url,
                            renewal_grace_seconds: args.renewal_grace_seconds,
                        },
                        owner_email: args.owner_email,
                        reminders: RemindersUpdated { days: args.reminder_days, mail: args.reminder_mail },
                    };
                    let team = team_settings::update(app, ACTOR_CLI, args.team.team, change).await?;
                    if output.json {
                        let mut document = describe(&team);
                        document["ownerEmail"] = json!(team_settings::describe(app, &team).await?.owner_email);
                        return Ok(output.document(&document)?);
                    }
                    note(&format!("the team \"{}\" is up to date", team.name));
                    Ok(())
                }
            })
            .await
    }
}

fn list(teams: &[TeamConfig], output: &mut Output) -> anyhow::Result<()> {
    let mut rows = List::begin(output, ["ID", "NAME", "CONNECTIONS", "MADE"]);
    for team in teams {
        rows.push(&describe(team), || {
            let connection = |integration: &Integration| {
                let state = if integration.enabled { "" } else { " (off)" };
                format!("{}{state}", integration.provider)
            };
            let connections = team.integrations.values().map(connection).collect::<Vec<_>>().join(", ");
            [team.id.to_string(), cell::text(&team.name), connections, cell::time(team.created_at)]
        })?;
    }
    Ok(rows.finish("no teams yet: keyledger team create NAME")?)
}

fn show(team: &TeamConfig, output: &mut Output) -> anyhow::Result<()> {
    if output.json {
        return Ok(output.document(&describe(team))?);
    }
    output.line(&format!("name           {}", cell::text(&team.name)))?;
    output.line(&format!("id             {}", team.id))?;
    output.line(&format!("renewal grace  {} s", team.renewal_grace_seconds))?;
    let mut table = cell::table(&["PUBLIC KEY", "SIGNS FROM", "UNTIL"]);
    for key in signing_keys::of_team(team) {
        let until = key.until.map_or_else(|| "now".to_owned(), cell::time);
        table.add_row([key.public_key, cell::time(key.from), until]);
    }
    Ok(output.table(&table, "no keys")?)
}

fn describe(team: &TeamConfig) -> Value {
    let active = |integration: &Integration| json!({ "provider": integration.provider, "active": integration.enabled });
    json!({
        "id": team.id,
        "name": team.name,
        "publicKey": team.public_key,
        "signingKeys": signing_keys::of_team(team),
        "mailMessage": team.mail_message,
        "mailImageUrl": team.mail_image_url,
        "renewalGraceSeconds": team.renewal_grace_seconds,
        "reminderDays": team.reminders.days,
        "reminderMail": team.reminders.mail,
        "integrations": team.integrations.values().map(active).collect::<Vec<_>>(),
        "createdAt": team.created_at,
    })
}
