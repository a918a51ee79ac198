//! The licensing rules under every order and repetition of facts.

mod adoption;
mod convergence;
mod rules;
mod world;
