//! A day in UTC.

use std::fmt;
use std::str::FromStr;

use keyledger_events::Timestamp;
use serde::{Serialize, Serializer};

const MICROSECONDS_PER_DAY: i64 = 86_400_000_000;

/// A day in UTC, as the number of days since 1 January 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Day(i64);

/// A text that names no day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a day like 2026-01-31")]
pub struct ParseDayError(String);

impl Day {
    /// The day that a moment lies in.
    pub fn of(time: Timestamp) -> Self {
        Self(time.as_microsecond().div_euclid(MICROSECONDS_PER_DAY))
    }

    /// Its first moment; the end of time for a day beyond it.
    pub fn begin(self) -> Timestamp {
        let begin = Timestamp::from_microsecond(self.0.saturating_mul(MICROSECONDS_PER_DAY));
        begin.unwrap_or(if self.0 < 0 { Timestamp::MIN } else { Timestamp::MAX })
    }

    /// The day after it.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The day so many days before it.
    pub fn before(self, days: u32) -> Self {
        Self(self.0.saturating_sub(i64::from(days)))
    }

    /// Its bytes in the order of days.
    pub(super) fn to_bytes(self) -> [u8; 8] {
        // Moves the days before 1970 below those after it.
        (self.0 ^ i64::MIN).to_be_bytes()
    }
}

impl FromStr for Day {
    type Err = ParseDayError;

    fn from_str(text: &str) -> Result<Self, ParseDayError> {
        let bad = || ParseDayError(text.to_owned());
        let date = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let begin = date.then(|| format!("{text}T00:00:00Z").parse()).ok_or_else(bad)?;
        begin.map(Self::of).map_err(|_| bad())
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.begin().strftime("%Y-%m-%d").fmt(f)
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_and_ends_at_midnight_utc() -> Result<(), Box<dyn std::error::Error>> {
        let day: Day = "2026-03-01".parse()?;
        assert_eq!(day.to_string(), "2026-03-01");
        assert_eq!(day.begin(), "2026-03-01T00:00:00Z".parse()?);
        assert_eq!(Day::of("2026-03-01T23:59:59.999999Z".parse()?), day);
        assert_eq!(Day::of("2026-03-02T00:00:00Z".parse()?), day.next());
        assert_eq!(Day::of("2026-03-01T01:00:00+02:00".parse()?).next(), day);
        let old: Day = "1969-12-31".parse()?;
        assert_eq!((old.next().to_string(), Day::of(old.begin())), ("1970-01-01".to_owned(), old));
        assert!(old.to_bytes() < day.to_bytes());
        for bad in ["", "2026-02-30", "2026-3-1", "20260301", "2026-03-01T00:00:00Z", "yesterday", "+026-01-01"] {
            assert_eq!(bad.parse::<Day>(), Err(ParseDayError(bad.to_owned())));
        }
        Ok(())
    }
}
