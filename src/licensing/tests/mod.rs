//! The licensing rules under every order and repetition of facts.

mod convergence;
mod rules;
mod world;
