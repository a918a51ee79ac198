//! How a licence stands, in a sentence: what it is, until when, and because of what. Pure.

use keyledger_events::Timestamp;
use keyledger_events::event::license::{Expiration, ExpirationStart};
use keyledger_projections::{License, LicenseStatus, Product};

use super::super::when::When;

/// A status as pages show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http::dashboard) struct Tag {
    /// The word.
    pub(in crate::http::dashboard) word: &'static str,
    /// Its colour: `good`, `warn`, `bad` or none.
    pub(in crate::http::dashboard) colour: &'static str,
}

/// The word and colour of a status.
pub(super) fn tag(status: LicenseStatus) -> Tag {
    let (word, colour) = match status {
        LicenseStatus::Revoked => ("Revoked", "bad"),
        LicenseStatus::Suspended => ("Suspended", "bad"),
        LicenseStatus::Expired => ("Expired", "warn"),
        LicenseStatus::Expiring => ("Expiring", "warn"),
        LicenseStatus::Upcoming => ("Upcoming", ""),
        LicenseStatus::Inactive => ("Inactive", ""),
        LicenseStatus::Active => ("Active", "good"),
    };
    Tag { word, colour }
}

/// A product's name, where licences are told of by what they open.
pub(super) fn product_name(product: &Product) -> String {
    match product.removed {
        true => format!("{} (no longer sold)", product.name),
        false => product.name.clone(),
    }
}

/// How a licence stands: the end, where it has one, and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    /// What is so, up to the moment.
    pub(super) what: &'static str,
    /// The moment, where there is one.
    pub(super) when: Option<When>,
    /// Because of what.
    pub(super) because: String,
}

/// How a licence stands at `now`.
pub(super) fn standing(license: &License, now: Timestamp) -> Standing {
    if license.revoked() {
        let because = match license.admin_revoked {
            true => "somebody of your team revoked it; that cannot be undone",
            false => "what was paid for it went back, or the marketplace took it back",
        };
        return Standing { what: "It is void for good", when: None, because: because.to_owned() };
    }
    if license.suspended() {
        let because = match license.admin_suspended {
            true => "somebody of your team suspended it",
            false => "its payment is disputed; it is reinstated when the dispute is won",
        };
        return Standing { what: "It is suspended", when: None, because: because.to_owned() };
    }
    let because = reason(license);
    match license.expires_at() {
        Some(end) if end <= now => Standing { what: "It expired on", when: Some(When(end)), because },
        Some(end) => Standing { what: "It expires on", when: Some(When(end)), because },
        None if license.awaits_activation() => Standing { what: "Its time has not begun", when: None, because },
        None => Standing { what: "It never expires", when: None, because },
    }
}

/// Why a licence ends when it does.
fn reason(license: &License) -> String {
    if license.amended.extended_to.is_some_and(|extended| license.expires_at() == Some(extended)) {
        return "somebody of your team extended it to then".to_owned();
    }
    if let Some(subscription) = license.terms.subscription.as_ref().filter(|_| license.follows_subscription()) {
        let grace = hours(subscription.grace_seconds);
        return match (subscription.ended_at, subscription.paid_until) {
            (Some(ended), paid) if paid.is_none_or(|paid| ended <= paid) => "its subscription ended then".to_owned(),
            (Some(_), _) => "its subscription ended, and what was paid lasts until then".to_owned(),
            (None, Some(_)) => format!("its subscription is paid until then, less the renewal grace of {grace}"),
            (None, None) => "everything that was paid for its subscription went back".to_owned(),
        };
    }
    let by_hand = license.amended.expiration.is_some();
    match license.expiration() {
        Expiration::Never if by_hand => "somebody of your team set it so".to_owned(),
        Expiration::Never => "it was sold without an end".to_owned(),
        Expiration::Date(_) => "somebody of your team set that date".to_owned(),
        Expiration::Duration { days, start: ExpirationStart::Creation } => {
            format!("it lasts {} from the purchase", counted(days, "day"))
        }
        Expiration::Duration { days, start: ExpirationStart::Activation } => {
            let begun = if license.activated_at.is_some() { "began" } else { "begin" };
            format!("its {} {begun} with the first verification", counted(days, "day"))
        }
    }
}

fn hours(seconds: u32) -> String {
    match seconds {
        seconds if seconds % 3_600 == 0 => counted(seconds / 3_600, "hour"),
        seconds => counted(seconds.div_ceil(60), "minute"),
    }
}

fn counted(number: u32, unit: &str) -> String {
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

/// A key of which only the last group is seen.
pub(super) fn masked(key: Option<&str>) -> String {
    let last = key.and_then(|key| key.rsplit('-').next()).unwrap_or("?????");
    format!("•••••-•••••-•••••-•••••-{last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_keys_read_well() {
        assert_eq!((hours(10_800), hours(3_600), hours(90)), ("3 hours".into(), "1 hour".into(), "2 minutes".into()));
        assert_eq!(masked(Some("AAAAA-BBBBB-CCCCC-DDDDD-EEEEE")), "•••••-•••••-•••••-•••••-EEEEE");
        assert_eq!(masked(None), "•••••-•••••-•••••-•••••-?????");
    }
}
