//! What an accountant asks for: licences by product and month, and provider events against licences.

pub mod csv;
pub mod licenses;
mod month;
pub mod purchases;
mod tally;

pub use month::{Month, Months};
