//! `keyledger mail …`

use clap::{Subcommand, ValueEnum};
use keyledger_events::Timestamp;
use keyledger_events::event::delivery::MailContent;
use keyledger_projections::DeliveryState;
use uuid::Uuid;

use super::args::{AnyTeamArg, LimitArg, time};
use super::cell;
use super::global::{Global, Reads};
use super::list::List;
use super::output::note;
use crate::admin::mails::{self, MailJson};
use crate::admin::{ACTOR_CLI, AdminError};

#[derive(Debug, Subcommand)]
pub(super) enum MailCommand {
    /// List mails, the newest first.
    List {
        #[command(flatten)]
        team: AnyTeamArg,
        /// Only those that are so. May be repeated.
        #[arg(long)]
        state: Vec<StateArg>,
        #[command(flatten)]
        limit: LimitArg,
    },
    /// Send a mail once more: the same to the same customer, at the address that they have by now.
    Resend {
        /// A mail's id, or a licence's: then the latest mail with its key, or the first where there was none.
        #[arg(required_unless_present = "abandoned_since", conflicts_with = "abandoned_since")]
        id: Option<Uuid>,
        /// All mails that were asked for since then and given up, unless a later one says the same.
        #[arg(long, value_name = "TIME", value_parser = time)]
        abandoned_since: Option<Timestamp>,
        #[command(flatten)]
        team: AnyTeamArg,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum StateArg {
    /// Not tried, or being tried.
    Pending,
    /// The mail server accepted it.
    Sent,
    /// Tried in vain; it is tried again.
    Failed,
    /// Given up.
    Abandoned,
}

impl From<StateArg> for DeliveryState {
    fn from(state: StateArg) -> Self {
        match state {
            StateArg::Pending => Self::Pending,
            StateArg::Sent => Self::Sent,
            StateArg::Failed => Self::Failed,
            StateArg::Abandoned => Self::Abandoned,
        }
    }
}

impl MailCommand {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        global
            .with_app(Reads::Views, async |app, output| match self {
                Self::List { team, state, limit } => {
                    let states: Vec<DeliveryState> = state.into_iter().map(DeliveryState::from).collect();
                    let mut listing = mails::list(app, team.team, states, limit.limit).await?;
                    let mut rows = List::begin(output, COLUMNS);
                    while let Some((_, mail)) = listing.next().await? {
                        let mail = MailJson::from(mail);
                        rows.push(&mail, || row(&mail))?;
                    }
                    Ok(rows.finish("no mails")?)
                }
                Self::Resend { id: None, abandoned_since, team } => {
                    let since = abandoned_since.unwrap_or(Timestamp::MIN);
                    let mut rows = List::begin(output, COLUMNS);
                    for mail in mails::resend_abandoned(app, ACTOR_CLI, team.team, since).await? {
                        match mail {
                            Ok(mail) => {
                                let mail = MailJson::from(mail);
                                rows.push(&mail, || row(&mail))?;
                            }
                            Err(AdminError::Refused(reason)) => note(&reason),
                            Err(error) => return Err(error.into()),
                        }
                    }
                    Ok(rows.finish("no mail was given up since then that no later one repeats")?)
                }
                Self::Resend { id: Some(id), team, .. } => {
                    let mail = mails::resend(app, ACTOR_CLI, team.team, id).await?;
                    if output.json {
                        return Ok(output.document(&MailJson::from(mail))?);
                    }
                    note(&format!("asked for a further mail, {}; a running server sends it", mail.id));
                    Ok(())
                }
            })
            .await
    }
}

const COLUMNS: [&str; 7] = ["ASKED FOR", "STATE", "ATTEMPTS", "SENT", "WHAT", "REASON", "ID"];

fn row(mail: &MailJson) -> [String; 7] {
    [
        cell::time(mail.requested_at),
        mail.state.as_str().to_owned(),
        mail.attempts.to_string(),
        cell::maybe_time(mail.sent_at),
        match &mail.content {
            MailContent::LicenseKeys if mail.license_ids.len() == 1 => "1 key".to_owned(),
            MailContent::LicenseKeys => format!("{} keys", mail.license_ids.len()),
            MailContent::ExpiryReminder { .. } => "reminder".to_owned(),
            MailContent::WebhookDisabled { .. } => "webhook disabled".to_owned(),
        },
        mail.reason.as_deref().map(cell::text).unwrap_or_default(),
        mail.id.to_string(),
    ]
}
