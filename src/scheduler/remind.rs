//! Telling that licences run out soon: the ledger, and their buyers.

use std::collections::HashSet;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use keyledger_events::event::delivery::MailContent;
use keyledger_events::keys::KeyRingError;
use keyledger_events::{AppendRequest, NewEvent, Provenance, StreamId, StreamKind, TeamId, Timestamp, id};
use keyledger_projections::teams::Reminders;
use keyledger_projections::{License, QueryError};
use uuid::Uuid;

use super::told::{ACTOR, Told, WorkOffError, load, say, settle};
use crate::admin::mails::{ToCustomer, to_customer};
use crate::app::App;
use crate::licensing::commands::{Command, decide};
use crate::stop::Stopping;

/// Licences of a team looked at in one go.
const PAGE: usize = 1_024;
/// Licences in hand at the same time.
const CONCURRENT_MAX: usize = 32;
const SECONDS_PER_DAY: i64 = 86_400;

/// Reminds of what runs out soon.
pub(super) struct Reminder {
    app: App,
    /// Licences that this build cannot read, told once and left to a newer one.
    unreadable: HashSet<Uuid>,
}

impl Reminder {
    pub(super) fn new(app: App) -> Self {
        Self { app, unreadable: HashSet::new() }
    }

    /// Reminds until nothing is due or it is time to stop, and counts what it said itself.
    ///
    /// # Errors
    /// When a database does not answer; what was done stays done.
    pub(super) async fn work_off(&mut self, stopping: &Stopping) -> Result<u64, WorkOffError> {
        let teams = match self.app.views.reminding_teams().await {
            Ok(teams) => teams,
            // The process has only just started.
            Err(QueryError::NotReady { .. }) => return Ok(0),
            Err(error) => return Err(error.into()),
        };
        let mut reminded = 0;
        for (team, reminders) in teams {
            reminded += self.of_team(team, reminders, stopping).await?;
        }
        Ok(reminded)
    }

    async fn of_team(&mut self, team: TeamId, how: Reminders, stopping: &Stopping) -> Result<u64, WorkOffError> {
        let lead_seconds = i64::from(how.days) * SECONDS_PER_DAY;
        let mut reminded = 0;
        while !stopping.is_requested() {
            let now = self.app.clock.now();
            let limit = u32::try_from(PAGE + self.unreadable.len()).unwrap_or(u32::MAX);
            let due = match self.app.views.team(team).due_reminders(now, lead_seconds, limit).await {
                Err(QueryError::NotReady { .. }) => break,
                other => other?,
            };
            let due: Vec<Uuid> =
                due.iter().map(|due| due.license_id).filter(|id| !self.unreadable.contains(id)).collect();
            if due.is_empty() {
                break;
            }
            let each = due.into_iter().map(|id| remind(self.app.clone(), team, id, how, now));
            let told: Vec<_> = stream::iter(each).buffer_unordered(CONCURRENT_MAX).try_collect().await?;
            reminded += settle(&self.app, &mut self.unreadable, told).await?;
        }
        Ok(reminded)
    }
}

/// Says that a licence runs out soon if its own stream says so, and asks for the mails in the same append.
async fn remind(
    app: App,
    team: TeamId,
    license_id: Uuid,
    how: Reminders,
    now: Timestamp,
) -> Result<(Uuid, Told), WorkOffError> {
    let consequence = "a licence that runs out soon cannot be read; nobody is reminded";
    let Some(loaded) = load(&app, team, license_id, consequence).await? else {
        return Ok((license_id, Told::Unreadable));
    };
    let lead_seconds = i64::from(how.days) * SECONDS_PER_DAY;
    // Reminding is never refused; a licence that does not run out owes nothing.
    let decided = loaded.license.as_ref().and_then(|license| {
        let decided = decide(license, Command::Remind { lead_seconds }, now).ok().flatten()?;
        Some((license, license.expires_at()?, decided))
    });
    let Some((license, expires_at, (occurred_at, event))) = decided else {
        return Ok((license_id, Told::Known(loaded.last)));
    };
    // Derived from the licence as it was decided on, so that whoever says the same says it once.
    let event_id = id::derived(team, &["expiring_soon", &license_id.to_string(), &license.version.to_string()]);
    let stream = StreamId::new(StreamKind::License, license_id);
    let mut request = AppendRequest::new(team, Provenance::of(ACTOR)).expect(stream, license.version);
    request.events.push(NewEvent { stream, event_id, occurred_at, event });
    if how.mail {
        request.events.extend(mails(&app, team, license, event_id, expires_at).await?);
    }
    Ok((license_id, say(&app, request, loaded.last, "keyledger_reminders_total").await?))
}

/// A mail to each of the licence's customers who has an address.
async fn mails(
    app: &App,
    team: TeamId,
    license: &License,
    cause: Uuid,
    expires_at: Timestamp,
) -> Result<Vec<NewEvent>, WorkOffError> {
    let mut mails = Vec::new();
    for customer in app.views.team(team).customers(license.customer_ids()).await? {
        let delivery = id::derived(team, &["mail", "expiring_soon", &cause.to_string(), &customer.id.to_string()]);
        let to = ToCustomer { delivery, purchase: license.purchase, customer: &customer };
        let content = MailContent::ExpiryReminder { expires_at };
        match to_customer(app, team, to, content, license.id).await {
            Ok(mail) => mails.extend(mail),
            Err(KeyRingError::Store(error)) => return Err(WorkOffError::Keys(error)),
            // One address that cannot be read must not keep others from being reminded.
            Err(error) => {
                tracing::error!(%error, %team, customer = %customer.id, "a buyer's address cannot be read; they are not reminded");
            }
        }
    }
    Ok(mails)
}
