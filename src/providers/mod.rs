//! The two providers: checking that a delivery is genuine, reading what it says, and deciding what follows.

mod asking;
pub mod crowd;
pub mod draft;
pub mod dry_run;
pub mod inbox;
pub mod incoming;
pub mod intake;
pub mod interpreter;
mod json;
mod mac;
mod named;
pub mod offer;
pub mod payments;
pub mod person;
pub mod plan;
pub mod polymart;
pub mod stripe;
