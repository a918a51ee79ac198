//! The server's own signing keys: of the whole installation, not of a team.

use keyledger_events::clock;

use super::AdminError;
use crate::app::App;
use crate::verification::{ServerKeyJson, ServerKeys};

/// The longest time ahead that a key can be announced: a year, in hours.
pub const ANNOUNCED_HOURS_MAX: u32 = 8_784;
const MICROSECONDS_PER_HOUR: i64 = 3_600_000_000;

/// All of them, the oldest first.
///
/// # Errors
/// When the keys store does not answer.
pub async fn list(app: &App) -> Result<Vec<ServerKeyJson>, AdminError> {
    Ok(ServerKeys::open(&app.keys, app.clock.now()).await?.list())
}

/// Adds one that signs in `hours` from now, and is shown at once, so that programs that keep the keys can learn of it.
///
/// # Errors
/// When that is too far ahead, or the keys store does not answer.
pub async fn rotate(app: &App, hours: u32) -> Result<Vec<ServerKeyJson>, AdminError> {
    let bad = || AdminError::Invalid(format!("a key is announced at most {ANNOUNCED_HOURS_MAX} hours ahead"));
    if hours > ANNOUNCED_HOURS_MAX {
        return Err(bad());
    }
    let now = app.clock.now();
    let from = clock::from_microseconds(now.as_microsecond() + i64::from(hours) * MICROSECONDS_PER_HOUR);
    let keys = ServerKeys::open(&app.keys, now).await?;
    keys.add(from.ok_or_else(bad)?).await?;
    Ok(keys.list())
}
