//! The inbox: one row per provider event, from its arrival to its conclusion.

mod entry;
mod period;
mod projection;
mod query;

pub use entry::{InboxEntry, Outcome};
pub use period::Outcomes;
pub use projection::InboxFold;
pub use query::InboxFilter;
