//! A month in UTC.

use std::fmt;
use std::str::FromStr;

use keyledger_events::Timestamp;
use serde::{Serialize, Serializer};

/// The years that are told in four digits.
const YEAR_MAX: u32 = 9_998;

/// A month in UTC, as the number of months since year 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Month(u32);

/// A text that names no month.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a month like 2026-01")]
pub struct ParseMonthError(String);

impl Month {
    /// The month that a moment lies in; the first one there is for years before 1.
    pub fn of(time: Timestamp) -> Self {
        time.strftime("%Y-%m").to_string().parse().unwrap_or(Self(12))
    }

    /// Its first moment.
    pub fn begin(self) -> Timestamp {
        format!("{self}-01T00:00:00Z").parse().unwrap_or(Timestamp::MAX)
    }

    /// The month after it.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl FromStr for Month {
    type Err = ParseMonthError;

    fn from_str(text: &str) -> Result<Self, ParseMonthError> {
        let bad = || ParseMonthError(text.to_owned());
        let (year, month) = text.split_once('-').ok_or_else(bad)?;
        let number = |text: &str, digits: usize| {
            let right = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
            right.then(|| text.parse::<u32>().ok()).flatten().ok_or_else(bad)
        };
        let (year, month) = (number(year, 4)?, number(month, 2)?);
        let known = (1..=YEAR_MAX).contains(&year) && (1..=12).contains(&month);
        known.then(|| Self(year * 12 + month - 1)).ok_or_else(bad)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0 / 12, self.0 % 12 + 1)
    }
}

impl Serialize for Month {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Months that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Months {
    /// The first one.
    pub first: Month,
    /// The last one.
    pub last: Month,
}

impl Months {
    /// One month.
    pub fn one(month: Month) -> Self {
        Self { first: month, last: month }
    }

    /// How many there are; 0 when the last one is before the first.
    pub fn count(self) -> u32 {
        (self.last.0 + 1).saturating_sub(self.first.0)
    }

    /// The first moment of the first one.
    pub fn begin(self) -> Timestamp {
        self.first.begin()
    }

    /// The first moment behind the last one.
    pub fn end(self) -> Timestamp {
        self.last.next().begin()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_begins_and_ends_in_utc() -> Result<(), Box<dyn std::error::Error>> {
        let december: Month = "2026-12".parse()?;
        assert_eq!(december.begin(), "2026-12-01T00:00:00Z".parse()?);
        assert_eq!(december.next().to_string(), "2027-01");
        assert_eq!(Month::of("2026-12-31T23:59:59.999999Z".parse()?), december);
        assert_eq!(Month::of("2027-01-01T00:59:59+01:00".parse()?), december);
        let months = Months { first: "2026-11".parse()?, last: "2027-02".parse()? };
        assert_eq!((months.count(), Months::one(december).count()), (4, 1));
        assert_eq!((months.begin(), months.end()), ("2026-11-01T00:00:00Z".parse()?, "2027-03-01T00:00:00Z".parse()?));
        for bad in [
            "",
            "2026",
            "2026-00",
            "0000-00",
            "2026-13",
            "2026-1",
            "26-01",
            "2026-01-01",
            "0000-01",
            "9999-12",
            "+026-01",
        ] {
            assert_eq!(bad.parse::<Month>(), Err(ParseMonthError(bad.to_owned())));
        }
        Ok(())
    }
}
