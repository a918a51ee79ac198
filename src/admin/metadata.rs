//! A seller's notes on licences, customers and products: checked and sealed.

use keyledger_events::event::metadata::MetadataEntry;
use keyledger_events::sealed::{DataKey, SealContext};
use keyledger_events::{Sealed, TeamId};
use uuid::Uuid;

use super::AdminError;

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
