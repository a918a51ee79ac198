//! Members: who signs in to the dashboard, with addresses and passwords sealed.

mod projection;
mod query;

pub use projection::{Invitation, Member, MembersFold};
pub use query::MEMBERSHIPS_MAX;
