//! `keyledger customer …`

use clap::{Args, Subcommand};
use keyledger_events::TeamId;
use secrecy::ExposeSecret as _;
use uuid::Uuid;

use super::args::{LimitArg, TeamArg};
use super::cell;
use super::global::{Global, Reads};
use super::list::List;
use super::output::{Output, note};
use super::secret::SecretSource;
use super::serve::mail_folder;
use crate::admin::forget::{ForgottenJson, Who, forget};
use crate::admin::{ACTOR_CLI, customers, teams};
use crate::app::App;
use crate::mail::{FileTransport, MailTarget, MailUrl};

#[derive(Debug, Subcommand)]
pub(super) enum CustomerCommand {
    /// List customers, newest first.
    List {
        #[command(flatten)]
        team: TeamArg,
        #[command(flatten)]
        limit: LimitArg,
    },
    /// Forget a person for ever: everything that says who they are becomes unreadable. Licences and history stay.
    Forget(ForgetArgs),
}

#[derive(Debug, Args)]
#[group(id = "who", required = true, multiple = false, args = ["id", "email"])]
pub(super) struct ForgetArgs {
    /// The customer's id. Whoever shares their mail address, or their id at Stripe, is forgotten with them.
    id: Option<Uuid>,
    /// The person's mail address; as @FILE, or `-` for standard input, it stays out of the shell's history.
    #[arg(long, value_name = "ADDRESS")]
    email: Option<SecretSource>,
    #[command(flatten)]
    team: TeamArg,
    /// Where mail goes, as `serve` was told: mails to the person are deleted from a folder [default: file: the folder
    /// `mail` beside the database, or in ./data].
    // Kept as text: the argument parser would repeat a bad value, and with it the password.
    #[arg(long, value_name = "URL", env = "KEYLEDGER_MAIL_URL", hide_env_values = true)]
    mail_url: Option<String>,
}

impl ForgetArgs {
    fn who(&self) -> anyhow::Result<Who> {
        match (&self.id, &self.email) {
            (Some(id), _) => Ok(Who::Customer(*id)),
            (None, Some(email)) => Ok(Who::Email(email.read()?.expose_secret().to_owned())),
            (None, None) => anyhow::bail!("say whom to forget: a customer's id, or --email"),
        }
    }

    fn folder(&self, global: &Global) -> anyhow::Result<Option<FileTransport>> {
        let given = self.mail_url.clone().filter(|url| !url.trim().is_empty());
        let url: MailUrl = given.unwrap_or_else(|| mail_folder(&global.database())).parse()?;
        Ok(match url.target {
            MailTarget::File(folder) => Some(FileTransport::new(folder)),
            MailTarget::Smtp(_) => None,
        })
    }
}

impl CustomerCommand {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        match self {
            Self::List { team, limit } => {
                global.with_app(Reads::Views, async |app, output| list(app, team.team, limit.limit, output).await).await
            }
            Self::Forget(args) => {
                // Before the ledger is opened: what cannot be read must leave nothing behind.
                let (who, folder) = (args.who()?, args.folder(global)?);
                global
                    .with_app(Reads::Views, async |app, output| {
                        let forgotten = forget(app, ACTOR_CLI, args.team.team, &who, folder.as_ref()).await?;
                        report(&forgotten, folder.as_ref(), output)
                    })
                    .await
            }
        }
    }
}

fn report(forgotten: &ForgottenJson, folder: Option<&FileTransport>, output: &mut Output) -> anyhow::Result<()> {
    if output.json {
        return Ok(output.document(forgotten)?);
    }
    let ids: Vec<String> = forgotten.customer_ids.iter().map(Uuid::to_string).collect();
    output.line(&format!("customers       {}", ids.join(", ")))?;
    output.line(&format!("keys destroyed  {}", forgotten.keys_destroyed))?;
    output.line(&format!("mails           {}", forgotten.mails))?;
    output.flush()?;
    if forgotten.already {
        note("they had been forgotten before; whatever was left of them is gone now");
    }
    note(&match folder {
        Some(folder) => format!(
            "mails in {} are deleted; a server that writes them to another folder deletes them there, by itself, at the latest \
             when it starts",
            folder.folder().display()
        ),
        None => "mails that were handed to a mail server are beyond reach of this program".to_owned(),
    });
    note("Copies of the keys from before still tell who they were: see \"Backup\" in README.md.");
    Ok(())
}

async fn list(app: &App, team: TeamId, limit: Option<u32>, output: &mut Output) -> anyhow::Result<()> {
    teams::find(app, team).await?;
    let mut rows = List::begin(output, ["ID", "MAIL ADDRESS", "NAME", "FROM", "KNOWN SINCE"]);
    let mut listing = customers::list(app, team, limit).await?;
    while let Some((_, customer)) = listing.next().await? {
        let shown = customers::describe(app, team, &customer).await?;
        rows.push(&shown, || {
            let text = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), cell::text);
            [
                shown.id.to_string(),
                text(&shown.email),
                text(&shown.full_name),
                shown.provider.to_string(),
                cell::time(shown.created_at),
            ]
        })?;
    }
    Ok(rows.finish("no customers yet")?)
}
