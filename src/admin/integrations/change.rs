//! What a change of a connection comes to. Pure, but for the sealing of new secrets.

use keyledger_events::event::inbox::Provider;
use keyledger_events::event::integration::{
    IntegrationDisabled, IntegrationEnabled, IntegrationUpdated, SecretAdded, SecretKind,
};
use keyledger_events::sealed::{DataKey, SealContext};
use keyledger_events::{Event, TeamId, id};
use keyledger_projections::{Integration, Secret};
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use super::secrets::{hint, livemode_of};
use crate::admin::AdminError;
use crate::providers::stripe::api::normalise_base_url;

/// What is wanted of a connection; what is not named stays as it is.
#[derive(Debug, Clone, Default)]
pub struct IntegrationChange {
    /// Secrets to add beside those that are there.
    pub secrets: Vec<NewSecret>,
    /// The base URL of the provider's API; an empty one is the provider's own again.
    pub api_base: Option<String>,
    /// Whether it is on.
    pub active: Option<bool>,
}

/// A secret to add.
#[derive(Debug, Clone)]
pub struct NewSecret {
    /// What it is for.
    pub kind: SecretKind,
    /// The secret.
    pub value: SecretString,
}

/// What must happen, with the ids of the events, which sealed secrets are bound to.
///
/// The first secret of a connection switches it on, unless the change says otherwise: whoever sets one up wants it
/// to work.
///
/// # Errors
/// When the base URL cannot be used.
pub fn decide(
    team: TeamId,
    provider: Provider,
    current: Option<&Integration>,
    change: &IntegrationChange,
    key: &DataKey,
    fingerprint: impl Fn(&str) -> String,
) -> Result<Vec<(Uuid, Event)>, AdminError> {
    let mut events = Vec::new();
    let mut push = |event: Event| events.push((id::fresh(), event));
    if let Some(api_base) = wanted_base(change)?
        && current.and_then(|current| current.api_base.clone()) != api_base
    {
        push(IntegrationUpdated { provider, api_base }.into());
    }
    let mut known: Vec<(SecretKind, String)> = in_force(current);
    let mut added = Vec::new();
    for secret in &change.secrets {
        let print = (secret.kind, fingerprint(secret.value.expose_secret()));
        if !known.contains(&print) {
            added.push(seal(team, provider, secret, &print.1, key));
            known.push(print);
        }
    }
    let enabled = current.is_some_and(|current| current.enabled);
    let first = !added.is_empty() && current.is_none_or(|current| current.secrets.is_empty());
    match change.active.unwrap_or(enabled || first) {
        true if !enabled => push(IntegrationEnabled { provider }.into()),
        false if enabled => push(IntegrationDisabled { provider }.into()),
        _ => {}
    }
    events.extend(added);
    Ok(events)
}

fn wanted_base(change: &IntegrationChange) -> Result<Option<Option<String>>, AdminError> {
    match change.api_base.as_deref().map(str::trim) {
        None => Ok(None),
        Some("") => Ok(Some(None)),
        Some(base) => {
            let base = normalise_base_url(base).map_err(|error| AdminError::Invalid(error.to_string()))?;
            Ok(Some(Some(base)))
        }
    }
}

fn in_force(current: Option<&Integration>) -> Vec<(SecretKind, String)> {
    let secrets = current.map_or(&[][..], |current| current.secrets.as_slice());
    secrets.iter().filter(|it| !it.retired).map(|it| (it.kind, it.fingerprint.clone())).collect()
}

fn seal(team: TeamId, provider: Provider, secret: &NewSecret, fingerprint: &str, key: &DataKey) -> (Uuid, Event) {
    let (event_id, value) = (id::fresh(), secret.value.expose_secret());
    let context = SealContext { team, event_id, field: Secret::VALUE_FIELD };
    let added = SecretAdded {
        provider,
        secret_id: id::fresh(),
        kind: secret.kind,
        livemode: Some(secret.kind).filter(|kind| *kind == SecretKind::ApiKey).and_then(|_| livemode_of(value)),
        hint: hint(value),
        fingerprint: fingerprint.to_owned(),
        value: key.seal(context, value.as_bytes()),
    };
    (event_id, added.into())
}

#[cfg(test)]
mod tests {
    use keyledger_events::{StreamId, StreamKind, Timestamp};
    use keyledger_projections::SealedField;

    use super::*;

    const STRIPE: Provider = Provider::Stripe;

    /// The connection that the events lead to, as the view folds it.
    fn after(current: Option<Integration>, events: &[(Uuid, Event)]) -> Integration {
        let mut integration = current.unwrap_or_else(|| Integration {
            provider: STRIPE,
            enabled: false,
            api_base: None,
            secrets: Vec::new(),
            stream: StreamId::new(StreamKind::Integration, Uuid::nil()),
            version: 0,
        });
        for (event_id, event) in events {
            match event {
                Event::IntegrationEnabled(_) => integration.enabled = true,
                Event::IntegrationDisabled(_) => integration.enabled = false,
                Event::IntegrationUpdated(updated) => integration.api_base.clone_from(&updated.api_base),
                Event::SecretAdded(added) => integration.secrets.push(Secret {
                    secret_id: added.secret_id,
                    kind: added.kind,
                    livemode: added.livemode,
                    hint: added.hint.clone(),
                    fingerprint: added.fingerprint.clone(),
                    value: SealedField::new(&added.value, *event_id),
                    retired: false,
                    added_at: Timestamp::UNIX_EPOCH,
                }),
                _ => {}
            }
        }
        integration
    }

    fn secret(kind: SecretKind, value: &str) -> NewSecret {
        NewSecret { kind, value: SecretString::from(value) }
    }

    /// Decides a change and answers the names of its events and the connection after them.
    fn change(
        current: Option<&Integration>,
        change: &IntegrationChange,
    ) -> Result<(Vec<&'static str>, Integration), AdminError> {
        let team = TeamId(Uuid::nil());
        let key = DataKey::generate(Uuid::nil());
        let events = decide(team, STRIPE, current, change, &key, str::to_owned)?;
        for (event_id, event) in &events {
            if let Event::SecretAdded(added) = event {
                let context = SealContext { team, event_id: *event_id, field: Secret::VALUE_FIELD };
                assert_eq!(key.open(context, &added.value).ok().as_deref(), Some(added.fingerprint.as_bytes()));
            }
        }
        Ok((events.iter().map(|(_, event)| event.name()).collect(), after(current.cloned(), &events)))
    }

    #[test]
    fn the_first_secret_switches_on_and_a_known_one_changes_nothing() -> Result<(), AdminError> {
        let secrets = vec![secret(SecretKind::Webhook, "whsec_1"), secret(SecretKind::Webhook, "whsec_1")];
        let wanted = IntegrationChange { secrets, ..Default::default() };
        let (events, there) = change(None, &wanted)?;
        assert_eq!(events, ["IntegrationEnabled", "SecretAdded"]);
        assert_eq!(change(Some(&there), &wanted)?.0, Vec::<&str>::new());
        // The same text for another purpose is another secret.
        let key = IntegrationChange { secrets: vec![secret(SecretKind::ApiKey, "whsec_1")], ..Default::default() };
        assert_eq!(change(Some(&there), &key)?.0, ["SecretAdded"]);
        // One that was retired is added anew.
        let mut retired = there;
        retired.secrets.iter_mut().for_each(|secret| secret.retired = true);
        assert_eq!(change(Some(&retired), &wanted)?.0, ["SecretAdded"]);
        Ok(())
    }

    #[test]
    fn it_is_switched_only_when_that_changes_something() -> Result<(), AdminError> {
        let secrets = vec![secret(SecretKind::Webhook, "whsec_1")];
        let off = IntegrationChange { secrets, active: Some(false), ..Default::default() };
        let (events, there) = change(None, &off)?;
        assert_eq!(events, ["SecretAdded"]);
        let second = IntegrationChange { secrets: vec![secret(SecretKind::Webhook, "whsec_2")], ..Default::default() };
        assert_eq!(change(Some(&there), &second)?.0, ["SecretAdded"], "what was left off stays off");
        let on = IntegrationChange { active: Some(true), ..Default::default() };
        let (events, there) = change(Some(&there), &on)?;
        assert_eq!(events, ["IntegrationEnabled"]);
        assert_eq!(change(Some(&there), &on)?.0, Vec::<&str>::new());
        assert_eq!(change(Some(&there), &off)?.0, ["IntegrationDisabled"]);
        assert_eq!(
            change(None, &IntegrationChange { active: Some(false), ..Default::default() })?.0,
            Vec::<&str>::new()
        );
        Ok(())
    }

    #[test]
    fn a_base_url_is_checked_and_can_be_taken_back() -> Result<(), AdminError> {
        let base = |text: &str| IntegrationChange { api_base: Some(text.to_owned()), ..Default::default() };
        let (events, there) = change(None, &base("http://127.0.0.1:4242"))?;
        assert_eq!((events, there.api_base.as_deref()), (vec!["IntegrationUpdated"], Some("http://127.0.0.1:4242/")));
        assert_eq!(change(Some(&there), &base("http://127.0.0.1:4242/"))?.0, Vec::<&str>::new());
        assert_eq!(change(Some(&there), &base(""))?.1.api_base, None);
        assert!(matches!(change(None, &base("api.stripe.com")), Err(AdminError::Invalid(_))));
        Ok(())
    }
}
