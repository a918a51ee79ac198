//! Seats: which devices and addresses hold a licence's seats, and which held them before.

mod projection;
mod query;
mod state;

pub use projection::{Seat, SeatsFold};
pub use state::{Bound, Holders, SeatKind, Seats};
