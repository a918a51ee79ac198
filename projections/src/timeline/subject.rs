//! What a timeline is about, and what a row links it with.

use keyledger_events::{Position, StreamId, StreamKind, TeamId};
use uuid::Uuid;

use super::Day;

/// What a timeline is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A licence, by its id.
    License(Uuid),
    /// A customer, by their id.
    Customer(Uuid),
    /// What an event led to, by that event's id. For a provider event that is its inbox stream's id too.
    Cause(Uuid),
    /// What a team sells and is connected with.
    Settings(TeamId),
    /// A day on which something happened that was recorded on another.
    Day(Day),
}

impl Subject {
    /// The bytes it is stored as: a letter, then its id or day. Stored rows are compared with it, so changing it is a
    /// new version of the view.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let (letter, rest) = match self {
            Self::License(id) => (b'l', id.as_bytes().to_vec()),
            Self::Customer(id) => (b'c', id.as_bytes().to_vec()),
            Self::Cause(id) => (b'e', id.as_bytes().to_vec()),
            Self::Settings(team) => (b't', team.0.as_bytes().to_vec()),
            Self::Day(day) => (b'd', day.to_bytes().to_vec()),
        };
        [vec![letter], rest].concat()
    }
}

/// What concerns a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Related {
    /// Events of a stream.
    Stream(StreamId),
    /// One event.
    Event(Position),
}

/// The letter of each kind of stream in stored rows; it never changes.
const STREAM_LETTERS: [(StreamKind, u8); 11] = [
    (StreamKind::Team, b't'),
    (StreamKind::Product, b'p'),
    (StreamKind::Integration, b'n'),
    (StreamKind::Customer, b'c'),
    (StreamKind::Inbox, b'i'),
    (StreamKind::Purchase, b'b'),
    (StreamKind::Payment, b'm'),
    (StreamKind::License, b'l'),
    (StreamKind::Delivery, b'd'),
    (StreamKind::Webhook, b'w'),
    (StreamKind::Member, b'u'),
];

/// The letter of an event's position in stored rows.
const POSITION_LETTER: u8 = b'@';

impl Related {
    /// The bytes it is stored as; `None` for a kind of stream that has no letter here, which is left out.
    pub(super) fn to_bytes(self) -> Option<Vec<u8>> {
        Some(match self {
            Self::Stream(StreamId { kind, id }) => {
                let (_, letter) = STREAM_LETTERS.iter().find(|(known, _)| *known == kind)?;
                [&[*letter], id.as_bytes().as_slice()].concat()
            }
            Self::Event(position) => [&[POSITION_LETTER], position.0.to_be_bytes().as_slice()].concat(),
        })
    }

    /// What stored bytes say.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (letter, rest) = bytes.split_first()?;
        if *letter == POSITION_LETTER {
            return Some(Self::Event(Position(i64::from_be_bytes(rest.try_into().ok()?))));
        }
        let (kind, _) = STREAM_LETTERS.iter().find(|(_, known)| known == letter)?;
        Some(Self::Stream(StreamId::new(*kind, Uuid::from_slice(rest).ok()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_again() {
        let streams = STREAM_LETTERS.map(|(kind, _)| Related::Stream(StreamId::new(kind, Uuid::from_u128(7))));
        for related in streams.into_iter().chain([Related::Event(Position(1)), Related::Event(Position(i64::MAX))]) {
            assert_eq!(related.to_bytes().as_deref().and_then(Related::from_bytes), Some(related));
        }
        for bad in [&b""[..], b"x", b"l", b"l123", b"@1234567", b"?1234567890123456"] {
            assert_eq!(Related::from_bytes(bad), None, "{bad:?}");
        }
    }
}
