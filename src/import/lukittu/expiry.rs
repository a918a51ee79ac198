//! When a licence ends: Lukittu's four columns in our words. Pure.

use keyledger_events::Timestamp;
use keyledger_events::clock::{DAY_US, from_microseconds};
use keyledger_events::event::license::{Expiration, ExpirationStart, LicenseActivated, SubscriptionTerms};

/// How far the stored end of a CREATION licence may be from its creation and days: the two were reckoned one after the
/// other.
const SLACK_US: i64 = 60 * 1_000_000;

/// The expirationType of a licence that never ends.
pub(super) const NEVER: &str = "NEVER";

/// Lukittu's columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns<'r> {
    /// NEVER, DATE or DURATION.
    pub(super) kind: &'r str,
    /// ACTIVATION or CREATION.
    pub(super) start: &'r str,
    /// The end, once it is known.
    pub(super) date: Option<Timestamp>,
    /// Days of validity.
    pub(super) days: Option<i32>,
    /// When the licence was made.
    pub(super) created_at: Timestamp,
}

/// When a licence ends.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expiry {
    /// Days of validity, in its terms.
    pub(super) days: Option<u32>,
    /// What they begin with.
    pub(super) start: ExpirationStart,
    /// What days from the purchase count from.
    pub(super) purchased_at: Timestamp,
    /// For a licence that follows a subscription.
    pub(super) subscription: Option<SubscriptionTerms>,
    /// An end that its terms cannot say.
    pub(super) amended: Option<Expiration>,
    /// The beginning of an ACTIVATION licence's clock.
    pub(super) activated: Option<LicenseActivated>,
}

/// Reads the columns; `grace_seconds` is given for a licence that follows a subscription.
///
/// # Errors
/// Says which column does not fit.
pub(super) fn read(columns: Columns<'_>, grace_seconds: Option<u32>) -> Result<Expiry, String> {
    let plain = Expiry {
        days: None,
        start: ExpirationStart::Creation,
        purchased_at: columns.created_at,
        subscription: None,
        amended: None,
        activated: None,
    };
    match (columns.kind, columns.date, grace_seconds) {
        (NEVER, ..) => Ok(plain),
        ("DATE", None, _) => Err("expirationType is DATE, but there is no expirationDate".to_owned()),
        ("DATE", paid_until, Some(grace_seconds)) => {
            let subscription = Some(SubscriptionTerms { paid_until, grace_seconds, ended_at: None });
            Ok(Expiry { subscription, ..plain })
        }
        ("DATE", Some(end), None) => Ok(Expiry { amended: Some(Expiration::Date(end)), ..plain }),
        ("DURATION", end, _) => duration(columns, end, plain),
        (other, ..) => Err(format!("expirationType is {other}, which is none of NEVER, DATE and DURATION")),
    }
}

fn duration(columns: Columns<'_>, end: Option<Timestamp>, plain: Expiry) -> Result<Expiry, String> {
    let days = columns.days.and_then(|days| u32::try_from(days).ok()).filter(|days| *days > 0);
    let days = days.ok_or("expirationType is DURATION, but expirationDays is not a number of days")?;
    let begun = end.and_then(|end| from_microseconds(end.as_microsecond() - i64::from(days) * DAY_US));
    let plain = Expiry { days: Some(days), ..plain };
    match (columns.start, end, begun) {
        // Lukittu begins to count at the next verification wherever no end is stored.
        ("ACTIVATION" | "CREATION", None, _) => Ok(Expiry { start: ExpirationStart::Activation, ..plain }),
        ("ACTIVATION", expires_at, Some(activated_at)) => {
            let activated = Some(LicenseActivated { activated_at, expires_at });
            Ok(Expiry { start: ExpirationStart::Activation, activated, ..plain })
        }
        ("CREATION", Some(end), Some(begun)) => {
            let off = begun.as_microsecond().abs_diff(columns.created_at.as_microsecond());
            if off <= SLACK_US.unsigned_abs() {
                return Ok(Expiry { purchased_at: begun, ..plain });
            }
            Ok(Expiry { amended: Some(Expiration::Date(end)), ..plain })
        }
        ("ACTIVATION" | "CREATION", Some(end), None) => Err(format!("expirationDate {end} is no date")),
        (other, ..) => Err(format!("expirationStart is {other}, which is neither ACTIVATION nor CREATION")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64, millis: i64) -> Timestamp {
        Timestamp::from_millisecond(day * 86_400_000 + millis).unwrap_or_default()
    }

    fn columns<'r>(kind: &'r str, start: &'r str, date: Option<Timestamp>, days: Option<i32>) -> Columns<'r> {
        Columns { kind, start, date, days, created_at: at(100, 0) }
    }

    #[test]
    fn each_kind_of_end_is_kept_to_the_millisecond() -> Result<(), String> {
        let never = read(columns("NEVER", "CREATION", Some(at(1, 0)), Some(3)), None)?;
        assert_eq!((never.days, never.amended, never.activated), (None, None, None));
        let date = read(columns("DATE", "CREATION", Some(at(200, 7)), None), None)?;
        assert_eq!(date.amended, Some(Expiration::Date(at(200, 7))));
        let paid = read(columns("DATE", "CREATION", Some(at(130, 0)), None), Some(10_800))?;
        assert_eq!(paid.subscription.and_then(|terms| terms.paid_until), Some(at(130, 0)));
        assert_eq!(paid.amended, None, "the next payment decides");
        // Reckoned five milliseconds after the row was made.
        let days = read(columns("DURATION", "CREATION", Some(at(130, 5)), Some(30)), None)?;
        assert_eq!((days.purchased_at, days.days, days.amended), (at(100, 5), Some(30), None));
        let moved = read(columns("DURATION", "CREATION", Some(at(140, 0)), Some(30)), None)?;
        assert_eq!(moved.amended, Some(Expiration::Date(at(140, 0))));
        let waits = read(columns("DURATION", "ACTIVATION", None, Some(30)), None)?;
        assert_eq!((waits.start, waits.activated), (ExpirationStart::Activation, None));
        let runs = read(columns("DURATION", "ACTIVATION", Some(at(150, 0)), Some(30)), None)?;
        let activated = LicenseActivated { activated_at: at(120, 0), expires_at: Some(at(150, 0)) };
        assert_eq!(runs.activated, Some(activated));
        Ok(())
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (columns, column) in [
            (columns("DATE", "CREATION", None, None), "expirationDate"),
            (columns("DURATION", "CREATION", None, None), "expirationDays"),
            (columns("DURATION", "CREATION", None, Some(0)), "expirationDays"),
            (columns("DURATION", "SOMETIME", None, Some(1)), "expirationStart"),
            (columns("SOMETIME", "CREATION", None, None), "expirationType"),
        ] {
            assert!(read(columns, None).is_err_and(|problem| problem.contains(column)), "{column}");
        }
    }
}
