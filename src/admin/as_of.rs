//! A moment of the past: a place in the ledger, or a time.

use std::fmt;
use std::str::FromStr;

use keyledger_events::{Position, RecordedEvent, Timestamp};

use super::AdminError;
use crate::app::App;

/// A moment of the past, as people give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// When the event at this position had just been recorded.
    Position(Position),
    /// When everything recorded up to this time was known.
    Time(Timestamp),
}

/// A text that names no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a position (a whole number) nor a time like 2026-01-31T12:00:00Z")]
pub struct ParseAsOfError(String);

impl FromStr for AsOf {
    type Err = ParseAsOfError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || ParseAsOfError(text.to_owned());
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(|position| Self::Position(Position(position))).map_err(|_| bad());
        }
        text.parse().map(Self::Time).map_err(|_| bad())
    }
}

impl fmt::Display for AsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Position(position) => write!(f, "position {position}"),
            Self::Time(time) => write!(f, "{time}"),
        }
    }
}

/// A moment of the past that the ledger reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    as_of: AsOf,
    /// What was "now" then; whether a licence has expired is asked for this time.
    pub time: Timestamp,
}

impl Moment {
    /// Finds the moment in the ledger.
    ///
    /// # Errors
    /// When the ledger does not reach that far.
    pub async fn find(app: &App, as_of: AsOf) -> Result<Self, AdminError> {
        let time = match as_of {
            AsOf::Time(time) => time,
            AsOf::Position(position) => {
                let head = app.ledger.head().await?.position;
                if position > head {
                    return Err(AdminError::Invalid(format!("the ledger ends at position {head}, before {position}")));
                }
                let event = app.ledger.read_checked(position.previous(), 1).await?.into_iter().next();
                event.map_or(Timestamp::UNIX_EPOCH, |event| event.recorded_at)
            }
        };
        Ok(Self { as_of, time })
    }

    /// Whether the event was recorded by then. Both positions and times only grow along the ledger.
    pub fn includes(&self, event: &RecordedEvent) -> bool {
        match self.as_of {
            AsOf::Position(position) => event.position <= position,
            AsOf::Time(time) => event.recorded_at <= time,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_position_or_a_time() -> Result<(), Box<dyn std::error::Error>> {
        assert_eq!("17".parse::<AsOf>()?, AsOf::Position(Position(17)));
        assert_eq!("1970-01-01T00:00:01Z".parse::<AsOf>()?, AsOf::Time(Timestamp::from_second(1)?));
        assert_eq!("1970-01-01T01:00:01+01:00".parse::<AsOf>()?, AsOf::Time(Timestamp::from_second(1)?));
        for bad in ["", "-1", "yesterday", "2026-01-31", "99999999999999999999"] {
            assert_eq!(bad.parse::<AsOf>(), Err(ParseAsOfError(bad.to_owned())));
        }
        Ok(())
    }
}
