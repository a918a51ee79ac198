//! The inbox: one row per provider event, from its arrival to its conclusion.

mod entry;
mod projection;
mod query;

pub use entry::{InboxEntry, Outcome};
pub use projection::InboxFold;
pub use query::InboxFilter;
