//! Statistics: what was recorded on each day, counted. One row a team and day, so a chart of a month reads thirty rows
//! however much happened.

mod projection;
mod query;

pub use projection::{DayCounts, StatisticsFold};
