//! A seller's notes on licences, customers and products: checked, sealed, opened.

use keyledger_events::event::metadata::MetadataEntry;
use keyledger_events::keys::KeyRingError;
use keyledger_events::sealed::{DataKey, SealContext};
use keyledger_events::{Sealed, TeamId};
use keyledger_projections::SealedField;
use uuid::Uuid;

use super::AdminError;
use crate::app::App;

/// Notes on one thing at most.
const ENTRIES_MAX: usize = 20;
/// The longest name and the longest value of a note, in characters.
const CHARS_MAX: usize = 255;

/// Checks notes.
///
/// # Errors
/// When there are too many, or one of them is empty or too long.
pub fn check(notes: &[MetadataEntry]) -> Result<(), AdminError> {
    if notes.len() > ENTRIES_MAX {
        let message = format!("metadata: has {} entries; at most {ENTRIES_MAX} are allowed", notes.len());
        return Err(AdminError::Invalid(message));
    }
    for (index, note) in notes.iter().enumerate() {
        for (name, text) in [("key", &note.key), ("value", &note.value)] {
            if !(1..=CHARS_MAX).contains(&text.chars().count()) {
                let message = format!("metadata[{index}].{name}: must have 1 to {CHARS_MAX} characters");
                return Err(AdminError::Invalid(message));
            }
        }
    }
    Ok(())
}

/// Notes under a data key.
///
/// # Errors
/// Never for these types.
pub fn seal(
    key: &DataKey,
    team: TeamId,
    event_id: Uuid,
    field: &str,
    notes: &[MetadataEntry],
) -> Result<Sealed, AdminError> {
    let text = serde_json::to_vec(notes).map_err(|error| AdminError::Invalid(error.to_string()))?;
    Ok(key.seal(SealContext { team, event_id, field }, &text))
}

/// Opened notes; none when their owner was forgotten.
///
/// # Errors
/// When the keys store does not answer.
pub async fn open(
    app: &App,
    team: TeamId,
    sealed: Option<&SealedField>,
    field: &str,
) -> Result<Vec<MetadataEntry>, AdminError> {
    let text = open_text(app, team, sealed, field).await?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

/// An opened text; none when there is none or its owner was forgotten.
///
/// # Errors
/// When the keys store does not answer.
pub async fn open_text(
    app: &App,
    team: TeamId,
    sealed: Option<&SealedField>,
    field: &str,
) -> Result<Option<String>, AdminError> {
    let Some(sealed) = sealed else { return Ok(None) };
    match app.keys.open(sealed.context(team, field), &sealed.value).await {
        Ok(bytes) => Ok(String::from_utf8(bytes).ok()),
        Err(KeyRingError::Gone(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
