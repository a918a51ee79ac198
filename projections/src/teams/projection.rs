//! Folds the events of a team and of its provider connections into one document.

use keyledger_events::event::inbox::Provider;
use keyledger_events::event::integration::SecretAdded;
use keyledger_events::event::team::{TeamRegistered, TeamUpdated, VerificationSettingsUpdated};
use keyledger_events::id::StreamKind;
use keyledger_events::{Event, RecordedEvent};

use super::config::{
    ApiKey, BlacklistEntry, EarlierKey, Integration, RENEWAL_GRACE_SECONDS, Reminders, Secret, TeamConfig,
    VerificationSettings,
};
use crate::db::Value;
use crate::fold::{Fold, Key, from_json, to_json};
use crate::sealed_field::SealedField;
use crate::table::{Column, Table};

/// The view `teams`.
pub struct TeamsFold;

impl Fold for TeamsFold {
    const NAME: &'static str = "teams";
    const VERSION: u32 = 4;
    const TABLE: &'static Table = &Table {
        columns: &[
            Column::bytes("team"),
            Column::int("created_position"),
            // NULL where nobody is reminded.
            Column::int("reminder_days").or_null(),
            Column::int("reminder_mail"),
            Column::text("doc"),
        ],
        key_columns: 1,
        indexes: &[],
    };
    const STREAMS: &'static [StreamKind] = &[StreamKind::Team, StreamKind::Integration];
    type State = TeamConfig;

    fn key(recorded: &RecordedEvent, _: &Event) -> Option<Key> {
        Some(Key::Team(recorded.team))
    }

    /// Several streams share a team's row, and most of them begin after it.
    fn begins(recorded: &RecordedEvent) -> bool {
        recorded.stream.kind == StreamKind::Team && recorded.stream_version == 1
    }

    fn evolve(
        state: Option<TeamConfig>,
        recorded: &RecordedEvent,
        event: &Event,
    ) -> Result<Option<TeamConfig>, String> {
        Ok(match (state, event) {
            (None, Event::TeamRegistered(team)) => Some(registered(recorded, team)),
            (None, _) => None,
            (Some(mut team), event) => {
                apply(&mut team, recorded, event);
                Some(team)
            }
        })
    }

    fn encode(team: &TeamConfig) -> Result<Vec<Value>, String> {
        let Reminders { days, mail } = team.reminders;
        let days = (days > 0).then_some(i64::from(days));
        Ok(vec![team.created_position.into(), Value::Int(days), mail.into(), to_json(team)?])
    }

    fn decode(stored: &Value) -> Result<TeamConfig, String> {
        from_json(stored)
    }
}

fn registered(recorded: &RecordedEvent, team: &TeamRegistered) -> TeamConfig {
    TeamConfig {
        id: recorded.team,
        name: team.name.clone(),
        public_key: team.public_key.clone(),
        private_key: SealedField::new(&team.private_key, recorded.event_id),
        key_since: recorded.recorded_at,
        earlier_keys: Vec::new(),
        mail_message: None,
        mail_image_url: None,
        renewal_grace_seconds: RENEWAL_GRACE_SECONDS,
        created_at: recorded.recorded_at,
        created_position: recorded.position,
        version: recorded.stream_version,
        integrations: [].into(),
        api_keys: Vec::new(),
        verification: VerificationSettings::default(),
        blacklist: Vec::new(),
        contact: None,
        reminders: Reminders::default(),
    }
}

fn apply(team: &mut TeamConfig, recorded: &RecordedEvent, event: &Event) {
    if recorded.stream.kind == StreamKind::Team {
        team.version = recorded.stream_version;
    }
    match event {
        Event::TeamUpdated(update) => updated(team, update),
        Event::ApiKeyCreated(key) => team.api_keys.push(ApiKey {
            key_id: key.key_id,
            name: key.name.clone(),
            scope: key.scope,
            sha256: key.sha256.clone(),
            expires_at: key.expires_at,
            created_at: recorded.recorded_at,
            revoked: false,
        }),
        Event::ApiKeyRevoked(key) => {
            let revoked = team.api_keys.iter_mut().find(|known| known.key_id == key.key_id);
            revoked.into_iter().for_each(|known| known.revoked = true);
        }
        Event::SigningKeyRotated(rotated) => {
            let (until, public_key) = (recorded.recorded_at, rotated.public_key.clone());
            let (from, public_key) =
                (std::mem::replace(&mut team.key_since, until), std::mem::replace(&mut team.public_key, public_key));
            team.earlier_keys.push(EarlierKey { public_key, from, until });
            team.private_key = SealedField::new(&rotated.private_key, recorded.event_id);
        }
        Event::VerificationSettingsUpdated(update) => verification_updated(&mut team.verification, update),
        Event::BlacklistEntryAdded(entry) => team.blacklist.push(BlacklistEntry {
            entry_id: entry.entry_id,
            kind: entry.kind,
            value: SealedField::new(&entry.value, recorded.event_id),
            added_at: recorded.recorded_at,
        }),
        Event::BlacklistEntryRemoved(entry) => team.blacklist.retain(|known| known.entry_id != entry.entry_id),
        Event::TeamContactUpdated(update) => {
            team.contact = update.email.as_ref().map(|sealed| SealedField::new(sealed, recorded.event_id));
        }
        Event::RemindersUpdated(update) => {
            team.reminders.days = update.days.unwrap_or(team.reminders.days);
            team.reminders.mail = update.mail.unwrap_or(team.reminders.mail);
        }
        Event::IntegrationEnabled(e) => integration(team, recorded, e.provider).enabled = true,
        Event::IntegrationDisabled(e) => integration(team, recorded, e.provider).enabled = false,
        Event::IntegrationUpdated(e) => integration(team, recorded, e.provider).api_base = e.api_base.clone(),
        Event::SecretAdded(e) => integration(team, recorded, e.provider).secrets.push(secret(recorded, e)),
        Event::SecretRetired(e) => {
            let secrets = &mut integration(team, recorded, e.provider).secrets;
            secrets
                .iter_mut()
                .filter(|secret| secret.secret_id == e.secret_id)
                .for_each(|secret| secret.retired = true);
        }
        _ => {}
    }
}

fn updated(team: &mut TeamConfig, update: &TeamUpdated) {
    if let Some(name) = &update.name {
        team.name = name.clone();
    }
    if let Some(message) = &update.mail_message {
        team.mail_message = Some(message.clone()).filter(|message| !message.is_empty());
    }
    if let Some(url) = &update.mail_image_url {
        team.mail_image_url = Some(url.clone()).filter(|url| !url.is_empty());
    }
    if let Some(seconds) = update.renewal_grace_seconds {
        team.renewal_grace_seconds = seconds;
    }
}

fn verification_updated(settings: &mut VerificationSettings, update: &VerificationSettingsUpdated) {
    settings.strict_customers = update.strict_customers.unwrap_or(settings.strict_customers);
    settings.strict_products = update.strict_products.unwrap_or(settings.strict_products);
    let minutes = |update: Option<u32>, known| update.map_or(known, |minutes| Some(minutes).filter(|m| *m > 0));
    settings.ip_timeout_minutes = minutes(update.ip_timeout_minutes, settings.ip_timeout_minutes);
    settings.hwid_timeout_minutes = minutes(update.hwid_timeout_minutes, settings.hwid_timeout_minutes);
    if let Some(fields) = &update.returned_fields {
        settings.returned_fields = fields.clone();
    }
}

fn integration<'a>(team: &'a mut TeamConfig, recorded: &RecordedEvent, provider: Provider) -> &'a mut Integration {
    let integration = team.integrations.entry(provider).or_insert_with(|| Integration {
        provider,
        enabled: false,
        api_base: None,
        secrets: Vec::new(),
        stream: recorded.stream,
        version: 0,
    });
    integration.version = recorded.stream_version;
    integration
}

fn secret(recorded: &RecordedEvent, added: &SecretAdded) -> Secret {
    Secret {
        secret_id: added.secret_id,
        kind: added.kind,
        livemode: added.livemode,
        hint: added.hint.clone(),
        fingerprint: added.fingerprint.clone(),
        value: SealedField::new(&added.value, recorded.event_id),
        retired: false,
        added_at: recorded.recorded_at,
    }
}
