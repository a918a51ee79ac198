//! Deliveries: one row per mail, from the request to its sending.

mod delivery;
mod projection;
mod query;

pub use delivery::{Delivery, DeliveryState};
pub use projection::DeliveriesFold;
