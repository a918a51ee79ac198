//! Teams: with the key pair that their client programs check with, their settings, blacklist and API keys.

use keyledger_events::event::team::{
    ApiKeyCreated, ApiKeyScope, BlacklistEntryAdded, BlacklistKind, TeamRegistered, TeamUpdated,
    VerificationSettingsUpdated,
};
use keyledger_events::keys::WrappedKey;
use keyledger_events::sealed::{DataKey, SealContext};
use keyledger_events::writer::REQUEST_EVENTS_MAX;
use keyledger_events::{AppendOutcome, Event, NewEvent, StreamId, StreamKind, TeamId, Timestamp};
use keyledger_projections::{BlacklistEntry, TeamConfig};
use uuid::Uuid;

use super::append::Item;
use super::error::ImportError;
use super::key_pair::{self, Pair};
use super::report::Report;
use super::rows::{ApiKeyRow, BlacklistRow, TeamRow};
use super::source::Source;
use super::{Options, Scope, countries, ids};
use crate::admin::names::checked;
use crate::admin::teams::{TeamKeyPair, new_key_pair};
use crate::admin::verifications::normal;
use crate::app::App;

const TABLE: &str = "Team";
/// How long past the paid period a subscription's licence stays valid in a new team, in seconds.
const GRACE_SECONDS: u32 = keyledger_projections::teams::RENEWAL_GRACE_SECONDS;

/// Imports a team, unless its things go to one that is there. `None` when it cannot be imported, and then nothing of it
/// is.
pub(super) async fn import(
    app: &App,
    source: &mut Source,
    row: &TeamRow,
    options: &Options,
    report: &mut Report,
) -> Result<Option<Scope>, ImportError> {
    report.teams.found += 1;
    if let Some(target) = options.team_map.get(&row.id) {
        let Some(config) = app.fresh_team(*target).await? else { return Err(ImportError::NoTarget(*target)) };
        report.teams.present += 1;
        return Ok(Some(scope(app, row, *target, config.config.renewal_grace_seconds, true, options).await?));
    }
    let team = ids::team(&row.id);
    if let Some(config) = app.fresh_team(team).await? {
        report.teams.present += 1;
        let ours = app.ledger.positions_of(&[first(team, row)]).await?.is_empty();
        let grace = config.config.renewal_grace_seconds;
        return Ok(Some(scope(app, row, team, grace, ours, options).await?));
    }
    let (key, wrapped) = app.keys.generate(team.0);
    let mut new = New { app, row, team, key: &key, events: Vec::new() };
    if let Err(problem) = new.registered().await? {
        report.teams.skipped += 1;
        report.problem(TABLE, &row.id, format!("{problem}; nothing of this team is imported"));
        return Ok(None);
    }
    new.settings();
    for entry in source.blacklist(&row.id).await? {
        if let Err(problem) = new.blacklisted(&entry) {
            report.problem("Blacklist", &entry.id, problem);
        }
    }
    for api_key in source.api_keys(&row.id).await? {
        if let Err(problem) = new.api_key(&api_key) {
            report.problem("ApiKey", &api_key.id, problem);
        }
    }
    let events = new.events;
    let scope = Scope {
        lukittu: row.id.clone(),
        team,
        key,
        grace_seconds: GRACE_SECONDS,
        ip_timeout_minutes: row.ip_timeout_minutes,
        hwid_timeout_minutes: row.hwid_timeout_minutes,
        shared: false,
        dry_run: options.dry_run,
    };
    if !options.dry_run {
        return append(app, scope, row, wrapped, events, options, report).await.map(Some);
    }
    report.teams.imported += 1;
    Ok(Some(scope))
}

/// Another import may have been faster: then its team and its data key count.
async fn append(
    app: &App,
    scope: Scope,
    row: &TeamRow,
    wrapped: WrappedKey,
    events: Vec<NewEvent>,
    options: &Options,
    report: &mut Report,
) -> Result<Scope, ImportError> {
    let team = scope.team;
    let mut item = Item::new(&scope, &row.id, StreamId::new(StreamKind::Team, team.0), events);
    item.request.keys.push(wrapped);
    match app.writer.append(item.request).await? {
        AppendOutcome::Appended { .. } => {
            report.teams.imported += 1;
            Ok(scope)
        }
        AppendOutcome::AlreadyApplied { .. } | AppendOutcome::Conflict { .. } => {
            report.teams.present += 1;
            self::scope(app, row, team, scope.grace_seconds, true, options).await
        }
    }
}

async fn scope(
    app: &App,
    row: &TeamRow,
    team: TeamId,
    grace_seconds: u32,
    shared: bool,
    options: &Options,
) -> Result<Scope, ImportError> {
    Ok(Scope {
        lukittu: row.id.clone(),
        team,
        key: app.keys.team_key(team).await?,
        grace_seconds,
        ip_timeout_minutes: row.ip_timeout_minutes,
        hwid_timeout_minutes: row.hwid_timeout_minutes,
        shared,
        dry_run: options.dry_run,
    })
}

/// The event that begins an imported team.
fn first(team: TeamId, row: &TeamRow) -> Uuid {
    ids::event(team, StreamKind::Team, &row.id, "registered")
}

/// A team that is being put together.
struct New<'n> {
    app: &'n App,
    row: &'n TeamRow,
    team: TeamId,
    key: &'n DataKey,
    events: Vec<NewEvent>,
}

impl New<'_> {
    fn push(&mut self, event_id: Uuid, occurred_at: Timestamp, event: impl Into<Event>) {
        let stream = StreamId::new(StreamKind::Team, self.team.0);
        self.events.push(NewEvent { stream, event_id, occurred_at, event: event.into() });
    }

    fn event_id(&self, what: &str) -> Uuid {
        ids::event(self.team, StreamKind::Team, &self.row.id, what)
    }

    /// Name and key pair; the inner error says what is wrong with the row.
    async fn registered(&mut self) -> Result<Result<(), String>, ImportError> {
        let name = match checked("team", &self.row.name) {
            Ok(name) => name,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let pair = match &self.row.key_pair {
            Some((public, private)) => match key_pair::read(public, private) {
                Ok(pair) => pair,
                Err(problem) => return Ok(Err(format!("its key pair cannot be used: {problem}"))),
            },
            // Nothing was ever signed for its clients.
            None => {
                let TeamKeyPair { pkcs8, public_key } = new_key_pair().await?;
                Pair { private_key: pkcs8, public_key }
            }
        };
        let event_id = first(self.team, self.row);
        let context = SealContext { team: self.team, event_id, field: TeamConfig::PRIVATE_KEY_FIELD };
        let private_key = self.key.seal(context, &pair.private_key);
        let event = TeamRegistered { name, public_key: pair.public_key, private_key };
        self.push(event_id, self.row.created_at, event);
        Ok(Ok(()))
    }

    fn settings(&mut self) {
        let now = self.app.clock.now();
        let message = self.row.mail_message.as_ref().map(|message| message.trim().to_owned());
        if let Some(message) = message.filter(|message| !message.is_empty()) {
            let event = TeamUpdated { mail_message: Some(message), ..TeamUpdated::default() };
            self.push(self.event_id("mail message"), now, event);
        }
        let settings = VerificationSettingsUpdated {
            strict_customers: Some(true).filter(|_| self.row.strict_customers),
            strict_products: Some(true).filter(|_| self.row.strict_products),
            ip_timeout_minutes: self.row.ip_timeout_minutes,
            hwid_timeout_minutes: self.row.hwid_timeout_minutes,
            returned_fields: self.row.returned_fields.clone(),
        };
        if settings != VerificationSettingsUpdated::default() {
            self.push(self.event_id("verification settings"), now, settings);
        }
    }

    /// A team is one append, which takes so many events and no more.
    fn has_place(&self) -> Result<(), String> {
        let free = self.events.len() < REQUEST_EVENTS_MAX;
        if free { Ok(()) } else { Err(format!("a team is imported with {REQUEST_EVENTS_MAX} entries at most")) }
    }

    fn blacklisted(&mut self, row: &BlacklistRow) -> Result<(), String> {
        self.has_place()?;
        let (kind, value) = match row.kind.as_str() {
            "IP_ADDRESS" => (BlacklistKind::Address, row.value.clone()),
            "HARDWARE_IDENTIFIER" => (BlacklistKind::Device, row.value.clone()),
            "COUNTRY" => {
                let country = countries::two_letters(&row.value);
                (BlacklistKind::Country, country.ok_or_else(|| format!("{} is no country", row.value))?.to_owned())
            }
            other => return Err(format!("type is {other}, which is no kind of entry")),
        };
        let value = normal(kind, &value).map_err(|error| error.to_string())?;
        let event_id = self.event_id(&format!("blacklist {}", row.id));
        let context = SealContext { team: self.team, event_id, field: BlacklistEntry::VALUE_FIELD };
        let entry_id = ids::of(self.team, StreamKind::Team, &row.id);
        let event = BlacklistEntryAdded { entry_id, kind, value: self.key.seal(context, value.as_bytes()) };
        self.push(event_id, row.created_at, event);
        Ok(())
    }

    /// Lukittu keeps the same hash of a key as we do, so a seller's programs go on with the keys they have.
    fn api_key(&mut self, row: &ApiKeyRow) -> Result<(), String> {
        self.has_place()?;
        if hex::decode(&row.sha256).map(|hash| hash.len()) != Ok(32) {
            return Err("key is not the hexadecimal SHA-256 of an API key".to_owned());
        }
        let key_id = ids::of(self.team, StreamKind::Team, &row.id);
        let (sha256, expires_at) = (row.sha256.to_ascii_lowercase(), row.expires_at.clone()?);
        let event = ApiKeyCreated { key_id, name: None, scope: ApiKeyScope::Developer, sha256, expires_at };
        self.push(self.event_id(&format!("api key {}", row.id)), row.created_at, event);
        Ok(())
    }
}
