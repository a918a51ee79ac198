//! The licensing rules, pure: facts in, licences out. Nothing here knows SQL, HTTP, a clock or a random number.
//!
//! A purchase's stream holds the provider's facts in the order they came; [`Purchase`] folds them so that their
//! order does not matter. [`desired()`] says which licences those facts call for and on what terms;
//! [`consequences`] compares that with the licences there are and names what must happen to them.

pub mod commands;
pub mod consequences;
pub mod desired;
pub mod learn;
pub mod money;
pub mod payment;
pub mod purchase;
pub mod settings;
pub mod subscription;

pub use desired::{Desired, desired};
pub use purchase::Purchase;

#[cfg(test)]
mod tests;
