//! Decisions about one licence that rest on its own stream alone: activation, expiration, and what an admin does.

use keyledger_events::event::license::{
    LicenseActivated, LicenseExpired, LicenseExpiringSoon, LicenseExtended, LicenseReinstated, LicenseRevoked,
    LicenseSuspended,
};
use keyledger_events::{Event, Timestamp, clock};
use keyledger_projections::licenses::License;

/// What somebody wants of a licence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A first verification is being accepted.
    Activate,
    /// Its time may have come.
    Expire,
    /// Its time may come soon.
    Remind {
        /// How long before its end that is said, in seconds.
        lead_seconds: i64,
    },
    /// An admin suspends it.
    Suspend {
        /// Why.
        reason: Option<String>,
    },
    /// An admin lifts a suspension.
    Reinstate {
        /// Why.
        reason: Option<String>,
    },
    /// An admin makes it void.
    Revoke {
        /// Why.
        reason: Option<String>,
    },
    /// An admin puts off its end.
    Extend(Extension),
}

/// Days by which an end is put off at once at most: a hundred years.
pub const EXTENSION_DAYS_MAX: u32 = 36_500;

/// How far an end is put off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// So many days from the end, or from now where it has passed.
    Days(u32),
    /// To a moment.
    Until(Timestamp),
}

/// Why a licence does not do what is asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Void for good.
    #[error("the licence is revoked; a revocation cannot be undone")]
    Revoked,
    /// A provider's dispute suspends it.
    #[error("the licence is suspended while a payment is disputed; it is reinstated when the dispute is won")]
    Disputed,
    /// Not valid for the time being.
    #[error("the licence is suspended; reinstate it first")]
    Suspended,
    /// There is no end to put off.
    #[error("the licence has no end that could be put off: it never expires, or its time begins with its first use")]
    Endless,
    /// An extension that would shorten it.
    #[error("the licence is good until {end} already, and {until} is not later; suspend or revoke it to end it sooner")]
    NotLater {
        /// When it ends.
        end: Timestamp,
        /// When it was to end.
        until: Timestamp,
    },
}

/// What happened and when; nothing when the licence is already as asked.
pub type Decision = Result<Option<(Timestamp, Event)>, Refusal>;

/// Decides a command at `now`.
///
/// # Errors
/// When the licence's state forbids it.
pub fn decide(license: &License, command: Command, now: Timestamp) -> Decision {
    match command {
        Command::Activate => activate(license, now),
        Command::Expire => Ok(expire(license, now)),
        Command::Remind { lead_seconds } => Ok(remind(license, lead_seconds, now)),
        Command::Suspend { .. } | Command::Reinstate { .. } if license.revoked() => Err(Refusal::Revoked),
        Command::Suspend { reason } => {
            Ok((!license.admin_suspended).then(|| (now, LicenseSuspended { reason }.into())))
        }
        Command::Reinstate { .. } if !license.admin_suspended && license.terms.disputed => Err(Refusal::Disputed),
        Command::Reinstate { reason } => {
            Ok(license.admin_suspended.then(|| (now, LicenseReinstated { reason }.into())))
        }
        Command::Revoke { reason } => {
            Ok((!license.admin_revoked).then(|| (now, LicenseRevoked { reason, terms: None }.into())))
        }
        Command::Extend(extension) => extend(license, extension, now),
    }
}

/// An end is put off and never brought nearer; what is paid beyond it still counts.
fn extend(license: &License, extension: Extension, now: Timestamp) -> Decision {
    if license.revoked() {
        return Err(Refusal::Revoked);
    }
    let end = license.expires_at().ok_or(Refusal::Endless)?.max(now);
    let until = match extension {
        Extension::Until(until) => until,
        Extension::Days(days) => {
            let later = i64::from(days).saturating_mul(clock::DAY_US).saturating_add(end.as_microsecond());
            clock::from_microseconds(later).unwrap_or(Timestamp::MAX)
        }
    };
    if until <= end {
        return Err(Refusal::NotLater { end, until });
    }
    Ok(Some((now, LicenseExtended { until }.into())))
}

/// The clock of an ACTIVATION licence starts once; other licences have none to start.
fn activate(license: &License, now: Timestamp) -> Decision {
    if license.revoked() {
        return Err(Refusal::Revoked);
    }
    if license.suspended() {
        return Err(Refusal::Suspended);
    }
    Ok(license.awaits_activation().then(|| {
        let expires_at = license.expires_at_if_activated(Some(now));
        (now, LicenseActivated { activated_at: now, expires_at }.into())
    }))
}

/// Says that the licence ran out, at the moment it was due and not when somebody noticed.
fn expire(license: &License, now: Timestamp) -> Option<(Timestamp, Event)> {
    let due_at = license.expiration_owed().filter(|due_at| *due_at <= now)?;
    Some((due_at, LicenseExpired { due_at }.into()))
}

/// Says that the licence runs out soon: not before its lead, and not when that is over. Who was told the end no longer
/// before than that, with the purchase, is not told again.
fn remind(license: &License, lead_seconds: i64, now: Timestamp) -> Option<(Timestamp, Event)> {
    let expires_at = license.reminder_owed().filter(|expires_at| *expires_at > now)?;
    let lead = lead_seconds.saturating_mul(1_000_000);
    let left = expires_at.as_microsecond().saturating_sub(now.as_microsecond());
    let term = expires_at.as_microsecond().saturating_sub(license.term_began().as_microsecond());
    (left <= lead && term > lead).then(|| (now, LicenseExpiringSoon { expires_at }.into()))
}
