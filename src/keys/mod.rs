//! Licence keys: how they are made and how they are found again.

mod license_key;

pub use license_key::{LICENSE_KEY_GROUPS, generate, lookup};
