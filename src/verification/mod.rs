//! Answering client programs: may this key be used, here, now?
//!
//! A verification that changes nothing is answered from memory: [`cache`] keeps licences with their seats and follows
//! the ledger. A first use, a new device or a new address is decided by the licence's own stream, with an expected
//! version, so that of many who race for the last seat one gets it, on any number of nodes. Nobody is refused from
//! memory alone: a refusal is decided again after catching up with the ledger.

pub mod answer;
mod append;
pub mod asked;
pub mod blacklist;
pub mod cache;
pub mod code;
pub mod decide;
pub mod explain;
mod follow;
mod probe;
pub mod seat;
mod signer;
#[cfg(test)]
mod tests;
mod verifier;

pub use append::{Holder, SealError, SealingKey, sealing_key};
pub use asked::{Asked, BadField};
pub use blacklist::Blacklist;
pub use cache::LicenseCache;
pub use code::{Code, Refusal};
pub use probe::Probe;
pub use signer::{ServerKeyJson, ServerKeys, SignerError, TeamSigners};
pub use verifier::{Caller, Verified, Verifier, VerifyError};
