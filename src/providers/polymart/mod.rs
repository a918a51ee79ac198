//! Polymart, now also Voxel Shop: whose deliveries are genuine, what they say, and what the webhook's URL offers.

pub mod interpret;
pub mod payload;
pub mod query;
pub mod signature;
