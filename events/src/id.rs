//! The names of things in the ledger: teams, streams, positions, and how ids are derived.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A tenant. Every stream belongs to exactly one team, and every read is scoped to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TeamId(pub Uuid);

impl fmt::Display for TeamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for TeamId {
    type Err = ParseTeamIdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self).map_err(|_| ParseTeamIdError)
    }
}

/// The text is no team's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a team's id has 32 hexadecimal digits, as in 018f6a1e-5a63-7c5e-9d5c-0e8d2a4b6c70; `keyledger team list` tells it"
)]
pub struct ParseTeamIdError;

/// The place of an event in the ledger: 1, 2, 3, … without a gap. 0 stands before the first event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub i64);

impl Position {
    /// Before the first event.
    pub const START: Self = Self(0);

    /// The position after this one.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The position before this one; [`Position::START`] has none.
    pub fn previous(self) -> Self {
        Self(self.0.saturating_sub(1).max(0))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The kinds of streams. The text form is part of stored stream names and never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StreamKind {
    /// A tenant, its settings and API keys.
    Team,
    /// A product that licences are for.
    Product,
    /// A provider's connection: its secrets and whether it is on.
    Integration,
    /// A buyer.
    Customer,
    /// One provider event, from its arrival to its conclusion.
    Inbox,
    /// One thing sold: a checkout session, a subscription, a Polymart buyer and product.
    Purchase,
    /// A payment, charge or invoice, linked to its purchase.
    Payment,
    /// One licence.
    License,
    /// One mail.
    Delivery,
    /// An endpoint for outgoing webhooks.
    Webhook,
    /// One hook on its way to an endpoint.
    Hook,
    /// Somebody who signs in to the dashboard.
    Member,
}

impl StreamKind {
    const ALL: [(Self, &'static str); 12] = [
        (Self::Team, "team"),
        (Self::Product, "product"),
        (Self::Integration, "integration"),
        (Self::Customer, "customer"),
        (Self::Inbox, "inbox"),
        (Self::Purchase, "purchase"),
        (Self::Payment, "payment"),
        (Self::License, "license"),
        (Self::Delivery, "delivery"),
        (Self::Webhook, "webhook"),
        (Self::Hook, "hook"),
        (Self::Member, "member"),
    ];

    /// The word that begins the stream's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::Product => "product",
            Self::Integration => "integration",
            Self::Customer => "customer",
            Self::Inbox => "inbox",
            Self::Purchase => "purchase",
            Self::Payment => "payment",
            Self::License => "license",
            Self::Delivery => "delivery",
            Self::Webhook => "webhook",
            Self::Hook => "hook",
            Self::Member => "member",
        }
    }
}

/// The name of a stream within its team: `license-0197…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId {
    /// What the stream is about.
    pub kind: StreamKind,
    /// Which one.
    pub id: Uuid,
}

impl StreamId {
    /// The stream of `kind` with this id.
    pub fn new(kind: StreamKind, id: Uuid) -> Self {
        Self { kind, id }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.kind.as_str(), self.id)
    }
}

/// A text that is not a stream's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a stream name: expected `<kind>-<uuid>`, for example `license-0197c5a2-…`")]
pub struct ParseStreamIdError(String);

impl FromStr for StreamId {
    type Err = ParseStreamIdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || ParseStreamIdError(text.to_owned());
        let (word, id) = text.split_once('-').ok_or_else(bad)?;
        let (kind, _) = *StreamKind::ALL.iter().find(|(_, name)| *name == word).ok_or_else(bad)?;
        Ok(Self { kind, id: Uuid::parse_str(id).map_err(|_| bad())? })
    }
}

impl Serialize for StreamId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StreamId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The id of a business fact: the same parts in the same order give the same id on every node and in every
/// replay (UUIDv5, RFC 9562 section 5.5). Parts are length-prefixed, so `["ab", "c"]` and `["a", "bc"]` differ.
pub fn derived(team: TeamId, parts: &[&str]) -> Uuid {
    let mut name = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
    for part in parts {
        name.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        name.extend_from_slice(part.as_bytes());
    }
    Uuid::new_v5(&team.0, &name)
}

/// The id that a keyed fingerprint gives: its first 16 bytes as a custom id (UUIDv8, RFC 9562 section 5.8). Nobody who
/// lacks the key can guess from it what was fingerprinted.
pub fn of_fingerprint(fingerprint: &[u8; 32]) -> Uuid {
    let mut first = [0; 16];
    first.copy_from_slice(&fingerprint[..16]);
    uuid::Builder::from_custom_bytes(first).into_uuid()
}

/// A new random id, ordered by time (UUIDv7) so that indexes grow at their right edge.
pub fn fresh() -> Uuid {
    Uuid::now_v7()
}
