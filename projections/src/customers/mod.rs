//! Customers: buyers, with their personal data sealed.

mod projection;
mod query;

pub use projection::{Customer, CustomersFold};
