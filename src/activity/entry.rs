//! What is noted.

use keyledger_events::{TeamId, Timestamp};
use keyledger_projections::SeatKind;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a client program asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// A verification.
    Verify,
    /// A heartbeat.
    Heartbeat,
}

impl RequestKind {
    /// As it is stored.
    pub(super) fn number(self) -> i64 {
        match self {
            Self::Verify => 1,
            Self::Heartbeat => 2,
        }
    }

    /// From how it is stored; what is none of ours is a verification.
    pub(super) fn of_number(number: i64) -> Self {
        if number == Self::Heartbeat.number() { Self::Heartbeat } else { Self::Verify }
    }

    /// The word for it in Lukittu's statistics.
    pub fn as_upper(self) -> &'static str {
        match self {
            Self::Verify => "VERIFY",
            Self::Heartbeat => "HEARTBEAT",
        }
    }
}

/// A device or an address was seen with a licence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen<'a> {
    /// Whose licence.
    pub team: TeamId,
    /// Which one.
    pub license_id: Uuid,
    /// Device or address.
    pub kind: SeatKind,
    /// Its seat's id.
    pub seat_id: Uuid,
    /// The hardware identifier or the address.
    pub identifier: &'a str,
    /// From which country, where that is known.
    pub country: Option<&'a str>,
    /// When.
    pub at: Timestamp,
    /// Whether other processes must know to the second, because a short timeout may free the seat.
    pub exact: bool,
}

/// When a device or an address was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastSeen {
    /// Its seat's id.
    pub seat_id: Uuid,
    /// The hardware identifier or the address.
    pub identifier: String,
    /// From which country last, where that is known.
    pub country: Option<String>,
    /// When first.
    pub first_seen: Timestamp,
    /// When last.
    pub last_seen: Timestamp,
}

/// A verification and how it was answered. The licence key is never in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoggedRequest<T = String> {
    /// When.
    pub at: Timestamp,
    /// Whose licence.
    #[serde(rename = "teamId")]
    pub team: TeamId,
    /// What was asked for.
    pub kind: RequestKind,
    /// The answer.
    pub code: std::borrow::Cow<'static, str>,
    /// The licence, if the key opened one.
    pub license_id: Option<Uuid>,
    /// The product that was named.
    pub product_id: Option<Uuid>,
    /// The customer who was named.
    pub customer_id: Option<Uuid>,
    /// The hardware identifier.
    pub device: Option<T>,
    /// The client's address.
    pub address: Option<T>,
    /// The client's country.
    pub country: Option<T>,
    /// The program's version.
    pub version: Option<T>,
    /// The program's branch.
    pub branch: Option<T>,
    /// How long the answer took, in microseconds.
    pub latency_us: i64,
}

impl<T> LoggedRequest<T> {
    /// The same with its texts in another form.
    pub(super) fn map<U>(self, mut text: impl FnMut(T) -> U) -> LoggedRequest<U> {
        let Self { at, team, kind, code, license_id, product_id, customer_id, .. } = self;
        LoggedRequest {
            at,
            team,
            kind,
            code,
            license_id,
            product_id,
            customer_id,
            device: self.device.map(&mut text),
            address: self.address.map(&mut text),
            country: self.country.map(&mut text),
            version: self.version.map(&mut text),
            branch: self.branch.map(text),
            latency_us: self.latency_us,
        }
    }
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoredRequest {
    /// Its place in the log: later entries have larger ones.
    pub id: i64,
    /// The entry.
    #[serde(flatten)]
    pub request: LoggedRequest,
}

/// Which entries are wanted. The default is all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestFilter {
    /// Those about one licence.
    pub license_id: Option<Uuid>,
    /// Those with one answer.
    pub code: Option<String>,
    /// Those of one device.
    pub device: Option<String>,
    /// Those from one address.
    pub address: Option<String>,
    /// Those of one kind.
    pub kind: Option<RequestKind>,
    /// From this moment on.
    pub from: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
}
