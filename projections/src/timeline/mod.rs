//! The timeline: which streams concern a licence, a customer, a provider event or a team's settings, and which events
//! belong to a day though they were recorded on another.
//!
//! A row is a link and nothing else, so that the runner has little to write: a licence's own stream is known without a
//! row, its purchase is one row however often it is renewed, and a day's events lie in the ledger one after the other
//! except those that were told late. The events themselves are read from the ledger, in pages by position.

mod day;
mod links;
mod projection;
mod query;
mod subject;

pub use day::{Day, ParseDayError};
pub use projection::TimelineProjection;
pub use subject::Subject;
