//! A bundle's first line.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What the bundle is, and what its events are proved against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Header {
    /// The format's version.
    pub keyledger_bundle: u32,
    /// The log's verifier key.
    pub log: String,
    /// The signed checkpoint.
    pub checkpoint: String,
    /// Which events are here; the default is all of them.
    pub filter: Filter,
    /// When it was made.
    pub exported_at: Timestamp,
}

/// Which events are wanted. The default is all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Filter {
    /// Those of one team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<Uuid>,
    /// Those recorded at this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Those recorded before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Those of one of these types; of any type when none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// Those after this position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<i64>,
}

impl Filter {
    /// Whether all events are wanted.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether every stream of those that are wanted is wanted from its first event on.
    pub fn takes_whole_streams(&self) -> bool {
        Self { team: None, ..self.clone() }.is_everything()
    }

    /// Whether an event is wanted.
    pub fn takes(&self, position: i64, team: Uuid, event_type: &str, recorded_at: Timestamp) -> bool {
        self.team.is_none_or(|wanted| team == wanted)
            && self.from.is_none_or(|from| recorded_at >= from)
            && self.until.is_none_or(|until| recorded_at < until)
            && self.after.is_none_or(|after| position > after)
            && (self.types.is_empty() || self.types.iter().any(|wanted| wanted == event_type))
    }
}
