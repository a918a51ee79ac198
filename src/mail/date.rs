//! Days and moments as people read them, in UTC.

use keyledger_events::Timestamp;

/// 1 March 2026.
pub(crate) fn day(time: Timestamp) -> String {
    time.strftime("%-d %B %Y").to_string()
}

/// 1 March 2026, 12:00 UTC.
pub(crate) fn moment(time: Timestamp) -> String {
    time.strftime("%-d %B %Y, %H:%M UTC").to_string()
}
