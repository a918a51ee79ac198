//! Products: what licences are for.

mod projection;
mod query;

pub use projection::{Product, ProductsFold};
