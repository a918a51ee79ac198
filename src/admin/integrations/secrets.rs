//! What can be told from a secret without showing it.

use keyledger_events::TeamId;
use keyledger_events::event::inbox::Provider;
use keyledger_events::event::integration::SecretKind;
use keyledger_events::keys::KeyRing;
use secrecy::ExposeSecret as _;

use super::change::NewSecret;
use crate::admin::AdminError;

/// The longest secret, in bytes.
const SECRET_BYTES_MAX: usize = 4_096;
/// The last characters of a secret that are shown …
const HINT_CHARS: usize = 4;
/// … if it has at least so many: of a short one they would give too much away.
const HINT_FROM_CHARS: usize = 16;

/// Live or test mode, as the prefix of a Stripe API key says.
pub fn livemode_of(api_key: &str) -> Option<bool> {
    let starts = |prefixes: [&str; 2]| prefixes.iter().any(|prefix| api_key.starts_with(prefix));
    if starts(["sk_live_", "rk_live_"]) {
        Some(true)
    } else if starts(["sk_test_", "rk_test_"]) {
        Some(false)
    } else {
        None
    }
}

/// Refuses what is certainly not the secret that is wanted. No message shows it.
///
/// # Errors
/// When it is empty, too long, has line breaks, or is another kind of secret.
pub fn refuse_mistaken(provider: Provider, kind: SecretKind, value: &str) -> Result<(), AdminError> {
    let refuse = |message: &str| Err(AdminError::Invalid(message.to_owned()));
    if value.trim().is_empty() {
        return refuse("the secret is empty");
    }
    if value.len() > SECRET_BYTES_MAX {
        return refuse("the secret has more than 4,096 characters: that is not one of the provider's");
    }
    if value.chars().any(char::is_control) {
        return refuse("the secret has a line break or another control character; give one secret at a time");
    }
    match (provider, kind) {
        (Provider::Stripe, SecretKind::ApiKey) => refuse_mistaken_api_key(value),
        (Provider::Stripe, _) => refuse_api_key_as_secret(value),
        (Provider::Polymart, _) => Ok(()),
    }
}

fn refuse_mistaken_api_key(value: &str) -> Result<(), AdminError> {
    let message = if value.starts_with("whsec_") {
        "this is a webhook's signing secret (whsec_…), not an API key; it belongs into the webhook secret (--webhook-secret)"
    } else if value.starts_with("pk_") {
        "this is a publishable key (pk_…), which may read nothing; create a restricted key (rk_…) in Stripe's \
         dashboard under Developers → API keys"
    } else if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        "the API key has characters that no key has; copy it again from Stripe's dashboard"
    } else {
        return Ok(());
    };
    Err(AdminError::Invalid(message.to_owned()))
}

fn refuse_api_key_as_secret(value: &str) -> Result<(), AdminError> {
    if ["sk_live_", "sk_test_", "rk_live_", "rk_test_", "pk_live_", "pk_test_"].iter().any(|it| value.starts_with(it)) {
        let message =
            "this is an API key, not a webhook's signing secret (whsec_…); it belongs into the API key (--api-key)";
        return Err(AdminError::Invalid(message.to_owned()));
    }
    Ok(())
}

/// What is odd about a secret. It is taken nevertheless: what providers give out may change.
pub fn doubt(provider: Provider, secret: &NewSecret) -> Option<&'static str> {
    let begins_with = |prefix| secret.value.expose_secret().starts_with(prefix);
    match (provider, secret.kind) {
        (Provider::Stripe, SecretKind::Webhook) if !begins_with("whsec_") => {
            Some("a webhook's signing secret at Stripe begins with whsec_, and this one does not")
        }
        (Provider::Stripe, SecretKind::ApiKey) if begins_with("sk_") => {
            Some("this key may do everything at Stripe; a restricted one (rk_…) that may read is enough")
        }
        (Provider::Stripe, SecretKind::ApiKey) if !begins_with("rk_") => {
            Some("a restricted API key of Stripe begins with rk_live_ or rk_test_, and this one does not")
        }
        _ => None,
    }
}

/// The last characters, so that people can tell secrets apart; nothing of a short one.
pub(super) fn hint(value: &str) -> String {
    let characters = value.chars().count();
    if characters < HINT_FROM_CHARS { String::new() } else { value.chars().skip(characters - HINT_CHARS).collect() }
}

/// Hex of a keyed fingerprint: the same secret of the same connection has the same one.
pub(super) fn fingerprint(keys: &KeyRing, team: TeamId, provider: Provider, value: &str) -> String {
    hex::encode(keys.fingerprint("secret", &[team.0.as_bytes(), provider.as_str().as_bytes(), value.as_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_of_an_api_key_shows_in_its_prefix() {
        for (key, livemode) in [
            ("sk_live_1", Some(true)),
            ("rk_live_1", Some(true)),
            ("sk_test_1", Some(false)),
            ("rk_test_1", Some(false)),
            ("sk_1", None),
            ("another", None),
        ] {
            assert_eq!(livemode_of(key), livemode, "{key}");
        }
    }

    #[test]
    fn a_mistaken_secret_is_refused_without_showing_it() {
        use Provider::{Polymart, Stripe};
        use SecretKind::{ApiKey, Signing, Webhook};
        for (provider, kind, value, way_out) in [
            (Stripe, ApiKey, "whsec_abc", "--webhook-secret"),
            (Stripe, ApiKey, "pk_live_abc", "restricted"),
            (Stripe, ApiKey, "rk_test_a b", "copy it again"),
            (Stripe, Webhook, "rk_test_abc", "--api-key"),
            (Stripe, Webhook, "pk_test_abc", "--api-key"),
            (Stripe, Webhook, "  ", "empty"),
            (Polymart, Signing, "one\ntwo", "one secret at a time"),
        ] {
            let message =
                refuse_mistaken(provider, kind, value).map_or_else(|error| error.to_string(), |()| String::new());
            assert!(message.contains(way_out), "{kind:?} {value:?}: {message}");
            assert!(!message.contains("abc"), "{message}");
        }
        for (provider, kind, value) in [
            (Stripe, ApiKey, "rk_live_abc"),
            (Stripe, ApiKey, "sk_of_an_emulator"),
            (Stripe, Webhook, "whsec_abc"),
            (Polymart, Webhook, "rk_test_is_text_like_any_other"),
            (Polymart, Signing, "of the second product"),
        ] {
            assert!(refuse_mistaken(provider, kind, value).is_ok(), "{kind:?} {value:?}");
        }
    }

    #[test]
    fn a_hint_gives_little_away() {
        assert_eq!(hint("whsec_0123456789"), "6789");
        assert_eq!(hint("short"), "");
    }
}
