//! Sealed texts and notes in the clear. What a forgotten owner left sealed reads as if it were not there.

use keyledger_events::TeamId;
use keyledger_events::event::metadata::MetadataEntry;
use keyledger_events::keys::KeyRingError;
use keyledger_projections::SealedField;

use crate::app::App;

/// A text; `None` when there is none or its owner was forgotten.
///
/// # Errors
/// When the keys store does not answer, or the value was tampered with.
pub async fn text(
    app: &App,
    team: TeamId,
    sealed: Option<&SealedField>,
    field: &str,
) -> Result<Option<String>, KeyRingError> {
    let Some(sealed) = sealed else { return Ok(None) };
    let bytes = app.keys.open_unless_gone(sealed.context(team, field), &sealed.value).await?;
    Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()))
}

/// A seller's notes; none when there are none or their owner was forgotten.
///
/// # Errors
/// As [`text`].
pub async fn notes(
    app: &App,
    team: TeamId,
    sealed: Option<&SealedField>,
    field: &str,
) -> Result<Vec<MetadataEntry>, KeyRingError> {
    let text = text(app, team, sealed, field).await?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}
