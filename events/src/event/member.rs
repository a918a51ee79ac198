//! Events of a member: somebody of the seller's people who signs in to the dashboard.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::sealed::Sealed;

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberRole {
    /// Everything, members and the team itself among it.
    Owner,
    /// Everything but members and the team itself.
    Admin,
    /// Helping buyers: licences, seats, mails.
    Support,
    /// Looking, and nothing else.
    Auditor,
}

/// A text that names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no role: owner, admin, support and auditor are")]
pub struct ParseRoleError(String);

impl MemberRole {
    /// All of them, the mightiest first.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Admin, Self::Support, Self::Auditor];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Support => "support",
            Self::Auditor => "auditor",
        }
    }
}

impl fmt::Display for MemberRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for MemberRole {
    type Err = ParseRoleError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| ParseRoleError(text.to_owned()))
    }
}

/// The first owner of a ledger became a member.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemberRegistered {
    /// The mail address that they sign in with, under the member's data key.
    pub email: Sealed,
    /// Hex of the keyed fingerprint of the address, the same in every team.
    pub email_lookup: String,
    /// What they may do.
    pub role: MemberRole,
    /// The Argon2id hash of the password as a PHC string, under the member's data key.
    pub password: Sealed,
}

/// Somebody was invited; whoever has the token may join.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemberInvited {
    /// The mail address that they will sign in with, under the member's data key.
    pub email: Sealed,
    /// Hex of the keyed fingerprint of the address, the same in every team.
    pub email_lookup: String,
    /// What they may do.
    pub role: MemberRole,
    /// Hex of the SHA-256 of the token, which has 256 random bits.
    pub token_sha256: String,
    /// When the token stops working.
    pub expires_at: Timestamp,
}

/// Who was invited chose a password.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemberJoined {
    /// The Argon2id hash of the password as a PHC string, under the member's data key.
    pub password: Sealed,
}

/// A member may do something else from now on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemberRoleChanged {
    /// What they may do.
    pub role: MemberRole,
}

/// A member chose another password.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemberPasswordChanged {
    /// The Argon2id hash of the password as a PHC string, under the member's data key.
    pub password: Sealed,
}

/// A member signs in with a code besides the password from now on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemberTotpEnabled {
    /// The secret of the codes (RFC 6238), 20 bytes, under the member's data key.
    pub secret: Sealed,
}

/// A member signs in without a code from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberTotpDisabled {}

/// Somebody is no member any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRemoved {}

/// What a member looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevealedKind {
    /// A licence's key.
    LicenseKey,
    /// A customer's personal data.
    Customer,
    /// The body of a provider's delivery.
    Payload,
    /// A mail with its address and keys.
    Mail,
    /// A secret of a connection or a webhook.
    Secret,
}

/// A member looked at something that is sealed. In the member's own stream, so that nobody's work is disturbed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataRevealed {
    /// What it was.
    pub what: RevealedKind,
    /// The id of the licence, customer, provider event, mail or secret.
    pub subject: Uuid,
}
