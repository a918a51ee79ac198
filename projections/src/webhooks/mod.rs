//! Webhooks: the endpoints that hear of what happens, and one row for each hook that is owed to one of them.
//!
//! A hook is owed when something happens to a licence while an enabled endpoint of its team wants to hear of it. That
//! follows from the ledger alone, so it is no event: of a team without endpoints nothing is written anywhere.

mod endpoint;
mod hook;
pub mod kind;
mod projection;
mod query;
mod rows;

pub use endpoint::{Endpoint, EndpointSecret};
pub use hook::{Hook, HookSource, HookState, hook_id};
pub use projection::WebhooksProjection;
