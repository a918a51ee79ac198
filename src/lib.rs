//! keyledger: a licensing ledger that a software seller runs for itself.
//!
//! `ARCHITECTURE.md` at the root of the repository walks through the house.

// An optimised build lays out the whole future of a handler at once, and some of them are deep.
#![recursion_limit = "256"]

pub mod activity;
pub mod admin;
pub mod app;
mod attempts;
pub mod backup;
pub mod cli;
pub mod config;
pub mod directory;
mod draft;
pub mod forgetting;
pub mod hooks;
pub mod http;
pub mod import;
pub mod keys;
pub mod licensing;
pub mod mail;
pub mod milliseconds;
pub mod networks;
pub mod opened;
pub mod presence;
pub mod proofs;
pub mod providers;
pub mod rotations;
pub mod scheduler;
pub mod serve;
pub mod serve_options;
pub mod stop;
pub mod verification;

/// Who asks, where this program asks others over HTTP.
pub(crate) const USER_AGENT: &str = concat!("keyledger/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod test_support;
