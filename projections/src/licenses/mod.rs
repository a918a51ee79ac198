//! Licences: the state of each, by id and as lists.

mod projection;
mod query;
mod state;

pub use projection::LicensesFold;
pub use query::LicenseFilter;
pub(crate) use state::new_terms;
pub use state::{Amended, License, LicenseStatus};
