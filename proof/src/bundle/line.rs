//! An event in a bundle.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::leaf::Leaf;
use crate::merkle::Hash;

/// An event with its payload's exact bytes, and in a filtered bundle its proof.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventLine<'a> {
    /// Its place in the ledger, from 1.
    pub position: i64,
    /// The type's name.
    #[serde(rename = "type", borrow)]
    pub event_type: Cow<'a, str>,
    /// The version of the payload's schema.
    pub version: u16,
    /// The stream's name.
    #[serde(borrow)]
    pub stream: Cow<'a, str>,
    /// Its place in the stream, from 1.
    pub stream_version: i64,
    /// Whose it is.
    pub team_id: Uuid,
    /// Its id.
    pub event_id: Uuid,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Who did it.
    #[serde(borrow)]
    pub actor: Cow<'a, str>,
    /// The event that led to it.
    pub causation: Option<Uuid>,
    /// The event that began the story.
    pub correlation: Option<Uuid>,
    /// Hex of its leaf's hash.
    #[serde(borrow)]
    pub leaf_hash: Cow<'a, str>,
    /// The payload, byte for byte as it is under the leaf.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    /// The payload in base64, where its bytes are not one line of JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
    /// Hashes of the proof that the checkpoint's tree has it (RFC 6962 section 2.1.1), in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proof: Option<Vec<String>>,
}

/// What is wrong with an event's line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It has no payload, or two.
    #[error("it must have either `data` or `dataBase64`")]
    Payload,
    /// Something is not base64 of what it should be.
    #[error("its {0} is not base64 of what it should be")]
    Encoding(&'static str),
}

impl<'a> EventLine<'a> {
    /// The line of an event in a bundle.
    pub fn new(leaf: &Leaf<'a>, occurred_at: Timestamp, recorded_at: Timestamp) -> Self {
        let one_line = std::str::from_utf8(leaf.payload)
            .ok()
            .filter(|text| !text.contains(['\n', '\r']))
            .and_then(|text| serde_json::from_str::<&RawValue>(text).ok())
            // White space around the value would be lost.
            .filter(|raw| raw.get().len() == leaf.payload.len());
        Self {
            position: leaf.position,
            event_type: leaf.event_type.into(),
            version: leaf.schema_version,
            stream: leaf.stream.into(),
            stream_version: leaf.stream_version,
            team_id: Uuid::from_bytes(*leaf.team),
            event_id: Uuid::from_bytes(*leaf.event_id),
            occurred_at,
            recorded_at,
            actor: leaf.actor.into(),
            causation: leaf.causation.map(|id| Uuid::from_bytes(*id)),
            correlation: leaf.correlation.map(|id| Uuid::from_bytes(*id)),
            leaf_hash: hex::encode(leaf.hash()).into(),
            data: one_line,
            data_base64: one_line.is_none().then(|| BASE64.encode(leaf.payload)),
            proof: None,
        }
    }

    /// With the proof that a checkpoint's tree has it.
    #[must_use]
    pub fn proved_by(self, path: &[Hash]) -> Self {
        Self { proof: Some(path.iter().map(|hash| BASE64.encode(hash)).collect()), ..self }
    }

    /// The payload's bytes.
    ///
    /// # Errors
    /// When there are none, or they are not readable.
    pub fn payload(&self) -> Result<Cow<'a, [u8]>, LineError> {
        match (self.data, &self.data_base64) {
            (Some(data), None) => Ok(data.get().as_bytes().into()),
            (None, Some(text)) => BASE64.decode(text).map(Cow::Owned).map_err(|_| LineError::Encoding("dataBase64")),
            _ => Err(LineError::Payload),
        }
    }

    /// The hash of its leaf, computed from its fields.
    pub(super) fn leaf_hash(&self, payload: &[u8]) -> Hash {
        let leaf = Leaf {
            position: self.position,
            team: self.team_id.as_bytes(),
            stream: &self.stream,
            stream_version: self.stream_version,
            event_id: self.event_id.as_bytes(),
            event_type: &self.event_type,
            schema_version: self.version,
            occurred_at: self.occurred_at.as_microsecond(),
            recorded_at: self.recorded_at.as_microsecond(),
            causation: self.causation.as_ref().map(Uuid::as_bytes),
            correlation: self.correlation.as_ref().map(Uuid::as_bytes),
            actor: &self.actor,
            payload,
        };
        leaf.hash()
    }

    /// Its proof, if it has one.
    pub(super) fn path(&self) -> Result<Option<Vec<Hash>>, LineError> {
        let hash = |text: &String| {
            let bytes = BASE64.decode(text).ok().and_then(|bytes| Hash::try_from(bytes).ok());
            bytes.ok_or(LineError::Encoding("proof"))
        };
        self.proof.as_ref().map(|path| path.iter().map(hash).collect()).transpose()
    }
}
