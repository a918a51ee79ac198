//! Licences: the state of each, by id and as lists; which of them stand how at a moment; and what their ends call for.

mod due;
mod projection;
mod query;
mod standing;
mod state;

pub use due::{Expiration, Reminder};
pub use projection::LicensesFold;
pub use query::LicenseFilter;
pub use standing::{LicenseCounts, Standing};
pub(crate) use state::new_terms;
pub use state::{Amended, License, LicenseStatus};
