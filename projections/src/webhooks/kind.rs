//! The types of hooks, and what an endpoint may ask for.

use keyledger_events::Event;

/// A hook that a seller asked for, to see it arrive.
pub const TEST: &str = "webhook.test";
/// A verification was refused because every seat is taken. It is not in the ledger, and so neither are its hooks.
pub const LIMIT_REACHED: &str = "limit.reached";

/// All types.
pub const ALL: [&str; 21] = [
    "license.issued",
    "license.activated",
    "license.renewed",
    "license.changed",
    "license.updated",
    "license.key_replaced",
    "license.expiring_soon",
    "license.expired",
    "license.ended",
    "license.suspended",
    "license.reinstated",
    "license.revoked",
    "license.refunded",
    "license.dispute_opened",
    "license.dispute_closed",
    "device.bound",
    "device.released",
    "address.bound",
    "address.released",
    LIMIT_REACHED,
    TEST,
];

/// The type of the hook that tells of an event of a licence; `None` when nobody is told.
pub fn of(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::LicenseIssued(_) => "license.issued",
        Event::LicenseActivated(_) => "license.activated",
        Event::SubscriptionRenewed(_) => "license.renewed",
        Event::SubscriptionChanged(_) => "license.changed",
        Event::LicenseUpdated(_) | Event::LicenseAmended(_) | Event::LicenseExtended(_) => "license.updated",
        Event::LicenseKeyReplaced(_) => "license.key_replaced",
        Event::LicenseExpiringSoon(_) => "license.expiring_soon",
        Event::LicenseExpired(_) => "license.expired",
        Event::SubscriptionEnded(_) => "license.ended",
        Event::LicenseSuspended(_) => "license.suspended",
        Event::LicenseReinstated(_) => "license.reinstated",
        Event::LicenseRevoked(_) => "license.revoked",
        Event::PaymentRefunded(_) => "license.refunded",
        Event::DisputeOpened(_) => "license.dispute_opened",
        Event::DisputeClosed(_) => "license.dispute_closed",
        Event::DeviceBound(_) => "device.bound",
        Event::DeviceReleased(_) => "device.released",
        Event::AddressBound(_) => "address.bound",
        Event::AddressReleased(_) => "address.released",
        _ => return None,
    })
}

/// Whether an endpoint that asks for `patterns` wants a type. Without patterns it wants all of them.
pub fn wanted(patterns: &[String], kind: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, kind))
}

/// Whether a pattern names any type: a type itself, a group like `license.*`, or `*`.
pub fn is_pattern(pattern: &str) -> bool {
    ALL.iter().any(|kind| matches(pattern, kind))
}

fn matches(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some("") => true,
        Some(group) => group.ends_with('.') && kind.starts_with(group),
        None => pattern == kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_types_and_groups() {
        for (pattern, kind, is_wanted) in [
            ("license.issued", "license.issued", true),
            ("license.issued", "license.expired", false),
            ("license.*", "license.expired", true),
            ("license.*", "device.bound", false),
            ("*", "limit.reached", true),
            ("lic*", "license.issued", false),
            ("license.", "license.issued", false),
        ] {
            assert_eq!(wanted(&[pattern.to_owned()], kind), is_wanted, "{pattern} {kind}");
        }
        assert!(wanted(&[], "license.issued"));
        assert!(is_pattern("device.*") && is_pattern("*") && is_pattern("limit.reached"));
        assert!(!is_pattern("licence.*") && !is_pattern("") && !is_pattern("license"));
    }
}
