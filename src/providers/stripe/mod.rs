//! Stripe: whose deliveries are genuine, what they say, what a product's metadata offers, and the few questions
//! that we ask Stripe's API.
//!
//! Deliveries are rendered in the API version of the merchant's endpoint, so every layout since 2017 is read here.
//! Nothing is ever written to Stripe.

pub mod api;
pub mod interpret;
pub mod metadata;
pub mod payload;
pub mod signature;
