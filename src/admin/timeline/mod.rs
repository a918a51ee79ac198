//! What happened to a licence, to a customer, because of a provider event, to a team's settings, or on a day: who did
//! what, when it happened, when it was recorded, and because of which provider event.
//!
//! The view `timeline` says which streams to read; what is told is the ledger's.

mod about;
mod because;
mod day;
mod entry;
mod page;
mod words;

pub use about::About;
pub use because::{Because, Causes};
pub use entry::Entry;
pub use page::{ENTRIES_MAX, TimelinePage, page, streams};
